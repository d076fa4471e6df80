from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import READINGS_MAX, Carried, Own, Step
from probes.editors.ldap import DIALOGUES, ILS_PORT, PORT
from probes.editors.ldap import messages as ldap
from probes.editors.ldap.messages import read
from probes.errors import SetupError, WireError
from probes.wire import ber
from probes.wire.frame import Endpoint
from probes.wire.reading import FAULTS_MAX
from tests.probes.editors.ldap.said import (
    ENCODE,
    FOREIGN,
    LDAPADD,
    add,
    equal,
    request,
    results,
    search,
    understood,
)
from tests.probes.editors.talk import CLIENT, SERVER, addresses, fed_anything, owns, readings, talk
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import Sent, decoded

(LDAP,) = DIALOGUES
AT_SERVER, AT_CLIENT = talk(LDAP)
BIND, ADD, MODIFY, SEARCH, UNBIND = AT_SERVER
BOUND, ADDED, MODIFIED, ENTRY, FOUND = AT_CLIENT
ALL = [*AT_SERVER, *AT_CLIENT]
WITH_ADDRESS = [ADD, MODIFY, ENTRY]

MAIL = b"000102030405060708090a0b0c0d0e0f@netcheck.invalid"
NAME = b"c=-,o=Microsoft,cn=" + MAIL + b",objectClass=rtPerson"
HOSTS = addresses.filter(lambda one: 1 <= int(one.split(".")[0]) < 224)
"""No socket has another: 0.x is this network, and from 224 on it is multicast and worse."""

host_owns = owns.filter(lambda own: 1 <= int(own.socket.address.split(".")[0]) < 224)


def rewritten(data: bytes, address: str, port: int | None = None) -> bytes:
    """What an editor that is right does: another value, and every length that counts it."""
    message = understood(data)
    operation = message["protocolOp"].getComponent()
    lists = [part for part in operation.values() if hasattr(part, "getComponentByPosition")]
    told = {"sipaddress": ldap.number_of(address), "sport": port and str(port).encode()}
    for part in lists[-1]:
        one = part["modification"] if len(part) == 2 and "operation" in part else part
        if value := told.get(str(one["type"])):
            one["vals"][0] = value
    return bytes(ENCODE(message))


def edited(data: bytes) -> bytes:
    return rewritten(data, "203.0.113.2") if data in WITH_ADDRESS else data


def with_long_lengths(element: ber.Element) -> bytes:
    """As Windows writes each length."""
    content = element.value + b"".join(with_long_lengths(child) for child in element.children)
    return bytes((element.tag, 0x84)) + len(content).to_bytes(4, "big") + content


def sipaddress(address: str) -> Carried:
    return Carried(field="sipaddress", address=address, port=1720, reached_by="tcp")


def sport(address: str, port: int) -> Carried:
    return Carried(field="sport", address=address, port=port)


def test_it_is_found_by_its_name() -> None:
    assert dialogues("ldap") is DIALOGUES
    assert LDAP.ports == (PORT, ILS_PORT)
    assert (LDAP.listens, LDAP.listens_port) == ("tcp", 1720)


@given(host_owns, owns)
def test_both_ends_reach_their_end(client: Own, server: Own) -> None:
    at_server, at_client = (readings(LDAP, heard) for heard in talk(LDAP, client, server))
    assert [one.kind for one in at_server] == [
        "BindRequest",
        "AddRequest",
        "ModifyRequest",
        "SearchRequest",
        "UnbindRequest",
    ]
    assert [one.kind for one in at_client] == [
        "BindResponse",
        "AddResponse",
        "ModifyResponse",
        "SearchResultEntry",
        "SearchResultDone",
    ]
    called = sipaddress(client.socket.address)
    told = sport(client.socket.address, client.listening.port)
    assert [one.carried for one in at_server] == [(), (called,), (called, told), (), ()]
    assert [one.carried for one in at_client] == [(), (), (), (called, told), ()]
    label = client.label
    assert [one.label for one in at_server] == [None, label, label, label, None]
    assert at_client[3].label == label
    assert all(one.faults == () for one in (*at_server, *at_client))


def test_the_number_of_an_address() -> None:
    """The first from PTLib's pils.cxx, the second from [MS-TAIL] section 4.1.2."""
    assert ldap.number_of("192.168.77.2") == b"38643904"
    assert ldap.number_of("192.168.0.224") == b"3758139584"


