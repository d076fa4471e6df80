"""RTCP compound packets: sender and receiver reports, and what travels with them (RFC 3550
section 6).

A compound begins with a report, is made of whole 32-bit words, and its parts fill it exactly
(appendix A.2).  Kinds that are not known are kept as they are.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from probes.errors import WireError

VERSION = 2
SR, RR, SDES, BYE, APP = 200, 201, 202, 203, 204  # section 12.1
CNAME = 1
COUNT_MAX = 31  # five bits: blocks, chunks, sources
NTP_EPOCH_S = 2_208_988_800
"""From 1900, where NTP counts from, to 1970 (RFC 868)."""

_STEPS = 66  # of 1/65536 s, about a millisecond: what rounding and two clocks may cost

_HEAD = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A reception report (section 6.4.1).  ``fraction_lost`` in 1/256 since the last report,
    ``lost`` in packets since the beginning (24 bits, signed), ``jitter`` in timestamp units,
    ``last_sr`` the middle 32 bits of an NTP time, ``delay`` in 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    lost: int = 0
    highest: int = 0  # extended sequence number
    jitter: int = 0
    last_sr: int = 0
    delay: int = 0


class SenderReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """``ntp`` is a 64-bit NTP time: seconds since 1900 times 2**32."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[Block, ...] = ()


class ReceiverReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    ssrc: int
    blocks: tuple[Block, ...] = ()


