from __future__ import annotations

import ipaddress
from importlib import import_module
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import READINGS_MAX, Carried, Own, Reading, Step
from probes.editors.snmp import DIALOGUES, PORT, read
from probes.errors import SetupError, WireError
from probes.wire import ber
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import (
    CLIENT,
    SERVER,
    addresses,
    answered_with_no_more,
    fed_anything,
    owns,
    readings,
    talk,
)
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import decoded

V1, V2C = DIALOGUES
(TRAP_V1,) = talk(V1)[0]
(TRAP, INFORM), (RESPONSE,) = talk(V2C)
ALL = [TRAP_V1, TRAP, INFORM, RESPONSE]

# What net-snmp 5.9.3 says, as captured: snmptrap -v 1, snmptrap -v 2c and snmpinform -v 2c.
FOREIGN_V1 = bytes.fromhex(
    "303b02010004067075626c6963a42e06092b06010401bf08ce0f4004c00002070201060201110202303930"
    "11300f06082b060102010105000403626f78"
)
FOREIGN_V2C = bytes.fromhex(
    "305802010104067075626c6963a74b02043f3080f9020100020100303d300f06082b060102010103004303"
    "181f743017060a2b06010603010104010006092b0601060301010501301106092b06010603120103004004"
    "c0000207"
)
FOREIGN_INFORM = FOREIGN_V2C.replace(b"\xa7\x4b", b"\xa6\x4b")
FOREIGN = [FOREIGN_V1, FOREIGN_V2C, FOREIGN_INFORM]

DECODE: Any = import_module("pyasn1.codec.ber.decoder").decode
ENCODE: Any = import_module("pyasn1.codec.ber.encoder").encode
V1_TYPES: Any = import_module("pyasn1_modules.rfc1157")
V2C_TYPES: Any = import_module("pyasn1_modules.rfc1905")


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def rewritten(message: bytes, old: str, new: str) -> bytes:
    """What an editor that is right does: an IpAddress always has four octets."""
    before, after = b"\x40\x04" + packed(old), b"\x40\x04" + packed(new)
    assert before in message
    return message.replace(before, after)


def edited(message: bytes) -> bytes:
    return rewritten(message, CLIENT.socket.address, CLIENT.peer.address)


def said(address: str, field: str = "snmpTrapAddress.0") -> tuple[Carried, ...]:
    return (Carried(field=field, address=address),)


def manager() -> Any:
    end = V2C.server(SERVER)
    assert end.begin() == Step()
    return end


def request_for(number: bytes, binding: bytes = b"") -> bytes:
    fields = (ber.tlv(2, number), ber.integer(0), ber.integer(0), ber.tlv(0x30, binding))
    return ber.tlv(0x30, ber.integer(1), ber.octets(b"public"), ber.tlv(0xA0, *fields))


def test_they_are_found_by_their_name() -> None:
    assert dialogues("snmp") is DIALOGUES
    assert [one.ports for one in DIALOGUES] == [(PORT,), (PORT,)]


@given(owns, owns)
def test_a_v1_trap_arrives(client: Own, server: Own) -> None:
    at_server, at_client = talk(V1, client, server)
    assert at_client == []
    (reading,) = readings(V1, at_server)
    assert reading.kind == "Trap-PDU"
    assert reading.label == client.label
    assert reading.carried == said(client.socket.address, "agent-addr")
    assert reading.faults == ()


@given(owns, owns)
def test_a_v2c_trap_arrives_and_an_inform_is_answered(client: Own, server: Own) -> None:
    at_server, at_client = (readings(V2C, heard) for heard in talk(V2C, client, server))
    assert [one.kind for one in at_server] == ["SNMPv2-Trap-PDU", "InformRequest-PDU"]
    assert [one.kind for one in at_client] == ["Response-PDU"]
    for reading in (*at_server, *at_client):
        assert reading.label == client.label
        assert reading.carried == said(client.socket.address)
        assert reading.faults == ()


