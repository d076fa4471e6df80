"""RTP packets: bytes and values (RFC 3550 section 5.1).

::

    0         1         2         4           8      12
    | V P X CC | M PT    | sequence| timestamp | ssrc | csrc... | extension | payload | padding |
"""

from __future__ import annotations

import struct

import msgspec

from probes.errors import WireError

HEADER_SIZE = 12
VERSION = 2
CSRC_MAX = 15
_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")

G723 = 4  # RFC 3551 section 4.5.3: 24-byte frames of speech at 6.3 kbit/s
H263 = 34  # RFC 3551 section 5
CLOCK_HZ = {G723: 8000, H263: 90_000}
"""Timestamp units a second (RFC 3551 table 4 and 5); other payload types: 8000."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """One RTP packet.  ``extension`` is its profile-specific number and its bytes, a
    multiple of four; ``timestamp`` is in units of the payload type's clock."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None


def clock_hz(payload_type: int) -> int:
    """Timestamp units a second of a payload type (RFC 3551)."""
    return CLOCK_HZ.get(payload_type, 8000)


def write(packet: Packet) -> bytes:
    """The bytes of ``packet``, without padding."""
    if len(packet.csrcs) > CSRC_MAX:
        raise ValueError(f"{len(packet.csrcs)} contributing sources are more than {CSRC_MAX}")
    first = VERSION << 6 | (packet.extension is not None) << 4 | len(packet.csrcs)
    second = packet.marker << 7 | packet.payload_type
    head = _FIXED.pack(first, second, packet.sequence, packet.timestamp, packet.ssrc)
    head += struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs)
    if packet.extension is not None:
        profile, data = packet.extension
        if len(data) % 4:
            raise ValueError("an extension is a multiple of four bytes")
        head += _EXTENSION.pack(profile, len(data) // 4) + data
    return head + packet.payload


def read(data: bytes) -> Packet:
    """Raises WireError for bytes that are no RTP packet (RFC 3550 appendix A.1)."""
    if len(data) < HEADER_SIZE:
        raise WireError("rtp", f"{len(data)} bytes are fewer than {HEADER_SIZE}")
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != VERSION:
        raise WireError("rtp.version", f"{first >> 6} instead of {VERSION}")
    count = first & 0x0F
    at = HEADER_SIZE + 4 * count
    if len(data) < at:
        raise WireError("rtp.csrc", f"{count} sources do not fit into {len(data)} bytes")
    csrcs = struct.unpack_from(f"!{count}I", data, HEADER_SIZE)
    extension = None
    if first & 0x10:
        if len(data) < at + _EXTENSION.size:
            raise WireError("rtp.extension", "it is cut short")
        profile, words = _EXTENSION.unpack_from(data, at)
        at += _EXTENSION.size
        if len(data) < at + 4 * words:
            raise WireError("rtp.extension", f"{4 * words} bytes do not fit")
        extension = (profile, data[at : at + 4 * words])
        at += 4 * words
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if not 1 <= padding <= end - at:
            raise WireError("rtp.padding", f"{padding} bytes of {end - at}")
        end -= padding
    return Packet(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[at:end],
        marker=bool(second & 0x80),
        csrcs=csrcs,
        extension=extension,
    )