class Description(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """SDES: for each source its items, as (type, text in bytes)."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...] = ()


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    ssrcs: tuple[int, ...] = ()
    reason: bytes = b""


class App(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Application-defined (section 6.7): ``name`` is four bytes, ``data`` whole words."""

    ssrc: int
    name: bytes
    data: bytes = b""
    subtype: int = 0


class Other(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A packet of a kind that is not known here; ``body`` is all after its first word."""

    kind: int
    count: int
    body: bytes = b""


Part = SenderReport | ReceiverReport | Description | Bye | App | Other
Report = SenderReport | ReceiverReport


def write(parts: tuple[Part, ...]) -> bytes:
    """The bytes of a compound packet; the first part is a report."""
    if not parts or not isinstance(parts[0], (SenderReport, ReceiverReport)):
        raise ValueError("a compound begins with a report")
    return b"".join(write_part(part) for part in parts)


def read(data: bytes) -> tuple[Part, ...]:
    """The parts of a compound.  Raises WireError for bytes that are none."""
    parts: list[Part] = []
    at = 0
    while at < len(data):
        if len(data) - at < _HEAD.size:
            raise WireError("rtcp", "the last packet is cut short")
        first, kind, words = _HEAD.unpack_from(data, at)
        end = at + 4 * (words + 1)
        if first >> 6 != VERSION:
            raise WireError("rtcp.version", f"{first >> 6} instead of {VERSION}")
        if end > len(data):
            raise WireError("rtcp.length", f"{words} words do not fit")
        if not parts and (kind not in (SR, RR) or first & 0x20):
            raise WireError("rtcp", "it does not begin with a report")
        body = data[at + _HEAD.size : end]
        if first & 0x20:
            if end != len(data):
                raise WireError("rtcp.padding", "only the last packet is padded")
            if not body or not 1 <= body[-1] <= len(body) or body[-1] % 4:
                raise WireError("rtcp.padding", "it does not fit")
            body = body[: -body[-1]]
        parts.append(_read(kind, first & 0x1F, body))
        at = end
    if not parts:
        raise WireError("rtcp", "no bytes")
    return tuple(parts)


def ntp(unix_s: float) -> int:
    """A 64-bit NTP time from seconds since 1970 (section 4)."""
    return int((unix_s + NTP_EPOCH_S) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF


def middle(ntp_time: int) -> int:
    """The middle 32 bits of an NTP time: 1/65536 s."""
    return ntp_time >> 16 & 0xFFFF_FFFF


def round_trip_s(arrived: int, block: Block) -> float | None:
    """The round trip that ``block`` tells, in seconds, if it arrived at the NTP time
    ``arrived``; None where it names no sender report of ours, or one that it cannot have
    heard (section 6.4.1, figure 2)."""
    if block.last_sr == 0:
        return None
    units = (middle(arrived) - block.last_sr - block.delay) & 0xFFFF_FFFF
    # As signed: clocks of finite steps may make a very short round trip negative.
    signed = units - 2**32 if units >= 2**31 else units
    return None if signed < -_STEPS else max(0, signed) / 65536


def write_part(part: Part) -> bytes:
    """The bytes of one packet of a compound."""
    match part:
        case SenderReport():
            body = _SENDER.pack(part.ssrc, part.ntp, part.timestamp, part.packets, part.octets)
            return _packet(SR, len(part.blocks), body + _blocks(part.blocks))
        case ReceiverReport():
            return _packet(
                RR, len(part.blocks), part.ssrc.to_bytes(4, "big") + _blocks(part.blocks)
            )
        case Description():
            return _packet(SDES, len(part.chunks), b"".join(_chunk(*c) for c in part.chunks))
        case Bye():
            body = struct.pack(f"!{len(part.ssrcs)}I", *part.ssrcs)
            if part.reason:
                body += _whole_words(bytes([len(part.reason)]) + part.reason)
            return _packet(BYE, len(part.ssrcs), body)
        case App():
            if len(part.name) != 4 or len(part.data) % 4:
                raise ValueError("an APP packet has a name of four bytes and whole words of data")
            return _packet(APP, part.subtype, struct.pack("!I4s", part.ssrc, part.name) + part.data)
        case Other():
            return _packet(part.kind, part.count, part.body)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    if count > COUNT_MAX:
        raise ValueError(f"{count} are more than {COUNT_MAX}")
    return _HEAD.pack(VERSION << 6 | count, kind, len(body) // 4) + body


def _blocks(blocks: tuple[Block, ...]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            b.ssrc,
            b.fraction_lost << 24 | max(-(2**23), min(2**23 - 1, b.lost)) & 0xFF_FFFF,
            b.highest,
            b.jitter,
            b.last_sr,
            b.delay,
        )
        for b in blocks
    )


def _chunk(ssrc: int, items: tuple[tuple[int, bytes], ...]) -> bytes:
    text = b"".join(bytes([kind, len(value)]) + value for kind, value in items)
    return ssrc.to_bytes(4, "big") + _whole_words(text + b"\0")


def _whole_words(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _read(kind: int, count: int, body: bytes) -> Part:
    if kind == SR:
        if len(body) < _SENDER.size:
            raise WireError("rtcp.sr", "it is cut short")
        ssrc, at, timestamp, packets, octets = _SENDER.unpack_from(body)
        return SenderReport(
            ssrc=ssrc,
            ntp=at,
            timestamp=timestamp,
            packets=packets,
            octets=octets,
            blocks=_read_blocks("rtcp.sr", count, body, _SENDER.size),
        )
    if kind == RR:
        (ssrc,) = _words("rtcp.rr", body, 1)
        return ReceiverReport(ssrc=ssrc, blocks=_read_blocks("rtcp.rr", count, body, 4))
    if kind == SDES:
        return Description(chunks=_read_chunks(count, body))
    if kind == BYE:
        return _read_bye(count, body)
    if kind == APP:
        (ssrc,) = _words("rtcp.app", body, 1)
        if len(body) < 8:
            raise WireError("rtcp.app", "it has no name")
        return App(ssrc=ssrc, name=body[4:8], data=body[8:], subtype=count)
    return Other(kind=kind, count=count, body=body)


def _words(place: str, body: bytes, count: int) -> tuple[int, ...]:
    if len(body) < 4 * count:
        raise WireError(place, "it is cut short")
    return struct.unpack_from(f"!{count}I", body)


def _read_blocks(
    place: Literal["rtcp.sr", "rtcp.rr"], count: int, body: bytes, at: int
) -> tuple[Block, ...]:
    """What stands behind the blocks is a profile's own extension, and passed over."""
    if len(body) < at + count * _BLOCK.size:
        raise WireError(place, f"{count} reports do not fit")
    blocks = []
    for offset in range(at, at + count * _BLOCK.size, _BLOCK.size):
        ssrc, losses, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
        lost = losses & 0xFF_FFFF
        blocks.append(
            Block(
                ssrc=ssrc,
                fraction_lost=losses >> 24,
                lost=lost - 2**24 if lost >= 2**23 else lost,
                highest=highest,
                jitter=jitter,
                last_sr=last_sr,
                delay=delay,
            )
        )
    return tuple(blocks)


def _read_chunks(count: int, body: bytes) -> tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]:
    chunks = []
    at = 0
    for _ in range(count):
        if len(body) < at + 4:
            raise WireError("rtcp.sdes", f"{count} chunks do not fit")
        ssrc = int.from_bytes(body[at : at + 4], "big")
        at += 4
        items = []
        while True:
            if at >= len(body):
                raise WireError("rtcp.sdes", "a chunk has no end")
            if body[at] == 0:
                break
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                raise WireError("rtcp.sdes", "an item is cut short")
            size = body[at + 1]
            items.append((body[at], body[at + 2 : at + 2 + size]))
            at += 2 + size
        at += 4 - at % 4  # the null byte, and others up to the next word
        chunks.append((ssrc, tuple(items)))
    return tuple(chunks)


def _read_bye(count: int, body: bytes) -> Bye:
    ssrcs = _words("rtcp.bye", body, count)
    rest = body[4 * count :]
    if rest and 1 + rest[0] > len(rest):
        raise WireError("rtcp.bye", "the reason is cut short")
    return Bye(ssrcs=ssrcs, reason=rest[1 : 1 + rest[0]] if rest else b"")
