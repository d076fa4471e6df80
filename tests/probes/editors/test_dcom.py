from __future__ import annotations

import struct
from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import Carried, Own
from probes.editors.dcom import DIALOGUES
from probes.errors import WireError
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

DCOM = DIALOGUES[0]
AT_SERVER, AT_CLIENT = talk(DCOM)
BIND, ACTIVATE = AT_SERVER
BIND_ACK, ACTIVATED = AT_CLIENT

ACTIVATION = "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57"
STORAGE = "0000000b-0000-0000-c000-000000000046"
UNKNOWN = "00000000-0000-0000-c000-000000000046"
OUR_CLASS = "7f1d5c0a-6f3b-4e0e-9a55-2b8d6c1e40f7"
MINE = "pObjectStorage.saResAddr.aNetworkAddr"

ACTIVATE_BYTES = bytes.fromhex(
    "05000003 10000000 fe00 0000 02000000"
    "e6000000 0100 0000"
    "0500 0400 00000000 00000000 000102030405060708090a0b0c0d0e0f 00000000"
    "0a5c1d7f3b6f0e4e9a552b8d6c1e40f7 00000000"
    "01000000 78000000 78000000"
    "4d454f57 01000000 0b00000000000000c000000000000046"
    "00000000 05000000"
)
"""Up to the numbers of the object; written by hand from [MS-DCOM] sections 2.2.13.3, 2.2.18.4
and 3.1.2.5.2.3.1."""

END_BYTES = bytes.fromhex(
    "1a00 1600 0700"
    "310039003200 2e00 310036003800 2e00 37003700 2e00 3200 5b00 32003000300030003100 5d00"
    "0000 0000 0a00 ffff 0000 0000"
    "02000000 00000000 01000000 02000000 01000000 0000000000000000c000000000000046"
    "0100 0000 01000000 0700"
)
"""From there on: bindings, and the parameters after them."""

LENGTHS = ("frag_length", "alloc_hint", "max_count", "ulCntData", "wNumEntries", "wSecurityOffset")

mixed_endpoints = st.builds(Endpoint, st.ip_addresses().map(str), st.integers(1, 65535))
mixed_owns = st.builds(
    Own,
    socket=mixed_endpoints,
    listening=mixed_endpoints,
    peer=mixed_endpoints,
    label=st.binary(min_size=16, max_size=16),
)


def text(endpoint: Endpoint) -> str:
    return f"{endpoint.address}[{endpoint.port}]"