def test_the_bytes_of_a_registration() -> None:
    """RFC 4511 section 4.7, by hand."""
    assert BIND == LDAPADD
    assert UNBIND.hex() == "30050201054200"

    def told(name: bytes, value: bytes) -> bytes:
        inner = b"\x04" + bytes((len(value),)) + value
        parts = b"\x04" + bytes((len(name),)) + name + b"\x31" + bytes((len(inner),)) + inner
        return b"\x30" + bytes((len(parts),)) + parts

    entry = (
        told(b"cn", MAIL)
        + told(b"rfc822mailbox", MAIL)
        + told(b"c", b"-")
        + told(b"sipaddress", b"38643904")
        + told(b"sflags", b"1")
    )
    entry = b"\x04\x59" + NAME + b"\x30\x81" + bytes((len(entry),)) + entry
    entry = b"\x02\x01\x02\x68\x82" + len(entry).to_bytes(2) + entry
    assert b"\x30\x82" + len(entry).to_bytes(2) + entry == ADD


def test_another_decoder_reads_the_same() -> None:
    for data in ALL:
        # It reads an UnbindRequest and would write one as constructed, which NULL is not.
        assert bytes(ENCODE(understood(data))) == data.replace(b"\x42\0", b"\x62\0")
    modify = understood(MODIFY)["protocolOp"]["modifyRequest"]
    assert bytes(modify["object"]) == NAME
    changes = [(int(c["operation"]), c["modification"]) for c in modify["modification"]]
    assert {kind for kind, _ in changes} == {2}
    assert {bytes(c["type"]): [bytes(one) for one in c["vals"]] for _, c in changes} == {
        b"sappid": [b"ms-netmeeting"],
        b"smimetype": [b"text/iuls"],
        b"sappguid": [b"008aff194794cf118796444553540000"],
        b"sprotid": [b"h323"],
        b"sprotmimetype": [b"text/h323"],
        b"sipaddress": [b"38643904"],
        b"sport": [b"20001"],
        b"sflags": [b"1"],
    }


@pytest.mark.parametrize("port", LDAP.ports)
def test_tshark_reads_them(port: int) -> None:
    user, server = Endpoint(CLIENT.socket.address, 40001), Endpoint("198.51.100.5", port)
    sent: list[Sent] = []
    answers = [[BOUND], [ADDED], [MODIFIED], [ENTRY, FOUND], []]
    for out, back in zip(AT_SERVER, answers, strict=True):
        sent.append((user, server, "tcp", out))
        sent += [(server, user, "tcp", one) for one in back]
    frames = decoded(sent, f"tcp.port=={port},ldap")
    shown = [tag for frame in frames for tag in frame["ldap.protocolOp"]]
    assert shown == ["0", "1", "8", "9", "6", "7", "3", "4", "5", "2"]
    assert frames[2]["ldap.entry"] == [NAME.decode()]
    assert b"38643904".hex(":") in frames[2]["ldap.AttributeValue"]
    assert frames[4]["ldap.object"] == [NAME.decode()]
    assert frames[6]["ldap.attributeDesc"] == ["objectClass", "cn"]
    told = [MAIL, b"ms-netmeeting", b"38643904", b"20001", b"1"]
    assert frames[7]["ldap.AttributeValue"] == [one.hex(":") for one in told]
    codes = [frame["ldap.resultCode"] for frame in frames if "ldap.resultCode" in frame]
    assert codes == [["0"]] * 4


@given(HOSTS, st.integers(1, 65535))
def test_an_editor_that_is_right(address: str, port: int) -> None:
    for message in WITH_ADDRESS:
        before = read(message)
        after = read(rewritten(message, address, port))
        assert {one.address for one in after.carried} == {address}
        assert [one.port for one in after.carried] == [1720, port][: len(before.carried)]
        assert (after.rest, after.faults, after.label) == (before.rest, (), before.label)


def test_an_editor_that_writes_every_length_otherwise() -> None:
    for message in ALL:
        assert read(with_long_lengths(ber.read("x", message).root)) == read(message)


def test_an_editor_on_both_ways() -> None:
    def back(data: bytes) -> bytes:
        return rewritten(data, "192.168.77.2") if b"sipaddress" in data else data

    at_server, at_client = talk(LDAP, out=edited, back=back)
    assert at_client == AT_CLIENT
    assert [one.carried[:1] for one in readings(LDAP, at_server)[1:3]] == [
        (sipaddress("203.0.113.2"),)
    ] * 2


