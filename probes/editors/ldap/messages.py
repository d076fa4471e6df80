"""LDAP messages with an ILS entry: what both ends write, and the reading of either
(RFC 4511 section 4; [MS-TAIL] sections 2.2 and 4.1).

``sipaddress`` is decimal, of the four octets in network order read as a little-endian number:
192.168.77.2 is 38643904.  NetMeeting listens for calls at 1720, whatever ``sport`` says.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from probes.editors.contract import LABEL_SIZE, READINGS_MAX, Carried, Reading
from probes.errors import WireError
from probes.wire import ber
from probes.wire.reading import FAULTS_MAX

BIND_REQUEST = 0x60
BIND_RESPONSE = 0x61
UNBIND_REQUEST = 0x42
SEARCH_REQUEST = 0x63
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
MODIFY_REQUEST = 0x66
MODIFY_RESPONSE = 0x67
ADD_REQUEST = 0x68
ADD_RESPONSE = 0x69
DEL_REQUEST = 0x4A
DEL_RESPONSE = 0x6B
MODIFY_DN_REQUEST = 0x6C
MODIFY_DN_RESPONSE = 0x6D
COMPARE_REQUEST = 0x6E
COMPARE_RESPONSE = 0x6F
ABANDON_REQUEST = 0x50
EXTENDED_REQUEST = 0x77
EXTENDED_RESPONSE = 0x78

KINDS = {
    BIND_REQUEST: "BindRequest",
    BIND_RESPONSE: "BindResponse",
    UNBIND_REQUEST: "UnbindRequest",
    SEARCH_REQUEST: "SearchRequest",
    SEARCH_ENTRY: "SearchResultEntry",
    SEARCH_DONE: "SearchResultDone",
    0x73: "SearchResultReference",
    MODIFY_REQUEST: "ModifyRequest",
    MODIFY_RESPONSE: "ModifyResponse",
    ADD_REQUEST: "AddRequest",
    ADD_RESPONSE: "AddResponse",
    DEL_REQUEST: "DelRequest",
    DEL_RESPONSE: "DelResponse",
    MODIFY_DN_REQUEST: "ModifyDNRequest",
    MODIFY_DN_RESPONSE: "ModifyDNResponse",
    COMPARE_REQUEST: "CompareRequest",
    COMPARE_RESPONSE: "CompareResponse",
    ABANDON_REQUEST: "AbandonRequest",
    EXTENDED_REQUEST: "ExtendedRequest",
    EXTENDED_RESPONSE: "ExtendedResponse",
    0x79: "IntermediateResponse",
}
"""Every operation by its tag (RFC 4511 section 4.2 and those that follow)."""

CALLS_PORT = 1720

SCOPE_BASE = 0
FILTER_AND = 0xA0
FILTER_OR = 0xA1
FILTER_NOT = 0xA2
FILTER_EQUAL = 0xA3
FILTER_PRESENT = 0x87

_BOOLEAN = 0x01
_NUMBER_MAX = 2**31 - 1  # RFC 4511 section 4.1.1.1
_DECIMAL = re.compile(rb"[0-9]{1,10}")
_LABEL = re.compile(rb"([0-9a-f]{%d})@netcheck\.invalid" % (2 * LABEL_SIZE))

Attributes = Sequence[tuple[bytes, Sequence[bytes]]]


def mail(label: bytes) -> bytes:
    """The user's name: ``.invalid`` is nobody's (RFC 2606)."""
    return label.hex().encode() + b"@netcheck.invalid"


def number_of(address: str) -> bytes:
    """``sipaddress``."""
    return b"%d" % int.from_bytes(ipaddress.IPv4Address(address).packed, "little")


def message(number: bytes, operation: bytes) -> bytes:
    """``number`` is the message's, as BER."""
    return ber.tlv(ber.SEQUENCE, number, operation)


def attribute(name: bytes, values: Sequence[bytes]) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.octets(name), ber.tlv(ber.SET, *map(ber.octets, values)))


def attributes(them: Attributes) -> bytes:
    return ber.tlv(ber.SEQUENCE, *(attribute(name, values) for name, values in them))