def test_the_bytes_of_a_v1_trap() -> None:
    """RFC 1157 section 4.1.6, by hand."""
    assert TRAP_V1.hex(" ") == (
        "30 42 02 01 00 04 20 " + b"000102030405060708090a0b0c0d0e0f".hex(" ") + " a4 1b"
        " 06 08 2b 06 01 06 03 01 01 05 40 04 c0 a8 4d 02 02 01 00 02 01 00 43 01 00 30 00"
    )


def test_the_bytes_of_a_v2c_trap() -> None:
    """RFC 3416 section 3, by hand; the request-id is any number of four octets."""
    number = TRAP[43:47]
    assert TRAP.hex(" ") == (
        "30 70 02 01 01 04 20 " + b"000102030405060708090a0b0c0d0e0f".hex(" ") + " a7 49"
        f" 02 04 {number.hex(' ')} 02 01 00 02 01 00 30 3b"
        " 30 0d 06 08 2b 06 01 02 01 01 03 00 43 01 00"
        " 30 17 06 0a 2b 06 01 06 03 01 01 04 01 00 06 09 2b 06 01 06 03 01 01 05 01"
        " 30 11 06 09 2b 06 01 06 03 12 01 03 00 40 04 c0 a8 4d 02"
    )
    assert 0x40 <= number[0] < 0x80
    assert INFORM[43:47] != number
    assert TRAP.replace(b"\xa7\x49", b"\xa6\x49").replace(number, INFORM[43:47]) == INFORM
    assert INFORM.replace(b"\xa6\x49", b"\xa2\x49") == RESPONSE


def fixed_trap() -> Any:
    """pyasn1_modules has no [4] IMPLICIT at RFC 1157's Trap-PDU."""
    tags = import_module("pyasn1.type.tag")
    return V1_TYPES.TrapPDU().subtype(implicitTag=tags.Tag(0x80, 0x20, 4), cloneValueFlag=True)


def test_another_decoder_reads_the_v1_trap() -> None:
    trap, nothing = DECODE(TRAP_V1[39:], asn1Spec=fixed_trap())
    assert nothing == b""
    assert str(trap["enterprise"]) == "1.3.6.1.6.3.1.1.5"
    assert bytes(trap["agent-addr"]["internet"]) == packed(CLIENT.socket.address)
    assert [int(trap[name]) for name in ("generic-trap", "specific-trap", "time-stamp")] == [0] * 3


@pytest.mark.parametrize(
    ("data", "name"),
    [(TRAP, "snmpV2-trap"), (INFORM, "inform-request"), (RESPONSE, "response")],
)
def test_another_decoder_reads_the_v2c_messages(data: bytes, name: str) -> None:
    pdus, nothing = DECODE(data[39:], asn1Spec=V2C_TYPES.PDUs())
    assert (pdus.getName(), nothing) == (name, b"")
    bindings = pdus[name]["variable-bindings"]
    assert [str(one["name"]) for one in bindings] == [
        "1.3.6.1.2.1.1.3.0",
        "1.3.6.1.6.3.1.1.4.1.0",
        "1.3.6.1.6.3.18.1.3.0",
    ]
    assert packed(CLIENT.socket.address) in ENCODE(bindings[2])


def test_tshark_reads_them() -> None:
    at, manager_at = Endpoint(CLIENT.socket.address, 40001), Endpoint("198.51.100.5", PORT)
    out = [(at, manager_at, "udp", one) for one in (TRAP_V1, TRAP, INFORM)]
    frames = decoded([*out, (manager_at, at, "udp", RESPONSE)])  # type: ignore[list-item]
    assert all(f["snmp.community"] == [CLIENT.label.hex()] for f in frames)
    assert frames[0]["snmp.agent_addr"] == ["192.168.77.2"]
    assert frames[0]["snmp.generic_trap"] == ["0"]
    for frame, kind in zip(frames, ("4", "7", "6", "2"), strict=True):
        assert frame["snmp.data"] == [kind]
    for frame in frames[1:]:
        assert frame["snmp.name"][-1] == "1.3.6.1.6.3.18.1.3.0"
        assert frame["snmp.value.ipv4"] == ["192.168.77.2"]


