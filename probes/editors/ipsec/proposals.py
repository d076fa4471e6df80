"""What an SA payload of IKEv2 proposes (RFC 7296 section 3.3): bytes and values."""

from __future__ import annotations

import struct

import msgspec

ENCRYPTION, PSEUDORANDOM, INTEGRITY, GROUP = 1, 2, 3, 4  # transform types
_KEY_LENGTH = 0x800E  # attribute: 14, with the value in place of a length

_PROPOSAL = struct.Struct("!BxHBBBB")
_TRANSFORM = struct.Struct("!BxHBxH")


class Transform(msgspec.Struct, frozen=True):
    """One algorithm: its type, its number among those, and its attributes as they are written."""

    kind: int
    number: int
    attributes: bytes


class Proposal(msgspec.Struct, frozen=True):
    """Algorithms to choose from, one of each type.  ``protocol`` is 1 for IKE."""

    number: int
    protocol: int
    transforms: tuple[Transform, ...]


def chosen(offered: list[Proposal], group: int) -> Proposal | None:
    """The first proposal for IKE that has ``group``, with the first transform of each other
    type.  A type that is not known here excludes a proposal (RFC 7296 section 3.3.6)."""
    for proposal in offered:
        first: dict[int, Transform] = {}
        for transform in proposal.transforms:
            if transform.kind != GROUP or transform.number == group:
                first.setdefault(transform.kind, transform)
        types = set(first)
        if proposal.protocol == 1 and types | {INTEGRITY} == {*range(ENCRYPTION, GROUP + 1)}:
            return Proposal(proposal.number, 1, tuple(first.values()))
    return None


def read(body: bytes) -> tuple[list[Proposal], list[str]]:
    """The proposals of an SA payload up to the first that is wrong, and what is wrong."""
    found: list[Proposal] = []
    at = 0
    more = 2
    while more:
        left = len(body) - at
        size = spi = 0
        if left >= _PROPOSAL.size:
            more, size, number, protocol, spi, count = _PROPOSAL.unpack_from(body, at)
        if not _PROPOSAL.size + spi <= size <= left or more not in (0, 2):
            return found, [f"proposal of {size} bytes, where {left} are left"]
        transforms = _transforms(body[at + _PROPOSAL.size + spi : at + size])
        if transforms is None or len(transforms) != count:
            return found, [f"proposal {number} does not have {count} transforms"]
        found.append(Proposal(number, protocol, transforms))
        at += size
    if at < len(body):
        return found, [f"{len(body) - at} bytes after the last proposal"]
    return found, []


def _transforms(body: bytes) -> tuple[Transform, ...] | None:
    """None if they do not fill ``body``."""
    found = []
    at = 0
    while at < len(body):
        if len(body) - at < _TRANSFORM.size:
            return None
        more, size, kind, number = _TRANSFORM.unpack_from(body, at)
        last = at + size == len(body)
        if not _TRANSFORM.size <= size <= len(body) - at or more != (0 if last else 3):
            return None
        found.append(Transform(kind, number, body[at + _TRANSFORM.size : at + size]))
        at += size
    return tuple(found)


def write(proposals: list[Proposal]) -> bytes:
    """An SA payload; no proposal has an SPI, as the header of an IKE message holds it."""
    body = b""
    for left, proposal in zip(reversed(range(len(proposals))), proposals, strict=True):
        count = len(proposal.transforms)
        transforms = b"".join(
            _TRANSFORM.pack(
                3 * (more > 0), _TRANSFORM.size + len(one.attributes), one.kind, one.number
            )
            + one.attributes
            for more, one in zip(reversed(range(count)), proposal.transforms, strict=True)
        )
        size = _PROPOSAL.size + len(transforms)
        body += _PROPOSAL.pack(2 * (left > 0), size, proposal.number, proposal.protocol, 0, count)
        body += transforms
    return body


def transform(kind: int, number: int, key_bits: int = 0) -> Transform:
    """``key_bits``: 0 for what has one length of key only."""
    return Transform(kind, number, struct.pack("!HH", _KEY_LENGTH, key_bits) if key_bits else b"")
