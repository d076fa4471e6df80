"""SNMP traps: an agent that tells its own address (RFC 1157, RFC 3416, RFC 3584).

``snmp-v1``: a Trap-PDU, whose agent-addr is a field of its own.  ``snmp-v2c``: an
SNMPv2-Trap-PDU with snmpTrapAddress.0 among its variable bindings, and an InformRequest-PDU that
says the same and is answered.  A trap has no answer, so only the echo server knows of it; the
inform's Response-PDU repeats the bindings, so an editor is seen from both sides.  Some editors
drop v1 altogether: each version is a dialogue of its own.

The label is the community, as hexadecimal.  IpAddress has four octets: there is no IPv6 here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from probes.editors.contract import (
    READINGS_MAX,
    Carried,
    Dialogue,
    End,
    Own,
    Reading,
    Step,
)
from probes.errors import SetupError, WireError
from probes.wire import ber, label
from probes.wire.reading import FAULTS_MAX

PORT = 162

_V1, _V2C = 0, 1

# RFC 2578 section 7.1: the types that SNMP adds to ASN.1
_IP_ADDRESS = 0x40
_TIME_TICKS = 0x43
_NUMBERS = (ber.INTEGER, 0x41, 0x42, _TIME_TICKS, 0x46)

_TRAP = 0xA4
_INFORM = 0xA6
_TRAP_V2 = 0xA7
_RESPONSE = 0xA2
_KINDS = {
    0xA0: "GetRequest-PDU",
    0xA1: "GetNextRequest-PDU",
    _RESPONSE: "Response-PDU",
    0xA3: "SetRequest-PDU",
    _TRAP: "Trap-PDU",
    0xA5: "GetBulkRequest-PDU",
    _INFORM: "InformRequest-PDU",
    _TRAP_V2: "SNMPv2-Trap-PDU",
    0xA8: "Report-PDU",
}
_ONLY_IN_V1 = (_TRAP,)
_NOT_IN_V1 = (0xA5, _INFORM, _TRAP_V2, 0xA8)

_TO_TIME = (ber.OID, _IP_ADDRESS, ber.INTEGER, ber.INTEGER)
_TRAP_FIELDS = (
    (*_TO_TIME, _TIME_TICKS, ber.SEQUENCE),  # RFC 1157 section 4.1.6
    (*_TO_TIME, ber.INTEGER, ber.SEQUENCE),  # net-snmp 5.9, where it is told the time-stamp
)
_FIELDS = ((ber.INTEGER, ber.INTEGER, ber.INTEGER, ber.SEQUENCE),)  # RFC 3416 section 3

_SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
_SNMP_TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"
_SNMP_TRAP_ADDRESS = "1.3.6.1.6.3.18.1.3.0"
_SNMP_TRAPS = "1.3.6.1.6.3.1.1.5"
_COLD_START = f"{_SNMP_TRAPS}.1"
_NAMES = {_SNMP_TRAP_ADDRESS: "snmpTrapAddress.0"}


def _trap(own: Own) -> bytes:
    """A coldStart: who sends this has just begun, so its time is 0."""
    pdu = ber.tlv(
        _TRAP,
        ber.oid(_SNMP_TRAPS),  # RFC 3584 section 3.2, of a trap that any agent may send
        _ip_address(own),
        ber.integer(0),  # coldStart
        ber.integer(0),
        ber.integer(0, _TIME_TICKS),
        ber.tlv(ber.SEQUENCE),
    )
    return _message(_V1, own, pdu)


def _notification(own: Own, kind: int) -> bytes:
    """RFC 3416 section 4.2.6, with the binding of RFC 3584 section 3.1 that tells who it was."""
    bindings = (
        _binding(_SYS_UP_TIME, ber.integer(0, _TIME_TICKS)),
        _binding(_SNMP_TRAP_OID, ber.oid(_COLD_START)),
        _binding(_SNMP_TRAP_ADDRESS, _ip_address(own)),
    )
    pdu = ber.tlv(
        kind,
        ber.integer(_request_id(own, kind)),
        ber.integer(0),
        ber.integer(0),
        ber.tlv(ber.SEQUENCE, *bindings),
    )
    return _message(_V2C, own, pdu)


def _request_id(own: Own, kind: int) -> int:
    """Always of four octets, so that messages of one kind have one size."""
    return int.from_bytes(own.random(f"snmp {kind}", 4), "big") >> 2 | 1 << 30


def _message(version: int, own: Own, pdu: bytes) -> bytes:
    community = ber.octets(own.label.hex().encode())
    return ber.tlv(ber.SEQUENCE, ber.integer(version), community, pdu)


def _binding(name: str, value: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.oid(name), value)


def _ip_address(own: Own) -> bytes:
    return ber.tlv(_IP_ADDRESS, ipaddress.IPv4Address(own.socket.address).packed)


def _taken_apart(data: bytes) -> tuple[ber.Message, int, bytes, ber.Element]:
    """A message, its version, its community and its PDU.  Raises WireError."""
    message = ber.read("snmp", data)
    fields = message.root.children
    if not ber.shaped(fields[:2], ber.INTEGER, ber.OCTETS) or len(fields) < 3:
        raise WireError("snmp", "it has no version, community and PDU")
    version = ber.number(fields[0])
    if version not in (_V1, _V2C):
        raise WireError("snmp.version", f"0x{fields[0].value[:4].hex()} is neither 1 nor 2c")
    if fields[2].tag not in _KINDS:
        raise WireError("snmp.PDU", f"0x{fields[2].tag:02x} is none")
    return message, version, fields[1].value, fields[2]


def read(data: bytes) -> Reading:
    """An agent's message or the Response to it."""
    message, version, community, pdu = _taken_apart(data)
    kind = _KINDS[pdu.tag]
    faults = [*message.faults, *ber.numbers_at_fault(message.root, _NUMBERS)]
    if len(message.root.children) > 3:
        faults.append("something follows the PDU")
    if pdu.tag in (_NOT_IN_V1 if version == _V1 else _ONLY_IN_V1):
        faults.append(f"version {version} has no {kind}")
    shapes = _TRAP_FIELDS if pdu.tag == _TRAP else _FIELDS
    if not any(ber.shaped(pdu.children, *shape) for shape in shapes):
        faults.append(f"the fields of the {kind} are not its own")
    leaves: list[ber.Element] = []
    carried: list[Carried] = []
    for field, element in _addresses(pdu, faults):
        if len(element.value) != 4:
            faults.append(f"{field} has {len(element.value)} octets instead of 4")
        elif len(leaves) == READINGS_MAX:
            faults.append(f"more than {READINGS_MAX} addresses")
            break
        else:
            leaves.append(element)
            address = str(ipaddress.IPv4Address(element.value))
            carried.append(Carried(field=field, address=address))
    return Reading(
        kind=kind,
        label=label.of_text(community.decode("latin-1")),
        carried=tuple(carried),
        rest=ber.rest(message, leaves),
        faults=tuple(faults[:FAULTS_MAX]),
    )


