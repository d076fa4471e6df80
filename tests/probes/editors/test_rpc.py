from __future__ import annotations

import ipaddress
import struct

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import Carried, Own
from probes.editors.rpc import DIALOGUES
from probes.errors import SetupError, WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.loopback import served
from tests.probes.editors.talk import (
    CLIENT,
    SERVER,
    endpoints,
    fed_anything,
    owns,
    readings,
    talk,
)
from tests.probes.wire.damage import damaged
from tests.probes.wire.dce import impacket
from tests.probes.wire.tshark import decoded

RPC = DIALOGUES[0]
AT_SERVER, AT_CLIENT = talk(RPC)
BIND, MAP = AT_SERVER
BIND_ACK, MAPPED = AT_CLIENT
ADDRESS = bytes([192, 168, 77, 2])

EPM = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
NDR = "8a885d04-1ceb-11c9-9fe8-08002b104860"
MAILBOXES = "a4f1db00-ca47-1067-b31f-00dd010662da"
OBJECT_EXPORTER = "99fcfec4-5260-101b-bbcb-00aa0021347a"
NO_OBJECT = bytes(16)

BIND_BYTES = bytes.fromhex(
    "05000b03 10000000 4800 0000 01000000"
    "b810 b810 00000000 01 000000"
    "0000 01 00 0883afe1 1f5d c911 91a4 08002b14a0fa 0300 0000"
    "045d888a eb1c c911 9fe8 08002b104860 0200 0000"
)
MAP_BYTES = bytes.fromhex(
    "05000003 10000000 9c00 0000 02000000"
    "84000000 0000 0300"
    "01000000 000102030405060708090a0b0c0d0e0f"
    "02000000 4b000000 4b000000 0500"
    "1300 0d 00dbf1a4 47ca 6710 b31f 00dd010662da 0000 0200 5100"
    "1300 0d 045d888a eb1c c911 9fe8 08002b104860 0200 0200 0000"
    "0100 0b 0200 0000"
    "0100 07 0200 4e21"
    "0100 09 0400 c0a84d02"
    "00"
    "00000000 00000000000000000000000000000000"
    "01000000"
)
"""Written from C706 by hand: sections 12.6.4.3 and 12.6.4.9, appendices L and O."""


def carried(endpoint: Endpoint) -> Carried:
    return Carried(field="map_tower", address=endpoint.address, port=endpoint.port)


def edited(message: bytes, old: Endpoint, new: Endpoint) -> bytes:
    """What a right editor makes of a tower."""

    def floors(endpoint: Endpoint) -> bytes:
        packed = ipaddress.IPv4Address(endpoint.address).packed
        return b"\x02\0" + struct.pack("!H", endpoint.port) + b"\x01\0\x09\x04\0" + packed

    assert message.count(floors(old)) == 1
    return message.replace(floors(old), floors(new))


def test_it_is_found_by_its_name() -> None:
    assert dialogues("rpc") is DIALOGUES
    assert (RPC.ports, RPC.listens) == ((135,), None)


def test_the_bytes() -> None:
    assert BIND_BYTES == BIND
    assert MAP_BYTES == MAP


@given(owns, owns)
def test_both_ends_reach_their_end(client: Own, server: Own) -> None:
    assume(client.label != NO_OBJECT)
    at_server, at_client = (readings(RPC, heard) for heard in talk(RPC, client, server))
    assert [reading.kind for reading in at_server] == ["bind", "ept_map"]
    assert [reading.kind for reading in at_client] == ["bind_ack", "ept_map response"]
    assert not any(reading.faults for reading in at_server + at_client)
    assert [reading.label for reading in at_server] == [None, client.label]
    assert [reading.carried for reading in at_server] == [(), (carried(client.listening),)]
    at = server.listening
    there = Carried(field="towers[0]", address=at.address, port=at.port, reached_by="tcp")
    assert [reading.carried for reading in at_client] == [(), (there,)]


