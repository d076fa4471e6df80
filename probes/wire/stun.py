"""STUN messages (RFC 8489), with what finds out about NATs (RFC 5780) and the older RFC 3489.

What a message may carry is in one table, ``ATTRIBUTES`` of stun_attributes.  Credentials are
passed over: netcheck knows no passwords, and a binding request needs none.

::

    0      2        4         8                20
    | type | length | cookie  | identifier     | attributes: number, length, value, padding to 4
"""

from __future__ import annotations

import struct
from typing import Any, Literal
from zlib import crc32

import msgspec

from probes.errors import WireError
from probes.wire.frame import Endpoint
from probes.wire.stun_attributes import ATTRIBUTES, ATTRIBUTES_MOST, text_of

PORT = 3478  # IANA: stun
OTHER_PORT = 3479
COOKIE = b"\x21\x12\xa4\x42"
BINDING = 0x001
HEADER_SIZE = 20
IDENTIFIER_SIZE = 12

BAD_REQUEST = 400
UNKNOWN_ATTRIBUTE = 420

_FINGERPRINT_XOR = 0x5354554E  # RFC 8489 section 14.7

_PAIR = struct.Struct("!HH")
_HEADER = struct.Struct("!HH16s")
_WORD = struct.Struct("!I")

_Kind = Literal["request", "indication", "success", "error"]
_CLASSES: dict[int, _Kind] = {
    0x000: "request",
    0x010: "indication",
    0x100: "success",
    0x110: "error",
}
_CLASS_BITS = {kind: bits for bits, kind in _CLASSES.items()}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message.  ``transaction`` is the cookie and the 96-bit identifier, or the 128-bit
    one of RFC 3489.  ``padding`` counts bytes.

    ``fingerprint``: when written, one is appended; when read, there was one and it is right.
    ``not_understood``: attributes met that must be understood and are not known here.
    """

    kind: _Kind
    transaction: bytes
    method: int = BINDING
    mapped_address: Endpoint | None = None
    xor_mapped_address: Endpoint | None = None
    source_address: Endpoint | None = None
    changed_address: Endpoint | None = None
    response_origin: Endpoint | None = None
    other_address: Endpoint | None = None
    change_ip: bool = False
    change_port: bool = False
    response_port: int | None = None
    padding: int | None = None
    error_code: int | None = None
    reason: str = ""
    unknown_attributes: tuple[int, ...] = ()
    software: str | None = None
    fingerprint: bool = False
    not_understood: tuple[int, ...] = ()

    @property
    def classic(self) -> bool:
        """Whether this is a message of RFC 3489, which knew no magic cookie."""
        return self.transaction[:4] != COOKIE


FINGERPRINT = 0x8028
XOR_MAPPED_ADDRESS_OLD = 0x8020
"""The number that drafts of RFC 5389 gave to XOR-MAPPED-ADDRESS; old servers send it."""

MESSAGE_INTEGRITY = 0x0008
PASSED_OVER = {
    0x0006: "USERNAME",
    0x0007: "PASSWORD",
    MESSAGE_INTEGRITY: "MESSAGE-INTEGRITY",
    0x0014: "REALM",
    0x0015: "NONCE",
    0x001C: "MESSAGE-INTEGRITY-SHA256",
    0x001D: "PASSWORD-ALGORITHM",
    0x001E: "USERHASH",
}
"""Credentials: known, and of no use to who has no passwords."""

_SOFTWARE = 0x8022
_ROWS = {row.number: (row.field, row.read) for row in ATTRIBUTES}
_ROWS[XOR_MAPPED_ADDRESS_OLD] = _ROWS[0x0020]


def transaction(identifier: bytes) -> bytes:
    """The transaction of ``identifier``, 12 random bytes of the caller's."""
    if len(identifier) != IDENTIFIER_SIZE:
        raise ValueError(f"{len(identifier)} bytes instead of {IDENTIFIER_SIZE}")
    return COOKIE + identifier


def length_of(head: bytes) -> int:
    """The whole length of the message that begins with ``head``, 4 bytes or more: how messages
    are told apart on a TCP connection (RFC 8489 section 6.2.2).

    Raises WireError for bytes that begin no message.
    """
    if len(head) < 4:
        raise WireError("stun", f"{len(head)} bytes are too few to tell a length")
    kind, length = _PAIR.unpack_from(head)
    if kind & 0xC000:
        raise WireError("stun.type", f"0x{kind:04x} is no message type")
    if length % 4:
        raise WireError("stun.length", f"{length} is no multiple of 4")
    return HEADER_SIZE + int(length)