@given(addresses)
def test_an_editor_that_is_right(address: str) -> None:
    for message in ALL:
        before = read(message)
        after = read(rewritten(message, CLIENT.socket.address, address))
        assert [one.address for one in after.carried] == [address]
        assert (after.rest, after.faults, after.label) == (before.rest, (), before.label)


def test_an_editor_on_both_ways() -> None:
    public = CLIENT.peer.address
    at_server, at_client = talk(
        V2C, out=edited, back=lambda one: rewritten(one, public, CLIENT.socket.address)
    )
    assert [read(one).carried for one in at_server] == [said(public)] * 2
    assert at_client == [RESPONSE]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda one: one.replace(b"\x40\x04\xc0\xa8\x4d\x02", b"\x40\x0b203.0.113.2"),
        lambda one: one.replace(b"\x40\x04\xc0\xa8\x4d\x02", b"\x40\x05\xcb\x00\x71\x02\x00"),
        lambda one: one.replace(b"\x40\x04\xc0\xa8\x4d\x02", b"\x40\x03\xcb\x00\x71"),
        lambda one: one.replace(b"\x40\x04\xc0\xa8\x4d\x02", b"\x04\x04\xcb\x00\x71\x02"),
        lambda one: edited(one)[:-1],
        lambda one: edited(one) + b"\0",
        lambda one: edited(one).replace(b"\x02\x01\x00", b"\x02\x01\x01"),
        lambda one: edited(one).replace(b"\x43\x01\x00", b"\x43\x02\x00\x00"),
        lambda one: edited(one)[:1] + bytes((one[1] + 1,)) + edited(one)[2:],
        lambda one: edited(one).replace(b"000102", b"000103"),
    ],
)
def test_an_editor_that_is_wrong(wrong: Any) -> None:
    for message in ALL:
        before = read(message)
        try:
            after = read(wrong(message))
        except WireError:
            continue
        assert after.faults or after.rest != before.rest


@given(damaged(ALL))
def test_what_is_no_address_is_in_the_rest_or_at_fault(data: bytes) -> None:
    """Whatever reads as sent but for its addresses is what was sent but for its addresses."""
    try:
        reading = read(data)
    except WireError:
        return
    for sent in ALL:
        if (reading.rest, reading.faults) == (read(sent).rest, ()):
            (one,) = reading.carried
            again = rewritten(sent, CLIENT.socket.address, one.address)
            assert read(data) == read(again)
            assert again == data or len(data) != len(sent)  # longer forms of the lengths


@pytest.mark.parametrize(
    ("data", "kind", "carried"),
    [
        (FOREIGN_V1, "Trap-PDU", said("192.0.2.7", "agent-addr")),
        (FOREIGN_V2C, "SNMPv2-Trap-PDU", said("192.0.2.7")),
        (FOREIGN_INFORM, "InformRequest-PDU", said("192.0.2.7")),
    ],
)
def test_what_others_send_is_read(data: bytes, kind: str, carried: tuple[Carried, ...]) -> None:
    reading = read(data)
    assert reading == Reading(kind=kind, label=None, carried=carried, rest=reading.rest)
    step = manager().receive(data)
    assert step.arrived == (data,)
    expected = (data.replace(b"\xa6\x4b", b"\xa2\x4b"),) if kind[0] == "I" else ()
    assert step.send == expected


