"""IKEv2 messages as payloads one after the other: bytes and values (RFC 7296 section 3).

::

    0               8               16       17       18        19     20          24
    | SPI initiator | SPI responder | next   | version| exchange| flags| message ID| length |
    then payloads: | next | critical | length 2 | ...
"""

from __future__ import annotations

import struct

import msgspec

from probes.editors.contract import bounded
from probes.errors import WireError

MARKER = bytes(4)
"""Before each IKE message on port 4500.  No message begins with it: no SPI is zero there."""

HEADER_SIZE = 28
SA_INIT = 34  # exchange type
INITIATOR, RESPONSE = 0x08, 0x20  # flags

SECURITY_ASSOCIATION, KEY_EXCHANGE, NONCE, NOTIFY = 33, 34, 40, 41  # payload types
_ENCRYPTED = (46, 53)  # the last payload of a message; its "next" is for what is inside

_HEADER = struct.Struct("!8s8sBBBBII")
_GENERIC = struct.Struct("!BBH")

Payload = tuple[int, bytes]
"""Its type and what stands behind its own header."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """``payloads`` are pairs of type and body, as far as they can be told apart."""

    marked: bool
    initiator: bytes
    responder: bytes
    exchange: int
    flags: int
    number: int
    payloads: tuple[Payload, ...]
    faults: tuple[str, ...]

    @property
    def request(self) -> bool:
        return not self.flags & RESPONSE

    def bodies(self, kind: int) -> list[bytes]:
        return [body for found, body in self.payloads if found == kind]

    def notified(self, kind: int) -> list[bytes]:
        """The data of each notification of a kind; its protocol and SPI are passed over."""
        return [
            body[4 + body[1] :]
            for body in self.bodies(NOTIFY)
            if len(body) >= 4 and int.from_bytes(body[2:4]) == kind
        ]


def read(data: bytes) -> Message:
    """Raises WireError for what has no header of IKEv2; all else that is wrong is a fault."""
    bounded("ipsec", data)
    marked = data.startswith(MARKER)
    ike = data[len(MARKER) :] if marked else data
    if len(ike) < HEADER_SIZE:
        raise WireError("ipsec", f"{len(ike)} bytes are fewer than {HEADER_SIZE}")
    initiator, responder, following, version, exchange, flags, number, length = _HEADER.unpack_from(
        ike
    )
    if version >> 4 != 2:
        raise WireError("ipsec.version", f"{version >> 4} instead of 2")
    faults = []
    if length != len(ike):
        faults.append(f"Length {length} of {len(ike)} bytes")
    payloads = []
    at = HEADER_SIZE
    while following:
        kind, size = following, 0
        if len(ike) - at >= _GENERIC.size:
            following, _, size = _GENERIC.unpack_from(ike, at)
        if not _GENERIC.size <= size <= len(ike) - at:
            faults.append(f"payload {kind} of {size} bytes, where {len(ike) - at} are left")
            break
        payloads.append((kind, ike[at + _GENERIC.size : at + size]))
        at += size
        if kind in _ENCRYPTED:
            break
    if not faults and at < len(ike):
        faults.append(f"{len(ike) - at} bytes after the last payload")
    return Message(
        marked=marked,
        initiator=initiator,
        responder=responder,
        exchange=exchange,
        flags=flags,
        number=number,
        payloads=tuple(payloads),
        faults=tuple(faults),
    )


def notification(kind: int, data: bytes) -> Payload:
    return NOTIFY, struct.pack("!BBH", 0, 0, kind) + data


def write(marked: bool, spis: tuple[bytes, bytes], flags: int, payloads: list[Payload]) -> bytes:
    """An IKE_SA_INIT message."""
    body = b""
    following = 0
    for kind, content in reversed(payloads):
        body = _GENERIC.pack(following, 0, _GENERIC.size + len(content)) + content + body
        following = kind
    size = HEADER_SIZE + len(body)
    head = _HEADER.pack(*spis, following, 0x20, SA_INIT, flags, 0, size)
    return (MARKER if marked else b"") + head + body