def _addresses(pdu: ber.Element, faults: list[str]) -> list[tuple[str, ber.Element]]:
    """Every IpAddress and the name of its field."""
    found = []
    if pdu.tag == _TRAP:
        found = [("agent-addr", field) for field in pdu.children[1:2] if field.tag == _IP_ADDRESS]
    bindings = [field for field in pdu.children[-1:] if field.tag == ber.SEQUENCE]
    for binding in bindings[0].children if bindings else ():
        parts = binding.children
        if binding.tag != ber.SEQUENCE or len(parts) != 2 or parts[0].tag != ber.OID:
            faults.append(f"at byte {binding.start} is no variable binding")
        elif parts[1].tag == _IP_ADDRESS:
            name = ber.oid_text(parts[0].value)
            found.append((_NAMES.get(name, name), parts[1]))
    return found


class _Agent:
    """Says all at once, and then waits for the Response of this request-id, if for any."""

    def __init__(self, messages: tuple[bytes, ...], answer: int | None) -> None:
        self._messages = messages
        self._answer = answer

    def begin(self) -> Step:
        return Step(send=self._messages, over=self._answer is None)

    def receive(self, data: bytes) -> Step:
        pdu = _taken_apart(data)[3]
        numbers = [ber.number(field) for field in pdu.children[:1]]
        return Step(arrived=(data,), over=pdu.tag == _RESPONSE and numbers == [self._answer])

    def finish(self) -> Step:
        return Step(over=True)


class _Manager:
    """Hears everything, and answers an InformRequest as RFC 3416 section 4.2.7 says: the same
    message but for the PDU's tag, so with as many bytes."""

    def begin(self) -> Step:
        return Step()

    def receive(self, data: bytes) -> Step:
        message, version, _, pdu = _taken_apart(data)
        if pdu.tag != _INFORM or version != _V2C or read(data).faults:
            return Step(arrived=(data,))
        at = pdu.start
        response = data[:at] + bytes((_RESPONSE,)) + data[at + 1 : message.root.end]
        return Step(send=(response,), arrived=(data,))

    def finish(self) -> Step:
        return Step()


def _agent(own: Own, *, v1: bool) -> End:
    if ":" in own.socket.address:
        raise SetupError("an SNMP trap carries no IPv6 address")
    if v1:
        return _Agent((_trap(own),), answer=None)
    said = tuple(_notification(own, kind) for kind in (_TRAP_V2, _INFORM))
    return _Agent(said, answer=_request_id(own, _INFORM))


def _dialogue(name: str, client: Callable[[Own], End]) -> Dialogue:
    return Dialogue(
        name=name,
        transport="udp",
        ports=(PORT,),
        listens=None,
        client=client,
        server=lambda own: _Manager(),
        read=read,
    )


DIALOGUES = (
    _dialogue("snmp-v1", lambda own: _agent(own, v1=True)),
    _dialogue("snmp-v2c", lambda own: _agent(own, v1=False)),
)
