"""What became of messages: which arrived as which, and what of them was changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import heard
from probes.editors import NAMES, dialogues
from probes.editors.contract import ANNOUNCED_PORT, Carried, Dialogue, Own
from probes.observation import Heard, Said
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import CLIENT, talk

FTP = next(one for one in dialogues("ftp") if one.name == "ftp-port")
DIALOGUES = {one.name: one for name in NAMES for one in dialogues(name) if one.ports}
PUBLIC = "203.0.113.2"
SERVER = Own(
    socket=Endpoint("198.51.100.5", 21),
    listening=Endpoint("198.51.100.5", ANNOUNCED_PORT),
    peer=Endpoint(PUBLIC, 40001),
    label=bytes(range(50, 66)),
)
SENT = [b"USER a\r\n", b"PASS b\r\n", b"PORT 192,168,77,2,78,33\r\n"]


def of_server(
    dialogue: Dialogue, back: list[bytes], told: list[bytes], *, same_version: bool = True
) -> Heard:
    return heard.back(dialogue, SERVER.socket, SERVER.peer, told, back, same_version=same_version)


@pytest.mark.parametrize("name", DIALOGUES)
def test_what_is_not_touched_is_heard_as_it_was_said(name: str) -> None:
    dialogue = DIALOGUES[name]
    told, arrived = talk(dialogue, CLIENT, SERVER)
    for found in (heard.out(dialogue, told, told), of_server(dialogue, arrived, told)):
        assert len(found.kinds) == found.expected
        assert all(said.sent == said.arrived for said in found.said)
        assert (found.changed, found.faults) == (False, ())


@pytest.mark.parametrize("name", DIALOGUES)
def test_what_never_arrived_is_missed(name: str) -> None:
    dialogue = DIALOGUES[name]
    told, _ = talk(dialogue, CLIENT, SERVER)
    found = heard.out(dialogue, told, [])
    assert (found.expected, found.kinds, found.changed) == (len(told), (), False)
    assert all(said.arrived is None for said in found.said)


@pytest.mark.parametrize(
    ("arrived", "said", "changed", "faulty"),
    [
        (b"PORT 192,168,77,2,78,33\r\n", "192.168.77.2:20001", False, False),
        (b"PORT 203,0,113,2,78,34\r\n", "203.0.113.2:20002", False, False),
        (b"PORT 203,0,113,2,78\r\n", None, True, True),
        (b"PORT 203,0,113,2,78,34\n", "203.0.113.2:20002", True, True),
        (b"EPRT |1|192.168.77.2|20001|\r\n", None, True, False),
        (b"\x00\xff", None, True, True),
    ],
)
def test_a_command_that_arrived_in_some_way(
    arrived: bytes, said: str | None, changed: bool, faulty: bool
) -> None:
    found = heard.out(FTP, SENT, [*SENT[:2], arrived])
    assert found.said == (
        Said(field="PORT", sent="192.168.77.2:20001", arrived=said, announced=True),
    )
    assert found.changed == changed
    assert bool(found.faults) == faulty


def test_a_message_too_many_is_a_change_and_a_datagram_too_many_is_not() -> None:
    assert heard.out(FTP, SENT, [*SENT, SENT[0]]).changed
    sip = DIALOGUES["sip-udp"]
    told, _ = talk(sip, CLIENT, SERVER)
    moved = [told[0].replace(b"192.168.77.2", b"203.0.113.77")]
    assert not heard.out(sip, told, [*moved, *told]).changed
    assert heard.out(sip, told, [*told, told[0].replace(b"CSeq: 1", b"CSeq: 7")]).changed


def test_datagrams_may_arrive_in_any_order() -> None:
    sip = DIALOGUES["sip-udp"]
    told, _ = talk(sip, CLIENT, SERVER)
    found = heard.out(sip, told, list(reversed(told)))
    assert found == heard.out(sip, told, told)


def test_of_two_messages_of_a_kind_the_likest_is_the_one() -> None:
    """The first is lost; the second is not to be taken for it."""
    msn = DIALOGUES["msn-file"]
    told, _ = talk(msn, CLIENT, SERVER)
    accepts = [at for at, data in enumerate(told) if b"Invitation-Command: ACCEPT" in data]
    assert len(accepts) == 2
    left = [data for at, data in enumerate(told) if at != accepts[0]]
    found = heard.out(msn, told, left)
    assert not found.changed
    assert [said.arrived for said in found.said] == [None]


def test_a_server_of_another_version_may_use_other_words() -> None:
    told, arrived = talk(FTP, CLIENT, SERVER)
    other = [arrived[0].replace(b"netcheck", b"netcheck 9"), *arrived[1:]]
    assert of_server(FTP, other, told).changed
    assert not of_server(FTP, other, told, same_version=False).changed


def test_what_the_server_says_of_us_is_what_it_heard() -> None:
    """An editor changes it on the way there, and puts it back on the way here."""
    irc = DIALOGUES["irc-send"]
    there = b"3405803778"  # 203.0.113.2
    here = b"3232255234"  # 192.168.77.2
    told, arrived = talk(
        irc,
        CLIENT,
        SERVER,
        out=lambda data: data.replace(here, there),
        back=lambda data: data.replace(there, here),
    )
    (said,) = of_server(irc, arrived, told).said
    assert (said.sent, said.arrived) == (f"{PUBLIC}:20001", "192.168.77.2:20001")


@pytest.mark.parametrize(
    ("carried", "text"),
    [
        (Carried(field="", address="192.0.2.1", port=80), "192.0.2.1:80"),
        (Carried(field="", address="2001:db8::1", port=80), "[2001:db8::1]:80"),
        (Carried(field="", address="2001:db8::1"), "2001:db8::1"),
        (Carried(field="", address="", port=80), "80"),
        (Carried(field="", address=""), ""),
    ],
)
def test_an_address_is_spelt_without_what_it_has_not(carried: Carried, text: str) -> None:
    assert heard.spelt(carried) == text


def damaged(data: bytes, cut: int, junk: bytes) -> bytes:
    at = cut % (len(data) + 1)
    return data[:at] + junk + data[at + len(junk) :]


@given(
    name=st.sampled_from(sorted(DIALOGUES)),
    keep=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 400), st.binary(max_size=6)), max_size=12
    ),
)
def test_any_bytes_are_heard_somehow(name: str, keep: list[tuple[int, int, bytes]]) -> None:
    dialogue = DIALOGUES[name]
    told, arrived = talk(dialogue, CLIENT, SERVER)

    def make(messages: list[bytes]) -> list[bytes]:
        return [
            damaged(messages[at % len(messages)], cut, junk) for at, cut, junk in keep if messages
        ]

    there = make(told)
    for found, sent in (
        (heard.out(dialogue, told, there), told),
        (of_server(dialogue, make(arrived), there), None),
    ):
        assert len(found.kinds) <= found.expected
        assert len(found.faults) <= heard.FAULTS_MAX
        if sent is not None:
            assert found.expected == len(sent)
