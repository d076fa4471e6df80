from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import MESSAGE_MAX, Carried, Own, Step
from probes.editors.pptp import DIALOGUES, PORT, call_id, read
from probes.errors import WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import CLIENT, SERVER, fed_anything, owns, readings, talk
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import decoded

PPTP = DIALOGUES[0]
AT_SERVER, AT_CLIENT = talk(PPTP)
ALL = [*AT_SERVER, *AT_CLIENT]
MINE, THEIRS = call_id(CLIENT), call_id(SERVER)

FOREIGN_START = (
    bytes.fromhex("009c00011a2b3c4d00010000010000000000000300000003ffff0001")
    + b"local".ljust(64, b"\0")
    + b"cananian".ljust(64, b"\0")
)
FOREIGN_CALL = bytes.fromhex(
    "00a800011a2b3c4d00070000dae0000000000960009896800000000300000003000300000000"
) + bytes(130)
"""What pptp-linux 1.10.0 says, as captured."""


def own(number: int, field: str = "Call ID") -> Carried:
    return Carried(field=field, address="", port=number)


def renumbered(message: bytes, at: int, number: int) -> bytes:
    return message[:at] + number.to_bytes(2) + message[at + 2 :]


def control(message: bytes) -> int:
    return int.from_bytes(message[8:10])


def asked(*messages: bytes) -> Step:
    end = PPTP.server(SERVER)
    assert end.begin() == Step()
    return end.receive(b"".join(messages))


def test_it_is_found_by_its_name() -> None:
    assert dialogues("pptp") is DIALOGUES
    assert PPTP.ports == (PORT,)


@given(owns, owns)
def test_both_ends_reach_their_end(client: Own, server: Own) -> None:
    at_server, at_client = (readings(PPTP, heard) for heard in talk(PPTP, client, server))
    mine, theirs = call_id(client), call_id(server)
    assert [(said.kind, said.carried, said.label) for said in at_server] == [
        ("Start-Control-Connection-Request", (), client.label),
        ("Outgoing-Call-Request", (own(mine),), None),
        ("Call-Clear-Request", (own(mine),), None),
        ("Stop-Control-Connection-Request", (), None),
    ]
    assert [(said.kind, said.carried, said.label) for said in at_client] == [
        ("Start-Control-Connection-Reply", (), None),
        ("Outgoing-Call-Reply", (own(theirs), own(mine, "Peer's Call ID")), None),
        ("Call-Disconnect-Notify", (own(theirs),), None),
        ("Stop-Control-Connection-Reply", (), None),
    ]
    assert not any(said.faults for said in (*at_server, *at_client))
    assert 1 <= mine <= 0xFFFF


def test_over_ipv6_it_is_the_same() -> None:
    v6 = Own(
        socket=Endpoint("2001:db8::2", 40001),
        listening=Endpoint("2001:db8::2", 20001),
        peer=Endpoint("2001:db8::5", PORT),
        label=CLIENT.label,
    )
    assert talk(PPTP, v6)[0] == AT_SERVER


def test_the_bytes_are_those_of_rfc_2637() -> None:
    start, call, clear, stop = AT_SERVER
    started, called, cleared, stopped = AT_CLIENT
    name = CLIENT.label.hex().encode()
    assert start == bytes.fromhex(
        "009c 0001 1a2b3c4d 0001 0000 0100 0000 00000003 00000003 0000 0000"
    ) + name.ljust(64, b"\0") + bytes(64)
    assert started == bytes.fromhex(
        "009c 0001 1a2b3c4d 0002 0000 0100 01 00 00000003 00000003 0001 0000"
    ) + b"netcheck".ljust(64, b"\0") + bytes(64)
    assert call == bytes.fromhex("00a8 0001 1a2b3c4d 0007 0000") + struct.pack(
        "!HHIIIIHHHH128s", MINE, 1, 300, 100_000_000, 3, 3, 64, 0, 0, 0, b""
    )
    assert called == bytes.fromhex("0020 0001 1a2b3c4d 0008 0000") + struct.pack(
        "!HHBBHIHHI", THEIRS, MINE, 1, 0, 0, 100_000_000, 64, 0, 0
    )
    assert clear == bytes.fromhex("0010 0001 1a2b3c4d 000c 0000") + struct.pack("!HH", MINE, 0)
    assert cleared == bytes.fromhex("0094 0001 1a2b3c4d 000d 0000") + struct.pack(
        "!HBBHH128s", THEIRS, 4, 0, 0, 0, b""
    )
    assert stop == bytes.fromhex("0010 0001 1a2b3c4d 0003 0000 01 00 0000")
    assert stopped == bytes.fromhex("0010 0001 1a2b3c4d 0004 0000 01 00 0000")


