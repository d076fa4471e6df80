"""The attributes of STUN messages: how each is read and written, in one table (RFC 8489
section 14, RFC 5780 section 7, RFC 3489 section 11.2).

A reader is given the whole message and where the value lies, as some need what stands around it.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from probes.errors import WireError
from probes.wire.frame import Endpoint

if TYPE_CHECKING:
    from probes.wire.stun import Message

ATTRIBUTES_MOST = 64
"""Attributes read of one message; no kind of message is given half as many."""

_TEXT_LONGEST = 763  # bytes of SOFTWARE and of a reason phrase (RFC 8489 sections 14.8, 14.14)

_PAIR = struct.Struct("!HH")
_IPV4 = struct.Struct("!xBHI")
_IPV6 = struct.Struct("!xBH16s")
_WORD = struct.Struct("!I")

_Found = dict[str, Any]
_Read = Callable[[_Found, bytes, int, int, bytes], None]  # found, data, at, length, transaction
_Write = Callable[["Message"], bytes | None]  # None: the message has none


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
    reason = text_of(message.reason.encode())
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
    return None if message.software is None else text_of(message.software.encode())


def _text(data: bytes) -> str:
    """Text without the spaces and zeros that padded it, so RFC 3489 section 11.2.9."""
    return data.decode("utf-8", "replace").rstrip(" \0")


def text_of(text: bytes) -> bytes:
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