WRONG = [
    lambda one: one.replace(b"\x04\x0838643904", b"\x04\x0838684904445"),
    lambda one: one.replace(b"\x04\x0838643904", b"\x04\x09386849044"),
    lambda one: one.replace(b"\x31\x0a\x04\x0838643904", b"\x31\x0b\x04\x09386849044"),
    lambda one: one.replace(b"38643904", b"0x2d1a1d"),
    lambda one: one.replace(b"38643904", b"3864390 "),
    lambda one: one.replace(b"\x04\x0838643904", b"\x04\x0738643904"),
    lambda one: one.replace(b"\x04\x0838643904", b"\x04\x0b203.0.113.2"),
    lambda one: rewritten(one, "203.0.113.2").replace(b"\x04\x0a", b"\x04\x0b"),
    lambda one: rewritten(one, "0.13.2.0").replace(b"134400", b"034400"),
    lambda one: edited(one)[:-1],
    lambda one: edited(one) + b"0",
    lambda one: edited(one).replace(b"000102", b"000103"),
    lambda one: edited(one).replace(b"sflags1\x03\x04\x011", b"sflags1\x03\x04\x010"),
    lambda one: edited(one).replace(b"objectClass=rtPerson", b"objectClass=rtpersoN"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_an_editor_that_is_wrong(wrong: Any) -> None:
    for message in WITH_ADDRESS:
        data = wrong(message)
        assert data != message
        try:
            after = read(data)
        except WireError:
            continue
        assert after.faults or after.rest != read(message).rest


def test_both_ends_go_on_after_an_editor_that_is_wrong() -> None:
    """A length that counts too much within the message: the entry is refused, and all see it."""

    def wrong(data: bytes) -> bytes:
        return data.replace(b"\x04\x0838643904", b"\x04\x0938643904") if data == ADD else data

    at_server, at_client = talk(LDAP, out=wrong)
    assert [read(one).kind for one in at_server][-1] == "UnbindRequest"
    assert read(at_server[1]).faults
    codes = [results(Step(send=(one,)))[0][1] for one in at_client]
    assert codes == [0, 2, 32, 0]


@given(damaged(WITH_ADDRESS))
def test_what_is_no_address_is_in_the_rest_or_at_fault(data: bytes) -> None:
    """Whatever reads as sent but for its addresses is what was sent but for its addresses."""
    try:
        reading = read(data)
    except WireError:
        return
    for sent in WITH_ADDRESS:
        if (reading.rest, reading.faults) == (read(sent).rest, ()):
            port = reading.carried[-1].port if sent != ADD else None
            again = rewritten(sent, reading.carried[0].address, port)
            assert read(again) == reading
            assert bytes(ENCODE(understood(data))) == again


def test_a_number_the_wrong_way_round() -> None:
    """203.0.113.240 in network order: the other way it would be no host's."""
    reading = read(add(NAME, (b"sipaddress", [b"3405804016"])))
    assert reading.carried == (sipaddress("203.0.113.240"),)
    assert reading.faults == (
        "sipaddress 3405804016 is 203.0.113.240 written as a big-endian number",
    )


@pytest.mark.parametrize(
    ("name", "value", "carried", "fault"),
    [
        (b"sIPAddress", b"16777226", (sipaddress("10.0.0.1"),), None),
        (b"sipaddress", b"0", (sipaddress("0.0.0.0"),), None),
        (b"sipaddress", b"016777226", (sipaddress("10.0.0.1"),), "begins with a zero"),
        (b"sipaddress", b"4294967296", (), "no decimal number to 4294967295"),
        (b"sipaddress", b"-1", (), "no decimal number"),
        (b"sipaddress", b"", (), "no decimal number"),
        (b"sipaddress", b"9" * 5000, (), "no decimal number"),
        (b"sport", b"1503", (), None),
        (b"sport", b"65536", (), "sport b'65536' is no decimal number to 65535"),
    ],
)
def test_numbers(
    name: bytes, value: bytes, carried: tuple[Carried, ...], fault: str | None
) -> None:
    reading = read(add(NAME, (name, [value])))
    assert reading.carried == carried
    assert [fault is not None and fault in one for one in reading.faults] == [True] * bool(fault)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (SEARCH.replace(b"\x01\x01\0", b"\x01\x01\5"), "a BOOLEAN is neither true nor false"),
        (SEARCH.replace(b"\x02\x01\0\x02\x01\0", b"\x02\x04\0\0\0\0"), "number is not canonical"),
        (UNBIND + b"\0", "1 bytes follow the message"),
        (ADD[:-1], "bytes are there"),
    ],
)
def test_what_contradicts_itself(data: bytes, fault: str) -> None:
    assert any(fault in one for one in read(data).faults)