def test_tshark_reads_the_same() -> None:
    there = Endpoint("198.51.100.5", PORT)
    turns = [turn for pair in zip(AT_SERVER, AT_CLIENT, strict=True) for turn in pair]
    frames = decoded(
        [
            (there, CLIENT.socket, "tcp", turn) if at % 2 else (CLIENT.socket, there, "tcp", turn)
            for at, turn in enumerate(turns)
        ]
    )
    assert [int(frame["pptp.control_message_type"][0]) for frame in frames] == list(
        map(control, turns)
    )
    assert [int(frame["pptp.length"][0]) for frame in frames] == [len(turn) for turn in turns]
    assert frames[0]["pptp.host_name"][0] == CLIENT.label.hex()
    assert frames[2]["pptp.call_id"] == [str(MINE)]
    assert frames[2]["pptp.maximum_bps"] == ["100000000"]
    assert frames[3]["pptp.call_id"] == [str(THEIRS)]
    assert frames[3]["pptp.peer_call_id"] == [str(MINE)]
    assert frames[4]["pptp.call_id"] == [str(MINE)]


@given(number=st.integers(0, 0xFFFF))
def test_an_editor_that_is_right_changes_the_call_id_and_nothing_else(number: int) -> None:
    """As the kernel's: another ID for all that the client sends, its own for what it gets."""

    def out(message: bytes) -> bytes:
        return renumbered(message, 12, number) if control(message) in (7, 12) else message

    def back(message: bytes) -> bytes:
        if control(message) != 8:
            return message
        assert message[14:16] == number.to_bytes(2), "the server answers to what it saw"
        return renumbered(message, 14, MINE)

    at_server, at_client = talk(PPTP, out=out, back=back)
    for arrived, sent in zip(at_server, AT_SERVER, strict=True):
        said = read(arrived)
        assert said.faults == ()
        assert said.rest == read(sent).rest
        assert said.carried == ((own(number),) if control(sent) in (7, 12) else ())
    assert at_client == AT_CLIENT


def test_an_editor_that_forgets_the_way_back_is_seen() -> None:
    def out(message: bytes) -> bytes:
        return renumbered(message, 12, 49813) if control(message) == 7 else message

    at_server, at_client = talk(PPTP, out=out)
    assert read(at_client[1]).carried[1] == own(49813, "Peer's Call ID")
    assert [read(message).carried for message in at_server[1:3]] == [(own(49813),), (own(MINE),)]


@given(damaged(ALL))
def test_what_is_not_an_edited_call_id_never_reads_as_one(message: bytes) -> None:
    assume(message not in ALL)
    try:
        said = read(message)
    except WireError:
        return
    originals = {one.rest: one for one in map(read, ALL)}
    if said.rest in originals:
        assert len(said.carried) == len(originals[said.rest].carried)
        assert said.carried != originals[said.rest].carried, "something else was changed"
        assert said.faults == ()


@given(st.binary(max_size=300) | damaged([*ALL, FOREIGN_START, FOREIGN_CALL]))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    try:
        said = read(message)
    except WireError:
        return
    assert len(said.rest) == len(message)


@given(st.lists(st.binary(max_size=300) | damaged(ALL) | st.sampled_from(ALL), max_size=9))
def test_any_bytes_are_taken_by_both_ends(chunks: list[bytes]) -> None:
    fed_anything(lambda: PPTP.server(SERVER), chunks)
    fed_anything(lambda: PPTP.client(CLIENT), chunks)


