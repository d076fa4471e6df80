"""Basic Encoding Rules as LDAP and SNMP use them (X.690; RFC 4511 section 5.1, RFC 3417 section 8).

::

    | tag: 1 octet | length: 1 octet, or 0x80 + n and n octets | content |

Tags have one octet here and lengths are definite, as both protocols ask for.  What a message
says must be known together with where it stands in it: which lengths count an address, and
which of them is wrong.  A decoder that gives values alone hides both, so this one is our own;
it clips what goes beyond its container and says so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from probes.errors import WireError
from probes.wire.reading import FAULTS_MAX, MESSAGE_MAX, bounded
from probes.wire.stream import Stream

INTEGER = 0x02
OCTETS = 0x04
OID = 0x06
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31
_CONSTRUCTED = 0x20

DEPTH_MAX = 24
"""Containers within containers.  A registration has seven; what lies deeper is not looked into."""

_LENGTH_OCTETS_MAX = 4  # as Windows writes every length
_ARCS_MAX = 128  # RFC 2578 section 3.5
_INTEGER_OCTETS_MAX = 9  # an unsigned number of 64 bits


class Element(msgspec.Struct, frozen=True):
    """One value: ``start`` is where its tag stands in the message, ``inside`` where its
    content begins, ``end`` where that ends.  ``value`` is the content of one that has no
    ``children``."""

    tag: int
    start: int
    inside: int
    end: int
    value: bytes
    children: tuple[Element, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """A message taken apart: its one ``root``, and ``faults``, what disagrees in its lengths."""

    data: bytes
    root: Element
    faults: tuple[str, ...]


def tlv(tag: int, *parts: bytes) -> bytes:
    """``parts`` as the content of one value, with the shortest length."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(number: int, tag: int = INTEGER) -> bytes:
    bits = (number if number >= 0 else ~number).bit_length()
    return tlv(tag, number.to_bytes(bits // 8 + 1, "big", signed=True))


def octets(content: bytes) -> bytes:
    return tlv(OCTETS, content)


def oid(text: str) -> bytes:
    """An object identifier of digits and dots, at least two numbers."""
    first, second, *arcs = map(int, text.split("."))
    content = b""
    for arc in (40 * first + second, *arcs):
        part = bytes((arc & 0x7F,))
        while arc := arc >> 7:
            part = bytes((0x80 | arc & 0x7F,)) + part
        content += part
    return tlv(OID, content)


def size_of(place: str, head: bytes) -> int | None:
    """The whole length of the value that begins with ``head``; None: not enough of it is here.

    Raises WireError for what begins no message.
    """
    if not head:
        return None
    if head[0] != SEQUENCE:
        raise WireError(place, f"it begins with 0x{head[0]:02x} and not with a sequence")
    found = _length(place, head, 1, len(head))
    if found is None:
        return None
    inside, size = found
    if inside + size > MESSAGE_MAX:
        raise WireError(place, f"a message of {inside + size} bytes, more than {MESSAGE_MAX}")
    return inside + size


def read(place: str, data: bytes) -> Message:
    """Take one message apart.  Raises WireError for what is none."""
    bounded(place, data)
    size = size_of(place, data)
    if size is None:
        raise WireError(place, "it is cut within its first length")
    faults: list[str] = []
    if size < len(data):
        faults.append(f"{len(data) - size} bytes follow the message")
    (root,) = _elements(place, data, 0, min(size, len(data)), 0, faults)
    return Message(data, root, tuple(faults[:FAULTS_MAX]))


def _elements(
    place: str, data: bytes, at: int, end: int, depth: int, faults: list[str]
) -> list[Element]:
    found = []
    while at < end:
        tag = data[at]
        if not tag or tag & 0x1F == 0x1F:
            raise WireError(place, f"0x{tag:02x} is no tag that is used here")
        head = _length(place, data, at + 1, end)
        if head is None:
            faults.append(f"at byte {at} {end - at} bytes are too few for a value")
            break
        inside, size = head
        stop = inside + size
        if stop > end:
            faults.append(f"at byte {at} a length says {size}, and {end - inside} bytes are there")
            stop = end
        if tag & _CONSTRUCTED and depth < DEPTH_MAX:
            children = tuple(_elements(place, data, inside, stop, depth + 1, faults))
            found.append(Element(tag, at, inside, stop, b"", children))
        else:
            found.append(Element(tag, at, inside, stop, data[inside:stop]))
        at = stop
    return found


def _length(place: str, data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Where the content begins and how long it is to be; None if that is not all there."""
    if at >= end:
        return None
    first = data[at]
    at += 1
    if first < 0x80:
        return at, first
    count = first & 0x7F
    if not 1 <= count <= _LENGTH_OCTETS_MAX:
        raise WireError(place, f"0x{first:02x} begins no length that is used here")
    if at + count > end:
        return None
    return at + count, int.from_bytes(data[at : at + count], "big")


def walk(root: Element) -> Iterator[Element]:
    """``root`` and all within it, in the order of the message."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(reversed(element.children))


def shaped(elements: Sequence[Element], *tags: int) -> bool:
    """Whether ``elements`` are of these ``tags``, and no others."""
    return len(elements) == len(tags) and all(
        element.tag == tag for element, tag in zip(elements, tags, strict=True)
    )


def number(element: Element) -> int | None:
    """The number in ``element``; None where it is not written as X.690 section 8.3 says."""
    value = element.value
    if not 1 <= len(value) <= _INTEGER_OCTETS_MAX:
        return None
    if len(value) > 1 and value[0] in (0, 0xFF) and value[0] >> 7 == value[1] >> 7:
        return None
    return int.from_bytes(value, "big", signed=True)


def numbers_at_fault(root: Element, tags: Iterable[int]) -> list[str]:
    """A fault for each number, by its tag, that is not written in the shortest way."""
    wanted = frozenset(tags)
    found = [e for e in walk(root) if e.tag in wanted and number(e) is None]
    return [f"at byte {e.start} a number is not canonical" for e in found[:FAULTS_MAX]]


def oid_text(value: bytes) -> str:
    """The digits and dots of an object identifier; as hexadecimal where it is none."""
    arcs: list[int] = []
    arc, begun = 0, False
    for octet in value:
        if (not begun and octet == 0x80) or arc >> 25 or len(arcs) == _ARCS_MAX:
            return value[:_ARCS_MAX].hex()
        arc, begun = arc << 7 | octet & 0x7F, octet >= 0x80
        if not begun:
            arcs.append(arc)
            arc = 0
    if begun or not arcs:
        return value[:_ARCS_MAX].hex()
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def rest(message: Message, addresses: Iterable[Element]) -> bytes:
    """All of ``message`` but ``addresses`` and the lengths that count them.

    Each of them, and each container around it, stands in the indefinite form of X.690 section
    8.1.3.6, which no message here has: 0x80 instead of the length, two zeros at the end.  All
    other lengths are the shortest: an editor that writes them otherwise says the same.
    """
    leaves = sorted(element.start for element in addresses)
    data = message.data

    def written(element: Element) -> bytes:
        first = bisect_left(leaves, element.start)
        if first < len(leaves) and leaves[first] == element.start:
            return bytes((element.tag, 0x80, 0, 0))
        content = element.value
        if element.children:
            parts = [written(child) for child in element.children]
            content = b"".join(parts) + data[element.children[-1].end : element.end]
        elif element.tag & _CONSTRUCTED:
            content = data[element.inside : element.end]
        if first < len(leaves) and leaves[first] < element.end:
            return bytes((element.tag, 0x80)) + content + b"\0\0"
        return tlv(element.tag, content)

    return written(message.root) + data[message.root.end :]


def stream(place: str) -> Stream:
    """Messages that follow one another."""

    def measure(unread: bytearray, looked: int) -> tuple[int, bool]:
        size = size_of(place, bytes(unread[: 2 + _LENGTH_OCTETS_MAX]))
        return (0, False) if size is None else (size, True)

    return Stream(place, measure)