def test_every_address_is_told_as_it_is_met() -> None:
    message = add(NAME, (b"sport", [b"1503", b"1720"]), (b"sipaddress", [b"16777226", b"33554442"]))
    assert read(message).carried == (
        sport("10.0.0.1", 1503),
        sport("10.0.0.1", 1720),
        sipaddress("10.0.0.1"),
        sipaddress("10.0.0.2"),
    )
    asked = search(NAME, 0, equal(b"sipaddress", b"16777226"))
    assert read(asked).carried == (sipaddress("10.0.0.1"),)
    many = read(add(NAME, (b"sipaddress", [b"16777226"] * 70)))
    assert len(many.carried) == READINGS_MAX
    assert many.faults == ("more than 64 addresses",)


@given(st.lists(st.integers(1, 400), max_size=30), st.booleans())
def test_a_stream_cut_anywhere(cuts: list[int], at_server: bool) -> None:
    data = b"".join(AT_SERVER if at_server else AT_CLIENT)
    end = LDAP.server(SERVER) if at_server else LDAP.client(CLIENT)
    send = list(end.begin().send)
    arrived: list[bytes] = []
    over = False
    for size in [*cuts, len(data)]:
        if data[:size] and not over:
            step = end.receive(data[:size])
            data = data[size:]
            send += step.send
            arrived += step.arrived
            over = step.over
    assert over
    send += end.finish().send
    assert arrived == (AT_SERVER if at_server else AT_CLIENT)
    assert send == (AT_CLIENT if at_server else AT_SERVER)


def test_the_client_stops_where_the_server_does() -> None:
    end = LDAP.client(CLIENT)
    assert end.begin() == Step(send=(BIND,))
    (notice,) = LDAP.server(SERVER).receive(ADDED).send
    assert end.receive(notice) == Step(arrived=(notice,), over=True)
    other = LDAP.client(CLIENT)
    other.begin()
    with pytest.raises(WireError, match="0x69 answers something else"):
        other.receive(ADDED)


def test_there_is_no_ipv6() -> None:
    address = Endpoint("2001:db8::2", 40001)
    own = Own(socket=address, listening=address, peer=address, label=bytes(16))
    with pytest.raises(SetupError, match="IPv6"):
        LDAP.client(own)
    assert LDAP.server(own).begin() == Step()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x30\x03\x02\x01\x01", "no number and operation"),
        (b"\x30\x04\x04\x00\x42\x00", "no number and operation"),
        (b"\x30\x05\x02\x01\xff\x42\x00", "0xff is none"),
        (b"\x30\x07\x02\x03\x00\x00\x01\x42\x00", "0x000001 is none"),
        (request(ber.tlv(0x7E)), "0x7e is no operation"),
    ],
)
def test_what_is_no_message(data: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        read(data)


def read_or_refused(data: bytes) -> None:
    try:
        reading = read(data)
    except WireError:
        return
    assert len(reading.carried) <= READINGS_MAX
    assert len(reading.faults) <= FAULTS_MAX


@given(st.lists(st.one_of(st.binary(max_size=300), damaged([*ALL, *FOREIGN])), max_size=4))
def test_any_bytes(chunks: list[bytes]) -> None:
    fed_anything(lambda: LDAP.server(SERVER), chunks)
    fed_anything(lambda: LDAP.client(CLIENT), chunks)
    fed_anything(lambda: LDAP.server(SERVER), [ADD, *chunks])
    for chunk in chunks:
        read_or_refused(chunk)


def test_no_asn1_library_is_loaded_for_it() -> None:
    """It reads hostile bytes with its own reader; the libraries are the tests' judges."""
    code = (
        "import sys; from probes.editors import dialogues; dialogues('ldap'); dialogues('snmp');"
        "sys.exit(any('asn1' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