@given(st.lists(st.integers(0, sum(map(len, AT_SERVER))), max_size=12))
def test_a_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    stream = b"".join(AT_SERVER)
    end = PPTP.server(SERVER)
    steps = [
        end.receive(stream[start:stop])
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True)
    ]
    assert [message for step in steps for message in step.arrived] == AT_SERVER
    assert [message for step in steps for message in step.send] == AT_CLIENT
    assert steps[-1].over


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda call: call[:-2], "Length 168 of 166 bytes"),
        (lambda call: call + b"\0\0", "Length 168 of 170 bytes"),
        (
            lambda call: renumbered(call, 0, 170) + b"\0\0",
            "Outgoing-Call-Request of 170 bytes, not 168",
        ),
        (lambda call: renumbered(call, 36, 4), "Phone Number Length 4 of 0 bytes"),
        (lambda call: call[:40] + b"555" + call[43:], "Phone Number Length 0 of 3 bytes"),
    ],
)
def test_what_does_not_agree_with_itself_is_a_fault(
    change: Callable[[bytes], bytes], fault: str
) -> None:
    said = read(change(AT_SERVER[1]))
    assert fault in said.faults
    assert said.rest != read(AT_SERVER[1]).rest


@pytest.mark.parametrize("size", [0, 11, MESSAGE_MAX + 1, 0xFFFF])
def test_a_length_that_no_message_has_ends_the_stream(size: int) -> None:
    with pytest.raises(WireError, match="pptp"):
        asked(size.to_bytes(2) + AT_SERVER[0][2:])


def test_what_is_not_pptp_is_refused() -> None:
    for other in (b"GET / HTTP/1.1\r\n\r\n", bytes(12)):
        with pytest.raises(WireError, match=r"pptp\.magic"):
            asked(other)
        with pytest.raises(WireError, match=r"pptp\.magic"):
            read(other)


def test_the_pptp_client_of_debian_is_carried_to_its_call() -> None:
    end = PPTP.server(SERVER)
    started = end.receive(FOREIGN_START)
    assert read(started.arrived[0]).label is None
    assert [control(message) for message in started.send] == [2]
    called = end.receive(FOREIGN_CALL)
    assert read(called.arrived[0]).carried == (own(0xDAE0),)
    assert read(called.arrived[0]).faults == ()
    assert read(called.send[0]).carried == (own(THEIRS), own(0xDAE0, "Peer's Call ID"))
    link = bytes.fromhex("001800011a2b3c4d000f0000") + struct.pack("!HHII", THEIRS, 0, 0, 0)
    assert end.receive(link) == Step(arrived=(link,))
    assert read(link).carried == (own(THEIRS, "Peer's Call ID"),)


def test_an_echo_is_answered_by_both_ends() -> None:
    echo = bytes.fromhex("001000011a2b3c4d00050000cafe0001")
    reply = bytes.fromhex("001400011a2b3c4d00060000cafe000101000000")
    assert asked(echo).send == (reply,)
    assert PPTP.client(CLIENT).receive(echo) == Step(send=(reply,), arrived=(echo,))


def test_one_call_at_a_time() -> None:
    _, called, refused, _, again = asked(*AT_SERVER[:2], FOREIGN_CALL, *AT_SERVER[2:0:-1]).send
    assert called[16] == 1
    assert (refused[12:16], refused[16]) == (b"\0\0\xda\xe0", 7)
    assert again == called


def test_another_version_is_told_so() -> None:
    assert asked(renumbered(AT_SERVER[0], 12, 0x0200)).send[0][14] == 5


def test_the_client_stops_when_the_server_does() -> None:
    end = PPTP.client(CLIENT)
    end.begin()
    step = end.receive(AT_SERVER[3])
    assert step.over
    assert step.send == (AT_CLIENT[3],)


@pytest.mark.parametrize(("kind", "number"), [(1, 0), (1, 16), (1, 99), (2, 1), (0, 7)])
def test_what_is_not_known_is_passed_over(kind: int, number: int) -> None:
    message = struct.pack("!HHIHH", 12, kind, 0x1A2B3C4D, number, 0)
    assert asked(message) == Step(arrived=(message,))
    said = read(message)
    assert (said.carried, said.label, said.faults) == ((), None, ())
    assert str(number) in said.kind


def test_a_message_too_short_for_its_type_is_not_answered() -> None:
    for message in AT_SERVER:
        short = (12).to_bytes(2) + message[2:12]
        assert asked(short) == Step(arrived=(short,))
        assert read(short).faults
