"""Q.931 messages as H.225.0 uses them (ITU-T Q.931 clause 4, H.225.0 clause 7.2).

::

    0               1               2..3             4
    | discriminator | length of ref | call reference | type | information elements

An information element is one byte that is 128 or more, or a number, a length and contents;
the length has two bytes in User-user and one in all others.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from probes.errors import WireError

DISCRIMINATOR = 8
BEARER_CAPABILITY = 0x04
CAUSE = 0x08
CALL_STATE = 0x14
DISPLAY = 0x28
USER_USER = 0x7E


class Type(IntEnum):
    """Message types (Q.931 table 4-2), as far as H.225.0 knows them (table 3)."""

    ALERTING = 0x01
    CALL_PROCEEDING = 0x02
    PROGRESS = 0x03
    SETUP = 0x05
    CONNECT = 0x07
    SETUP_ACKNOWLEDGE = 0x0D
    CONNECT_ACKNOWLEDGE = 0x0F
    USER_INFORMATION = 0x20
    RELEASE_COMPLETE = 0x5A
    FACILITY = 0x62
    NOTIFY = 0x6E
    STATUS_ENQUIRY = 0x75
    INFORMATION = 0x7B
    STATUS = 0x7D


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message.  ``reference`` is the call reference, whose first bit says that the called
    end sends.  ``elements`` are numbers and contents in the order of the message; None for
    an element of one byte."""

    type: int
    reference: bytes
    elements: tuple[tuple[int, bytes | None], ...]

    def element(self, number: int) -> bytes | None:
        """The contents of the first element of that number."""
        return next((content for found, content in self.elements if found == number), None)


def write(message: Message) -> bytes:
    """What ``read`` has read, byte for byte."""
    reference = message.reference
    parts = [bytes((DISCRIMINATOR, len(reference))), reference, bytes((message.type,))]
    for number, content in message.elements:
        parts.append(bytes((number,)))
        if content is not None:
            parts.append(len(content).to_bytes(2 if number == USER_USER else 1) + content)
    return b"".join(parts)


def read(data: bytes) -> Message:
    """Raises WireError for bytes that are no such message."""
    if len(data) < 3 or data[0] != DISCRIMINATOR or data[1] > 15:
        raise WireError("q931", "it begins no message")
    at = 2 + data[1]
    if at >= len(data):
        raise WireError("q931.reference", "it is cut short")
    kind, reference = data[at], data[2:at]
    at += 1
    elements: list[tuple[int, bytes | None]] = []
    while at < len(data):
        number = data[at]
        at += 1
        if number & 0x80:
            elements.append((number, None))
            continue
        start = at + (2 if number == USER_USER else 1)
        at = start + int.from_bytes(data[at:start])
        if start > len(data) or at > len(data):
            raise WireError(f"q931.0x{number:02x}", "it goes beyond the message")
        elements.append((number, data[start:at]))
    return Message(type=kind, reference=reference, elements=tuple(elements))