def edited(message: bytes, old: str, new: str, *, corrected: tuple[str, ...] = LENGTHS) -> bytes:
    """What an editor makes of a storage's address.  A right one corrects all lengths."""
    words = old.encode("utf-16-le")
    size = struct.unpack_from("<I", message, 84)[0]
    reference, tail = message[88 : 88 + size], message[88 + size + -size % 4 :]
    assert reference.count(words) == 1
    data = bytearray(message[:88] + reference.replace(words, new.encode("utf-16-le")))
    data += bytes(-len(data) % 4) + tail
    grown = 2 * (len(new) - len(old))
    for name, kind, at, more in (
        ("frag_length", "<H", 8, len(data) - len(message)),
        ("alloc_hint", "<I", 16, len(data) - len(message)),
        ("max_count", "<I", 80, grown),
        ("ulCntData", "<I", 84, grown),
        ("wNumEntries", "<H", 152, grown // 2),
        ("wSecurityOffset", "<H", 154, grown // 2),
    ):
        if name in corrected:
            struct.pack_into(kind, data, at, struct.unpack_from(kind, data, at)[0] + more)
    return bytes(data)


def test_it_is_found_by_its_name() -> None:
    assert dialogues("dcom") is DIALOGUES
    assert (DCOM.ports, DCOM.listens) == ((135,), "tcp")


def test_the_bytes() -> None:
    assert ACTIVATE.startswith(ACTIVATE_BYTES)
    assert ACTIVATE[len(ACTIVATE_BYTES) + 32 :] == END_BYTES


@given(mixed_owns, mixed_owns)
def test_both_ends_reach_their_end(client: Own, server: Own) -> None:
    at_server, at_client = (readings(DCOM, heard) for heard in talk(DCOM, client, server))
    assert [reading.kind for reading in at_server] == ["bind", "RemoteActivation"]
    assert [reading.kind for reading in at_client] == ["bind_ack", "RemoteActivation response"]
    assert not any(reading.faults for reading in at_server + at_client)
    assert [reading.label for reading in at_server] == [None, client.label]

    def one(field: str, at: Endpoint) -> Carried:
        return Carried(field=field, address=at.address, port=at.port, reached_by="tcp")

    assert [reading.carried for reading in at_server] == [(), (one(MINE, client.listening),)]
    theirs = (
        one("ppdsaOxidBindings.aNetworkAddr", server.listening),
        one("ppInterfaceData[0].saResAddr.aNetworkAddr", server.socket),
    )
    assert [reading.carried for reading in at_client] == [(), theirs]


@given(mixed_endpoints)
def test_a_right_editor_changes_nothing_but_the_address(new: Endpoint) -> None:
    changed = edited(ACTIVATE, text(CLIENT.listening), text(new))
    at_server, at_client = talk(DCOM, out=lambda m: changed if m == ACTIVATE else m)
    was, is_ = DCOM.read(ACTIVATE), DCOM.read(at_server[1])
    now = Carried(field=MINE, address=new.address, port=new.port, reached_by="tcp")
    assert is_ == msgspec.structs.replace(was, carried=(now,))
    assert at_client == AT_CLIENT


HALF_WAY = [
    corrected
    for count in range(len(LENGTHS))
    for corrected in combinations(LENGTHS, count)
    if "frag_length" in corrected
]


@pytest.mark.parametrize("new", ["203.0.113.123[20001]", "10.9.8.7[9]", "2001:db8::7:77[20001]"])
@pytest.mark.parametrize("corrected", HALF_WAY, ids=",".join)
def test_an_editor_that_forgets_a_length(new: str, corrected: tuple[str, ...]) -> None:
    changed = edited(ACTIVATE, text(CLIENT.listening), new, corrected=corrected)
    reading = DCOM.read(changed)
    assert reading.faults or reading.rest != DCOM.read(ACTIVATE).rest
    assert reading.label == CLIENT.label


def test_an_editor_that_forgets_the_length_of_the_message() -> None:
    changed = edited(ACTIVATE, text(CLIENT.listening), "203.0.113.123[20001]", corrected=())
    with pytest.raises(WireError, match="are no message"):
        DCOM.read(changed)
    end = DCOM.server(SERVER)
    end.receive(BIND)
    step = end.receive(changed)
    assert step.over
    (arrived,) = step.arrived
    assert DCOM.read(arrived).faults
    assert DCOM.read(arrived).label == CLIENT.label


@pytest.mark.parametrize(
    "new",
    [
        "203.0.113.2[02001]",
        "2001:DB8::1[20001]",
        "2001:db8:0:0::1[20001]",
    ],
)
def test_an_address_that_is_not_in_its_shortest_form(new: str) -> None:
    reading = DCOM.read(edited(ACTIVATE, text(CLIENT.listening), new))
    assert any("shortest form" in fault for fault in reading.faults)
    assert len(reading.carried) == 1


@pytest.mark.parametrize(
    "new",
    [
        "203.0.113.2[65536]",
        "203.0.113.2[200011]",
        "203.0.113.2[20001",
        "203.0.113.2[]",
        "203.0.113.2[٢٠]",
        "203.0.113.02[20001]",
        "192.168.77.2:20001",
        "fe80::1%eth0[20001]",
        "router.example[20001]",
        "",
    ],
)
def test_a_text_that_is_no_address_stays_in_the_rest(new: str) -> None:
    reading = DCOM.read(edited(ACTIVATE, text(CLIENT.listening), new))
    assert reading.carried == ()
    assert reading.rest != DCOM.read(ACTIVATE).rest


def test_an_address_without_a_port() -> None:
    reading = DCOM.read(edited(ACTIVATE, text(CLIENT.listening), "203.0.113.2"))
    now = Carried(field=MINE, address="203.0.113.2", port=None, reached_by="tcp")
    assert (reading.carried, reading.faults) == ((now,), ())


@given(damaged([ACTIVATE]))
def test_it_is_right_only_if_nothing_but_the_address_changed(message: bytes) -> None:
    try:
        reading = DCOM.read(message)
    except WireError:
        return
    if reading.faults or reading.rest != DCOM.read(ACTIVATE).rest:
        return
    (one,) = reading.carried
    new = one.address if one.port is None else f"{one.address}[{one.port}]"
    assert message == edited(ACTIVATE, text(CLIENT.listening), new)


@given(damaged([*AT_SERVER, *AT_CLIENT]) | st.binary(max_size=300))
def test_any_bytes_are_a_reading_or_a_wire_error(message: bytes) -> None:
    try:
        DCOM.read(message)
    except WireError:
        return


CHUNKS = st.lists(damaged([*AT_SERVER, *AT_CLIENT]) | st.binary(max_size=80), max_size=6)


@given(CHUNKS)
def test_any_bytes_are_steps_or_a_wire_error(chunks: list[bytes]) -> None:
    fed_anything(lambda: DCOM.server(SERVER), [BIND, *chunks])
    fed_anything(lambda: DCOM.client(CLIENT), [BIND_ACK, *chunks])


@given(owns, endpoints)
def test_an_editor_of_the_response_is_seen_by_the_client(server: Own, new: Endpoint) -> None:
    own = msgspec.structs.replace(server, socket=SERVER.socket, listening=SERVER.listening)
    now = msgspec.structs.replace(own, listening=new)
    was, is_ = (DCOM.read(talk(DCOM, server=one)[1][1]) for one in (own, now))
    assert (was.rest, is_.faults) == (is_.rest, ())
    assert (is_.carried[0].address, is_.carried[0].port) == (new.address, new.port)


def test_another_reads_the_same() -> None:
    asked = impacket.dcomrt.RemoteActivation(impacket.stub(ACTIVATE))
    assert asked["ORPCthis"]["cid"] == CLIENT.label
    assert impacket.uuid.bin_to_string(asked["Clsid"]).lower() == OUR_CLASS
    storage = impacket.dcomrt.OBJREF_STANDARD(b"".join(asked["pObjectStorage"]["abData"]))
    assert impacket.uuid.bin_to_string(storage["iid"]).lower() == STORAGE
    entries, offset = struct.unpack_from("<HH", storage["saResAddr"])
    strings, security = impacket.bindings(entries, offset, storage["saResAddr"][4:])
    assert (strings, security) == ([text(CLIENT.listening)], [10])

    answered = impacket.dcomrt.RemoteActivationResponse(impacket.stub(ACTIVATED))
    assert (answered["phr"], answered["ErrorCode"]) == (0, 0)
    found = answered["ppdsaOxidBindings"]
    words = struct.pack(f"<{len(found['aStringArray'])}H", *found["aStringArray"])
    strings, _ = impacket.bindings(found["wNumEntries"], found["wSecurityOffset"], words)
    assert strings == [text(SERVER.listening)]


def test_another_writes_the_same() -> None:
    asked = impacket.dcomrt.RemoteActivation(impacket.stub(ACTIVATE))
    asked.fields["pObjectStorage"].fields["ReferentID"] = 1
    asked.fields["pIIDs"].fields["ReferentID"] = 2
    assert impacket.written(asked, padding=[222, 223]) == impacket.stub(ACTIVATE)


@pytest.mark.parametrize("address", ["192.168.77.2", "2001:db8::77:2"])
def test_tshark_reads_the_same(address: str) -> None:
    own = msgspec.structs.replace(CLIENT, listening=Endpoint(address, 20001))
    at_server, at_client = talk(DCOM, own)
    one, other = CLIENT.socket, Endpoint(SERVER.socket.address, 135)
    bind, _, asked, answered = decoded(
        [
            (one, other, "tcp", at_server[0]),
            (other, one, "tcp", at_client[0]),
            (one, other, "tcp", at_server[1]),
            (other, one, "tcp", at_client[1]),
        ]
    )
    assert bind["dcerpc.cn_bind_to_uuid"] == [ACTIVATION]
    assert asked["remact.opnum"] == ["0"]
    assert asked["dcom.this.uuid"] == ["03020100-0504-0706-0809-0a0b0c0d0e0f"]
    assert asked["dcom.iid"] == [STORAGE, UNKNOWN]
    assert asked["dcom.dualstringarray.network_addr"] == [f"{address}[20001]"]
    assert answered["dcom.dualstringarray.network_addr"] == [
        text(SERVER.listening),
        text(SERVER.socket),
    ]
    assert answered["dcom.hresult"] == ["0x00000000"] * 3


def test_a_foreign_client_activates_an_object() -> None:
    with served(DCOM, []) as at, impacket.connected(at) as dce:
        class_id, iid = (impacket.uuid.string_to_bin(one) for one in (OUR_CLASS, UNKNOWN))
        found = impacket.dcomrt.IActivation(dce).RemoteActivation(class_id, iid)
        (binding,) = found.get_cinstance().get_string_bindings()
        assert binding["aNetworkAddr"].rstrip("\0") == text(at)


def test_a_foreign_client_is_told_of_a_class_that_is_not_here() -> None:
    asked = impacket.dcomrt.RemoteActivation(impacket.stub(ACTIVATE))
    asked["Clsid"] = bytes(range(16))
    with served(DCOM, []) as at, impacket.connected(at) as dce:
        dce.bind(impacket.dcomrt.IID_IActivation)
        answer = dce.request(asked)
    assert answer["phr"] & 0xFFFFFFFF == 0x80040154
    assert answer["ppdsaOxidBindings"] == b""
    assert [result["Data"] & 0xFFFFFFFF for result in answer["pResults"]] == [0x80040154]


def test_a_foreign_client_sends_fragments() -> None:
    heard: list[bytes] = []
    asked = impacket.dcomrt.RemoteActivation(impacket.stub(ACTIVATE))
    with served(DCOM, heard) as at, impacket.connected(at) as dce:
        dce.set_max_fragment_size(40)
        dce.bind(impacket.dcomrt.IID_IActivation)
        assert dce.request(asked)["phr"] == 0
    assert len(heard) == 2
    assert heard[1].count(b"\x05\0\0") > 5


def test_a_foreign_client_asks_whether_the_resolver_lives() -> None:
    with served(DCOM, []) as at:
        dce = impacket.connection(at)
        (binding,) = impacket.dcomrt.IObjectExporter(dce).ServerAlive2()
        dce.disconnect()
    assert binding["aNetworkAddr"].rstrip("\0") == "127.0.0.1"