def operation_of(data: bytes) -> tuple[ber.Message, ber.Element, ber.Element]:
    """A message, its number and its operation.  Raises WireError."""
    whole = ber.read("ldap", data)
    fields = whole.root.children
    if len(fields) < 2 or fields[0].tag != ber.INTEGER:
        raise WireError("ldap", "it has no number and operation")
    number = ber.number(fields[0])
    if number is None or not 0 <= number <= _NUMBER_MAX:
        raise WireError("ldap.messageID", f"0x{fields[0].value[:8].hex()} is none")
    return whole, fields[0], fields[1]


def read(data: bytes) -> Reading:
    """A message of either end.

    Which way round a number was written cannot be told from it alone, save where one way it is
    an address that no host has: then the other is taken, and a fault says so.  Who knows the
    address that an editor should have written can compare with its octets reversed.
    """
    whole, _, operation = operation_of(data)
    if operation.tag not in KINDS:
        raise WireError("ldap", f"0x{operation.tag:02x} is no operation")
    faults = [
        *whole.faults,
        *ber.numbers_at_fault(whole.root, (ber.INTEGER, ber.ENUMERATED)),
        *_booleans_at_fault(whole.root),
    ]
    leaves: list[ber.Element] = []
    carried: list[Carried] = []
    ports: list[int] = []  # places in carried, until the address is known
    for name, value in _values(operation):
        if len(leaves) == READINGS_MAX:
            faults.append(f"more than {READINGS_MAX} addresses")
            break
        if name == "sipaddress":
            address = _address(value.value, faults)
            if address is None:
                continue
            found = Carried(field=name, address=address, port=CALLS_PORT, reached_by="tcp")
        else:
            port = _number(name, value.value, 0xFFFF, faults)
            if port is None:
                continue
            ports.append(len(carried))
            found = Carried(field=name, address="", port=port)
        leaves.append(value)
        carried.append(found)
    addresses = [one.address for one in carried if one.address]
    for place in reversed(ports):
        if addresses:
            port = carried[place].port
            carried[place] = Carried(field="sport", address=addresses[0], port=port)
        else:
            del carried[place], leaves[place]
    label = _LABEL.search(data)
    return Reading(
        kind=KINDS[operation.tag],
        label=bytes.fromhex(label[1].decode()) if label else None,
        carried=tuple(carried),
        rest=ber.rest(whole, leaves),
        faults=tuple(faults[:FAULTS_MAX]),
    )


def _values(operation: ber.Element) -> list[tuple[str, ber.Element]]:
    """The values of ``sipaddress`` and ``sport`` in attributes and in assertions."""
    found = []
    for element in ber.walk(operation):
        if len(element.children) != 2 or element.children[0].tag != ber.OCTETS:
            continue
        described, value = element.children
        name = described.value.lower().decode("latin-1")
        if name in ("sipaddress", "sport"):
            values = value.children if value.tag == ber.SET else (value,)
            found += [(name, one) for one in values if one.tag == ber.OCTETS]
    return found


def _address(text: bytes, faults: list[str]) -> str | None:
    number = _number("sipaddress", text, 0xFFFFFFFF, faults)
    if number is None:
        return None
    octets = number.to_bytes(4, "little")
    if not _a_host(octets) and _a_host(octets[::-1]):
        octets = octets[::-1]
        address = str(ipaddress.IPv4Address(octets))
        faults.append(f"sipaddress {number} is {address} written as a big-endian number")
    return str(ipaddress.IPv4Address(octets))


def _a_host(octets: bytes) -> bool:
    return 1 <= octets[0] < 224


def _number(name: str, text: bytes, most: int, faults: list[str]) -> int | None:
    if not _DECIMAL.fullmatch(text) or int(text) > most:
        faults.append(f"{name} {text[:40]!r} is no decimal number to {most}")
        return None
    if len(text) > 1 and text.startswith(b"0"):
        faults.append(f"{name} {text!r} begins with a zero")
    return int(text)


def _booleans_at_fault(root: ber.Element) -> list[str]:
    """RFC 4511 section 5.1: TRUE is 0xff."""
    wrong = [e for e in ber.walk(root) if e.tag == _BOOLEAN and e.value not in (b"\0", b"\xff")]
    return [f"at byte {e.start} a BOOLEAN is neither true nor false" for e in wrong]
