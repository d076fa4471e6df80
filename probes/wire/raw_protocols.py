"""GRE, ESP and AH with a frame in them: what carries the data of PPTP and of IPsec (pure).

RFC 2637 section 4.1 (enhanced GRE), RFC 4303 section 2 (ESP), RFC 4302 section 2 (AH).  None has
ports.  What is in ESP is no ciphertext, and the ICV of AH is of the payload alone: on the way
nobody can tell, since only the ends have keys.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Literal, NamedTuple

from probes.errors import WireError

RawName = Literal["gre", "esp", "ah"]

NUMBERS: dict[RawName, int] = {"gre": 47, "esp": 50, "ah": 51}
"""IANA's protocol numbers."""

PACKET_MAX = 2048
"""No link on the way carries more at once."""

KEY_MAX: dict[RawName, int] = {"gre": 0xFFFF, "esp": 0xFFFF_FFFF, "ah": 0xFFFF_FFFF}

_GRE = struct.Struct("!HHHHI")  # flags and version, protocol, payload length, call ID, sequence
_GRE_FLAGS = 0x3001  # a key and a sequence number, version 1
_PPP = 0x880B
_ESP = struct.Struct("!II")  # SPI, sequence
_AH = struct.Struct("!BBHII12s")  # next header, length, reserved, SPI, sequence, ICV
_NO_NEXT_HEADER = 59
_AH_LENGTH = _AH.size // 4 - 2


class Packet(NamedTuple):
    """``key`` is whose it is to its receiver: the Call ID of GRE, the SPI of the others."""

    key: int
    payload: bytes


def write(name: RawName, key: int, sequence: int, payload: bytes) -> bytes:
    """What follows the IP header; ``key`` from 1 to KEY_MAX of the protocol."""
    match name:
        case "gre":
            header = _GRE.pack(_GRE_FLAGS, _PPP, len(payload), key, sequence)
        case "esp":
            header = _ESP.pack(key, sequence)
        case "ah":
            icv = hashlib.sha256(payload).digest()[:12]
            header = _AH.pack(_NO_NEXT_HEADER, _AH_LENGTH, 0, key, sequence, icv)
    return header + payload


def read(name: RawName, data: bytes) -> Packet:
    """Raises WireError for what ``write`` would not have written."""
    layout = {"gre": _GRE, "esp": _ESP, "ah": _AH}[name]
    if not layout.size <= len(data) <= PACKET_MAX:
        raise WireError(name, f"{len(data)} bytes")
    fields = layout.unpack_from(data)
    payload = data[layout.size :]
    match name:
        case "gre":
            flags, inside, size, key, _ = fields
            if (flags, inside, size) != (_GRE_FLAGS, _PPP, len(payload)):
                raise WireError("gre", "it is not PPTP's with a payload")
        case "esp":
            key, _ = fields
        case "ah":
            _, length, _, key, _, _ = fields
            if length != _AH_LENGTH:
                raise WireError("ah", f"length {length}")
    return Packet(int(key), payload)


def without_header(datagram: bytes) -> bytes:
    """What an IPv4 datagram carries, as a raw socket gives it.  Raises WireError."""
    size = (datagram[0] & 0x0F) * 4 if datagram else 0
    if size < 20 or len(datagram) < size or datagram[0] >> 4 != 4:
        raise WireError("ip", "no header of IPv4")
    return datagram[size:]


def body(key: int) -> bytes:
    """The body of a PROBE: the ``key`` that its sender wants in the answer; 0 for the one that
    it gave in its dialogue."""
    return key.to_bytes(4)


def key_in(frame_body: bytes) -> int:
    return int.from_bytes(frame_body[:4])