def read(data: bytes) -> Message:
    """Read one whole message.  Of an attribute that is there twice the first one counts
    (RFC 8489 section 14).

    Raises WireError for anything malformed, a wrong FINGERPRINT included.
    """
    size = len(data)
    if size < HEADER_SIZE:
        raise WireError("stun", f"{size} bytes instead of at least {HEADER_SIZE}")
    kind, length, key = _HEADER.unpack_from(data)
    if kind & 0xC000:
        raise WireError("stun.type", f"0x{kind:04x} is no message type")
    if length != size - HEADER_SIZE or length % 4:
        raise WireError("stun.length", f"{length} bytes of attributes in {size} bytes")
    found: dict[str, Any] = {}
    unknown: list[int] = []
    signed = False
    count = 0
    at = HEADER_SIZE
    while at < size:
        # Both are multiples of 4, so the four bytes are there.
        number, length = _PAIR.unpack_from(data, at)
        value = at + 4
        at = value + (length + 3 & ~3)
        count += 1
        if at > size or count > ATTRIBUTES_MOST:
            raise WireError(
                f"stun.0x{number:04x}",
                f"{length} bytes go beyond the message" if at > size else "too many attributes",
            )
        if number == FINGERPRINT:
            _check_fingerprint(data, value, length, at)
            found["fingerprint"] = True
        elif signed:
            continue  # RFC 8489 section 14.5: nothing after it counts
        elif row := _ROWS.get(number):
            field, reader = row
            if field not in found:
                reader(found, data, value, length, key)
        elif number == MESSAGE_INTEGRITY:
            signed = True
        elif number < 0x8000 and number not in PASSED_OVER and number not in unknown:
            unknown.append(number)
    if unknown:
        found["not_understood"] = tuple(unknown)
    method = kind & 0xF | (kind & 0xE0) >> 1 | (kind & 0x3E00) >> 2
    return Message(kind=_CLASSES[kind & 0x110], transaction=key, method=method, **found)


def write(message: Message, *, at_least: int = 0) -> bytes:
    """The bytes of ``message``; a SOFTWARE is filled up with spaces to make it ``at_least``
    so many bytes, for a request that no answer is to exceed.

    Raises ValueError for a message that cannot be written.
    """
    if len(message.transaction) != HEADER_SIZE - 4 or not 0 <= message.method <= 0xFFF:
        raise ValueError("a message needs a transaction of 16 bytes and a method of 12 bits")
    try:
        return _write(message, at_least)
    except struct.error as error:
        raise ValueError(f"a port, an attribute or the whole is too large: {error}") from None


def _write(message: Message, at_least: int) -> bytes:
    parts = [b""]
    size = HEADER_SIZE + 8 * message.fingerprint
    for row in ATTRIBUTES:
        value = row.write(message)
        short = at_least - size
        if row.number == _SOFTWARE and short > 0:
            value = text_of((value or b"").ljust(short - 4))
        if value is not None:
            parts.append(_PAIR.pack(row.number, len(value)) + value + bytes(-len(value) % 4))
            size += len(parts[-1])
    method = message.method
    bits = method & 0xF | (method & 0x70) << 1 | (method & 0xF80) << 2
    parts[0] = _HEADER.pack(
        bits | _CLASS_BITS[message.kind], size - HEADER_SIZE, message.transaction
    )
    data = b"".join(parts)
    if message.fingerprint:
        data += _PAIR.pack(FINGERPRINT, 4) + _WORD.pack(crc32(data) ^ _FINGERPRINT_XOR)
    return data


def _check_fingerprint(data: bytes, at: int, length: int, end: int) -> None:
    """RFC 8489 section 14.7: the last attribute, and right."""
    if length != 4 or end != len(data):
        raise WireError("stun.FINGERPRINT", "it is not the last attribute, of 4 bytes")
    if _WORD.unpack_from(data, at)[0] != crc32(data[: at - 4]) ^ _FINGERPRINT_XOR:
        raise WireError("stun.FINGERPRINT", "it does not fit the message")