@given(endpoints)
def test_a_right_editor_changes_nothing_but_the_address(new: Endpoint) -> None:
    at_server, _ = talk(RPC, out=lambda m: edited(m, CLIENT.listening, new) if m == MAP else m)
    was, is_ = RPC.read(MAP), RPC.read(at_server[1])
    assert is_ == msgspec.structs.replace(was, carried=(carried(new),))


def test_an_editor_of_the_response_is_seen_by_the_client() -> None:
    new = Endpoint("203.0.113.9", 4000)
    changed = edited(MAPPED, SERVER.listening, new)
    _, at_client = talk(RPC, back=lambda m: changed if m == MAPPED else m)
    was, is_ = RPC.read(MAPPED), RPC.read(at_client[1])
    assert (is_.rest, is_.faults) == (was.rest, ())
    assert [(c.address, c.port) for c in is_.carried] == [(new.address, new.port)]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (MAP[:24] + MAP[24:].replace(b"\x4b\0\0\0", b"\x4c\0\0\0", 1), "tower_length"),
        (MAP.replace(b"\x4b\0\0\0\x4b", b"\x4b\0\0\0\x4a"), "tower_length"),
        (MAP.replace(b"\x84\0\0\0", b"\x83\0\0\0"), "alloc_hint"),
        (MAP.replace(b"\x02\0\x4e\x21\x01", b"\x03\0\x4e\x21\x01"), "dce.tower"),
        (MAP.replace(b"\x04\0" + ADDRESS, b"\x03\0" + ADDRESS), "no number"),
    ],
)
def test_what_does_not_agree_with_itself(wrong: bytes, field: str) -> None:
    reading = RPC.read(wrong)
    assert any(field in fault for fault in reading.faults), reading
    assert reading.label == CLIENT.label


def test_padding_means_nothing_but_is_seen() -> None:
    assert MAP[131] == 0
    was, is_ = RPC.read(MAP), RPC.read(MAP[:131] + b"\xab" + MAP[132:])
    assert is_ == msgspec.structs.replace(was, rest=is_.rest)
    assert is_.rest != was.rest


@given(damaged([MAP]))
def test_it_is_right_only_if_nothing_but_the_address_changed(message: bytes) -> None:
    try:
        reading = RPC.read(message)
    except WireError:
        return
    if reading.faults or reading.rest != RPC.read(MAP).rest:
        return
    (one,) = reading.carried
    assert one.port is not None
    assert message == edited(MAP, CLIENT.listening, Endpoint(one.address, one.port))


@given(damaged([*AT_SERVER, *AT_CLIENT]) | st.binary(max_size=300))
def test_any_bytes_are_a_reading_or_a_wire_error(message: bytes) -> None:
    try:
        RPC.read(message)
    except WireError:
        return


CHUNKS = st.lists(damaged([*AT_SERVER, *AT_CLIENT]) | st.binary(max_size=80), max_size=6)


@given(CHUNKS)
def test_any_bytes_are_steps_or_a_wire_error(chunks: list[bytes]) -> None:
    fed_anything(lambda: RPC.server(SERVER), chunks)
    fed_anything(lambda: RPC.client(CLIENT), chunks)
    fed_anything(lambda: RPC.server(SERVER), [BIND, *chunks])
    fed_anything(lambda: RPC.client(CLIENT), [BIND_ACK, *chunks])


@pytest.mark.parametrize("which", ["socket", "listening"])
def test_it_carries_no_ipv6(which: str) -> None:
    own = msgspec.structs.replace(CLIENT, **{which: Endpoint("2001:db8::1", 40001)})
    with pytest.raises(SetupError, match="carries no IPv6 address"):
        RPC.client(own)


def test_a_server_without_ipv4_names_its_port_alone() -> None:
    own = msgspec.structs.replace(SERVER, listening=Endpoint("2001:db8::5", 30001))
    (found,) = RPC.read(talk(RPC, server=own)[1][1]).carried
    assert (found.address, found.port) == ("0.0.0.0", 30001)


