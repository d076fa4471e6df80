"""STUN messages (RFC 8489), with what finds out about NATs (RFC 5780) and the older RFC 3489.

What a message may carry is in one table, ``ATTRIBUTES``.  Credentials are passed over:
netcheck knows no passwords, and a binding request needs none.

::

    0      2        4         8                20
    | type | length | cookie  | identifier     | attributes: number, length, value, padding to 4
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zlib import crc32

import msgspec

from probes.errors import WireError
from probes.wire.frame import Endpoint

PORT = 3478  # IANA: stun
OTHER_PORT = 3479
COOKIE = b"\x21\x12\xa4\x42"
BINDING = 0x001
HEADER_SIZE = 20
IDENTIFIER_SIZE = 12

BAD_REQUEST = 400
UNKNOWN_ATTRIBUTE = 420

ATTRIBUTES_MOST = 64
"""Attributes read of one message; no kind of message is given half as many."""

_TEXT_LONGEST = 763  # bytes of SOFTWARE and of a reason phrase (RFC 8489 sections 14.8, 14.14)
_FINGERPRINT_XOR = 0x5354554E  # RFC 8489 section 14.7

_PAIR = struct.Struct("!HH")
_HEADER = struct.Struct("!HH16s")
_IPV4 = struct.Struct("!xBHI")
_IPV6 = struct.Struct("!xBH16s")
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


_Found = dict[str, Any]
_Read = Callable[[_Found, bytes, int, int, bytes], None]  # found, data, at, length, transaction
_Write = Callable[[Message], bytes | None]  # None: the message has none


class Attribute(NamedTuple):
    """One row: ``field`` of Message holds its value, or the first part of it."""

    number: int
    name: str
    field: str
    read: _Read
    write: _Write


def _address(number: int, name: str, field: str) -> Attribute:
    """RFC 8489 section 14.1."""

    def read(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
        if length == 8:
            family, port, host = _IPV4.unpack_from(data, at)
            if family == 1:
                found[field] = Endpoint(_ipv4(host), port)
                return
        elif length == 20:
            family, port, packed = _IPV6.unpack_from(data, at)
            if family == 2:
                found[field] = Endpoint(_ipv6(packed), port)
                return
        raise _no_address(name, length)

    def write(message: Message) -> bytes | None:
        endpoint: Endpoint | None = getattr(message, field)
        if endpoint is None:
            return None
        return _pack(endpoint.port, _packed(endpoint.address))

    return Attribute(number, name, field, read, write)


def _xor_address(number: int, name: str, field: str) -> Attribute:
    """RFC 8489 section 14.2.  The cookie and the identifier together are the transaction,
    so one rule fits messages with the cookie and without."""

    def read(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
        key = _WORD.unpack_from(transaction)[0]
        if length == 8:
            family, port, host = _IPV4.unpack_from(data, at)
            if family == 1:
                found[field] = Endpoint(_ipv4(host ^ key), port ^ key >> 16)
                return
        elif length == 20:
            family, port, packed = _IPV6.unpack_from(data, at)
            if family == 2:
                found[field] = Endpoint(_ipv6(_xor(packed, transaction)), port ^ key >> 16)
                return
        raise _no_address(name, length)

    def write(message: Message) -> bytes | None:
        endpoint: Endpoint | None = getattr(message, field)
        if endpoint is None:
            return None
        transaction = message.transaction
        packed = _packed(endpoint.address)
        port = endpoint.port ^ int.from_bytes(transaction[:2], "big")
        return _pack(port, _xor(packed, transaction[: len(packed)]))

    return Attribute(number, name, field, read, write)


def _no_address(name: str, length: int) -> WireError:
    return WireError(f"stun.{name}", f"{length} bytes are no IPv4 or IPv6 address of its family")


def _pack(port: int, packed: bytes) -> bytes:
    return _PAIR.pack(1 if len(packed) == 4 else 2, port) + packed


def _xor(one: bytes, other: bytes) -> bytes:
    number = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return number.to_bytes(len(one), "big")


def _ipv4(host: int) -> str:
    return f"{host >> 24}.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}"


@lru_cache(maxsize=1024)
def _ipv6(packed: bytes) -> str:
    return str(ipaddress.IPv6Address(packed))


@lru_cache(maxsize=1024)
def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address.partition("%")[0]).packed


def _read_change(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
    """RFC 5780 section 7.2."""
    if length != 4:
        raise WireError("stun.CHANGE-REQUEST", f"{length} bytes instead of 4")
    flags = data[at + 3]
    found["change_ip"] = bool(flags & 4)
    found["change_port"] = bool(flags & 2)


def _write_change(message: Message) -> bytes | None:
    flags = 4 * message.change_ip + 2 * message.change_port
    return _WORD.pack(flags) if flags else None


def _read_error(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
    """RFC 8489 section 14.8."""
    if not 4 <= length <= 4 + _TEXT_LONGEST:
        raise WireError("stun.ERROR-CODE", f"{length} bytes long")
    hundreds, units = data[at + 2] & 7, data[at + 3]
    if not 3 <= hundreds <= 6 or units > 99:
        raise WireError("stun.ERROR-CODE", f"class {hundreds}, number {units} is no code")
    found["error_code"] = 100 * hundreds + units
    found["reason"] = _text(data[at + 4 : at + length])


def _write_error(message: Message) -> bytes | None:
    if message.error_code is None:
        return None
    if not 300 <= message.error_code <= 699:
        raise ValueError(f"{message.error_code} is no error code")
    reason = _short(message.reason.encode())
    if message.classic:
        reason += b" " * (-len(reason) % 4)  # RFC 3489 section 11.2.9
    return _PAIR.pack(0, message.error_code // 100 << 8 | message.error_code % 100) + reason


def _read_unknown(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
    """RFC 8489 section 14.9."""
    if length % 2 or length > 2 * ATTRIBUTES_MOST:
        raise WireError("stun.UNKNOWN-ATTRIBUTES", f"{length} bytes long")
    numbers = struct.unpack_from(f"!{length // 2}H", data, at)
    found["unknown_attributes"] = tuple(dict.fromkeys(numbers))


def _write_unknown(message: Message) -> bytes | None:
    numbers = message.unknown_attributes[:ATTRIBUTES_MOST]
    if not numbers:
        return None
    if message.classic and len(numbers) % 2:
        numbers += numbers[-1:]  # RFC 3489 section 11.2.10
    return struct.pack(f"!{len(numbers)}H", *numbers)


def _read_padding(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
    """RFC 5780 section 7.6.  Its content means nothing."""
    found["padding"] = length


def _write_padding(message: Message) -> bytes | None:
    if message.padding is None:
        return None
    if not 0 <= message.padding <= 0xFFFF:
        raise ValueError(f"{message.padding} bytes of PADDING do not fit")
    return bytes(message.padding)


def _read_port(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
    """RFC 5780 section 7.5: two bytes, and two more that some count into its length."""
    if length not in (2, 4):
        raise WireError("stun.RESPONSE-PORT", f"{length} bytes long")
    found["response_port"] = data[at] << 8 | data[at + 1]


def _write_port(message: Message) -> bytes | None:
    return None if message.response_port is None else _PAIR.pack(message.response_port, 0)


def _read_software(found: _Found, data: bytes, at: int, length: int, transaction: bytes) -> None:
    """RFC 8489 section 14.14."""
    if length > _TEXT_LONGEST:
        raise WireError("stun.SOFTWARE", f"{length} bytes long")
    found["software"] = _text(data[at : at + length]) or None


def _write_software(message: Message) -> bytes | None:
    return None if message.software is None else _short(message.software.encode())


def _text(data: bytes) -> str:
    """Text without the spaces and zeros that padded it, so RFC 3489 section 11.2.9."""
    return data.decode("utf-8", "replace").rstrip(" \0")


def _short(text: bytes) -> bytes:
    if len(text) > _TEXT_LONGEST:
        raise ValueError(f"{len(text)} bytes of text; STUN carries {_TEXT_LONGEST} at most")
    return text


ATTRIBUTES = (
    _address(0x0001, "MAPPED-ADDRESS", "mapped_address"),
    Attribute(0x0003, "CHANGE-REQUEST", "change_ip", _read_change, _write_change),
    _address(0x0004, "SOURCE-ADDRESS", "source_address"),
    _address(0x0005, "CHANGED-ADDRESS", "changed_address"),
    Attribute(0x0009, "ERROR-CODE", "error_code", _read_error, _write_error),
    Attribute(0x000A, "UNKNOWN-ATTRIBUTES", "unknown_attributes", _read_unknown, _write_unknown),
    _xor_address(0x0020, "XOR-MAPPED-ADDRESS", "xor_mapped_address"),
    Attribute(0x0026, "PADDING", "padding", _read_padding, _write_padding),
    Attribute(0x0027, "RESPONSE-PORT", "response_port", _read_port, _write_port),
    _address(0x802B, "RESPONSE-ORIGIN", "response_origin"),
    _address(0x802C, "OTHER-ADDRESS", "other_address"),
    Attribute(0x8022, "SOFTWARE", "software", _read_software, _write_software),
)
"""Every attribute that means something here, in the order in which they are written.
FINGERPRINT is not among them: it is always last, and of the whole message."""

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
    found: _Found = {}
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
            value = _short((value or b"").ljust(short - 4))
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