def test_every_address_has_the_name_of_its_binding() -> None:
    """RFC 4293 ipAdEntAddr, the address of an interface."""
    name, value = ber.oid("1.3.6.1.2.1.4.20.1.1.10.0.0.1"), ber.tlv(0x40, packed("10.0.0.1"))
    binding = ber.tlv(0x30, name, value)
    fields = (ber.integer(1), ber.integer(0), ber.integer(0))
    pdu = ber.tlv(0xA2, *fields, ber.tlv(0x30, *[binding] * (READINGS_MAX + 1)))
    reading = read(ber.tlv(0x30, ber.integer(1), ber.octets(b"public"), pdu))
    assert reading.carried == said("10.0.0.1", "1.3.6.1.2.1.4.20.1.1.10.0.0.1") * READINGS_MAX
    assert reading.faults == ("more than 64 addresses",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (TRAP.replace(b"\x02\x01\x01\x04", b"\x02\x01\x03\x04", 1), "neither 1 nor 2c"),
        (TRAP.replace(b"\xa7\x49", b"\xaf\x49"), "0xaf is none"),
        (ber.tlv(0x30, ber.integer(1)), "no version"),
        (b"", "cut"),
    ],
)
def test_what_is_no_trap(data: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        read(data)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (TRAP.replace(b"\x02\x01\x01\x04", b"\x02\x01\x00\x04", 1), "0 has no SNMPv2-Trap-PDU"),
        (TRAP_V1.replace(b"\x02\x01\x00\x04", b"\x02\x01\x01\x04", 1), "1 has no Trap-PDU"),
        (TRAP_V1.replace(b"\xa4\x1b", b"\xa1\x1b"), "fields of the GetNextRequest-PDU"),
        (request_for(b"\0\x05"), "a number is not canonical"),
        (request_for(b"\5", b"\5\0"), "is no variable binding"),
        (request_for(b"\5") + b"\0", "1 bytes follow the message"),
        (
            ber.tlv(0x30, ber.integer(1), ber.octets(b"x"), ber.tlv(0xA0), b"\5\0"),
            "something follows the PDU",
        ),
    ],
)
def test_what_contradicts_itself(data: bytes, fault: str) -> None:
    assert any(fault in one for one in read(data).faults)


def test_only_an_inform_without_a_fault_is_answered() -> None:
    for data in (TRAP_V1, TRAP, RESPONSE, INFORM + b"x", INFORM[:-1]):
        assert manager().receive(data) == Step(arrived=(data,))
    assert manager().receive(INFORM).send == (RESPONSE,)


def test_the_agent_waits_for_its_own_answer() -> None:
    end = V2C.client(CLIENT)
    assert not end.begin().over
    (other,) = talk(V2C, msgspec.structs.replace(CLIENT, label=bytes(16)))[1]
    assert end.receive(other) == Step(arrived=(other,))
    assert end.receive(INFORM) == Step(arrived=(INFORM,))
    assert end.receive(RESPONSE) == Step(arrived=(RESPONSE,), over=True)


@pytest.mark.parametrize("dialogue", DIALOGUES)
def test_there_is_no_ipv6(dialogue: Any) -> None:
    own = Own(
        socket=Endpoint("2001:db8::2", 40001),
        listening=Endpoint("2001:db8::2", 20001),
        peer=SERVER.socket,
        label=bytes(16),
    )
    with pytest.raises(SetupError, match="IPv6"):
        dialogue.client(own)
    assert dialogue.server(own).begin() == Step()


@given(st.one_of(st.binary(max_size=300), damaged([*ALL, *FOREIGN])))
def test_any_bytes(data: bytes) -> None:
    for dialogue in DIALOGUES:
        answered_with_no_more(dialogue, data)
        fed_anything(lambda one=dialogue: one.client(CLIENT), [data])  # type: ignore[misc]
        fed_anything(lambda one=dialogue: one.server(SERVER), [data, data])  # type: ignore[misc]
    try:
        reading = read(data)
    except WireError:
        return
    assert len(reading.carried) <= READINGS_MAX


@given(owns)
def test_messages_of_one_kind_have_one_size(own: Own) -> None:
    assume(own.socket.address != CLIENT.socket.address)
    assert [len(one) for one in talk(V2C, own)[0]] == [len(TRAP), len(INFORM)]