def test_another_reads_the_same() -> None:
    asked = impacket.epm.ept_map(impacket.stub(MAP))
    assert asked["obj"] == CLIENT.label
    octets = asked["map_tower"]["tower_octet_string"]
    assert impacket.tower(octets) == (MAILBOXES, "0.81", CLIENT.listening)
    answered = impacket.epm.ept_mapResponse(impacket.stub(MAPPED))
    assert (answered["num_towers"], answered["status"]) == (1, 0)
    octets = answered["ITowers"][0]["Data"]["tower_octet_string"]
    assert impacket.tower(octets) == (MAILBOXES, "0.81", SERVER.listening)


def test_another_writes_the_same() -> None:
    asked = impacket.epm.ept_map(impacket.stub(MAP))
    asked.fields["obj"].fields["ReferentID"] = 1
    asked.fields["map_tower"].fields["ReferentID"] = 2
    assert impacket.written(asked, padding=[107]) == impacket.stub(MAP)


def test_tshark_reads_the_same() -> None:
    one, other = CLIENT.socket, Endpoint(SERVER.socket.address, 135)
    bind, _, asked, answered = decoded(
        [
            (one, other, "tcp", BIND),
            (other, one, "tcp", BIND_ACK),
            (one, other, "tcp", MAP),
            (other, one, "tcp", MAPPED),
        ]
    )
    assert bind["dcerpc.cn_bind_to_uuid"] == [EPM]
    assert asked["epm.opnum"] == ["3"]
    assert asked["epm.uuid"] == ["03020100-0504-0706-0809-0a0b0c0d0e0f", MAILBOXES, NDR]
    assert asked["epm.proto.ip"] == [CLIENT.listening.address]
    assert asked["epm.proto.tcp_port"] == [str(CLIENT.listening.port)]
    assert answered["epm.proto.ip"] == [SERVER.listening.address]
    assert answered["epm.proto.tcp_port"] == [str(SERVER.listening.port)]
    assert answered["epm.rc"] == ["0x00000000"]


def test_a_foreign_client_learns_where_an_interface_is() -> None:
    with served(RPC, []) as at, impacket.connected(at) as dce:
        wanted = impacket.uuid.uuidtup_to_bin((OBJECT_EXPORTER, "0.0"))
        found = impacket.epm.hept_map(at.address, wanted, protocol="ncacn_ip_tcp", dce=dce)
    assert found == f"ncacn_ip_tcp:127.0.0.1[{at.port}]"


@pytest.mark.parametrize(
    ("interface", "protocol"),
    [
        ((MAILBOXES, "0.81"), "ncacn_ip_tcp"),
        ((OBJECT_EXPORTER, "1.0"), "ncacn_ip_tcp"),
        ((OBJECT_EXPORTER, "0.0"), "ncacn_http"),
    ],
)
def test_a_foreign_client_is_told_what_is_not_here(
    interface: tuple[str, str], protocol: str
) -> None:
    wanted = impacket.uuid.uuidtup_to_bin(interface)
    with (
        served(RPC, []) as at,
        impacket.connected(at) as dce,
        pytest.raises(impacket.DCERPCException, match="0x16c9a0d6"),
    ):
        impacket.epm.hept_map(at.address, wanted, protocol=protocol, dce=dce)


def test_a_foreign_client_finds_no_list() -> None:
    with (
        served(RPC, []) as at,
        impacket.connected(at) as dce,
        pytest.raises(impacket.DCERPCException, match="0x16c9a0d6"),
    ):
        impacket.epm.hept_lookup(at.address, dce=dce)


def test_a_foreign_message_is_heard_whole() -> None:
    heard: list[bytes] = []
    with served(RPC, heard) as at, impacket.connected(at) as dce:
        wanted = impacket.uuid.uuidtup_to_bin((OBJECT_EXPORTER, "0.0"))
        impacket.epm.hept_map(at.address, wanted, protocol="ncacn_ip_tcp", dce=dce)
    asked = RPC.read(heard[1])
    assert (asked.kind, asked.label, asked.faults) == ("ept_map", NO_OBJECT, ())
    assert asked.carried == (Carried(field="map_tower", address="0.0.0.0", port=0),)
