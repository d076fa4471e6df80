"""IRC: both ends understand each other, tshark understands us, other clients get in, and what
an editor does to a DCC offer shows as what it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors import irc
from probes.editors.contract import MESSAGE_MAX, READINGS_MAX, Carried, Dialogue, End, Own, Reading
from probes.errors import WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import CLIENT, SERVER, fed_anything, owns, readings, talk
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import Sent, decoded

FILE, TALK = irc.DIALOGUES
each = pytest.mark.parametrize("dialogue", irc.DIALOGUES, ids=lambda d: d.name)
CLIENT_V6 = msgspec.structs.replace(
    CLIENT, socket=Endpoint("2001:db8::2", 40001), listening=Endpoint("2001:db8::2", 20001)
)
SEND = b"PRIVMSG bob :\x01DCC SEND netcheck.txt 3232255234 20001 16\x01\r\n"
CHAT = b"PRIVMSG bob :\x01DCC CHAT chat 3232255234 20001\x01\r\n"
REAL = [message for dialogue in irc.DIALOGUES for heard in talk(dialogue) for message in heard] + [
    b"@time=now :a!b@c NOTICE bob :hello \x01DCC CHAT chat 2001:db8::2 20001\x01\r\n"
]


def offered(dialogue: Dialogue, to: Endpoint) -> list[Carried]:
    field = "DCC SEND" if dialogue is FILE else "DCC CHAT"
    return [Carried(field=field, address=to.address, port=to.port, reached_by="tcp")]


def addresses(dialogue: Dialogue, messages: list[bytes]) -> list[Carried]:
    found = readings(dialogue, messages)
    assert not any(reading.faults for reading in found)
    return [carried for reading in found for carried in reading.carried]


@each
@given(owns, owns)
def test_what_one_end_says_is_what_the_other_reads(
    dialogue: Dialogue, client: Own, server: Own
) -> None:
    to_server, to_client = talk(dialogue, client, server)
    assert [r.label for r in readings(dialogue, to_server)] == [None, client.label, None, None]
    for heard in (to_server, to_client):
        assert addresses(dialogue, heard) == offered(dialogue, client.listening)


@each
def test_over_ipv6_the_address_is_text(dialogue: Dialogue) -> None:
    for heard in talk(dialogue, CLIENT_V6):
        assert addresses(dialogue, heard) == offered(dialogue, CLIENT_V6.listening)


def test_the_bytes_are_these() -> None:
    """The memo on CTCP: the address is one decimal number, first octet highest."""
    nick = b"ne72071e8"
    for dialogue, offer in ((FILE, SEND), (TALK, CHAT)):
        assert talk(dialogue)[0] == [
            b"NICK " + nick + b"\r\n",
            b"USER netcheck 0 * :000102030405060708090a0b0c0d0e0f\r\n",
            offer.replace(b"bob", nick),
            b"QUIT\r\n",
        ]


def test_the_client_makes_its_offer_when_it_is_in() -> None:
    end = FILE.client(CLIENT)
    assert len(end.begin().send) == 2
    step = end.receive(b"NOTICE AUTH :*** Looking up\r\nPING :abc\r\n:x PRIVMSG n :hi\r\n")
    assert (step.send, step.over) == ((b"PONG :abc\r\n",), False)
    step = end.receive(b":s 001 n :Welcome\r\n:s 001 n :Hi\r\n:s 422 n :No motd\r\n:s 372 n :x\r\n")
    assert ([irc.read(message).kind for message in step.send], step.over) == (["DCC SEND"], False)
    assert end.receive(b":n!u@h " + step.send[0]).over


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([b":s 433 * n :Nickname is in use\n"], 0),
        ([b"ERROR :Closing link\n"], 0),
        ([b":s 001 n :Hi\n", b":s 401 n n :No such nick\n"], 1),
        ([b":s 001 n :Hi\n", b"ERROR :Bye\n"], 1),
    ],
)
def test_whatever_a_server_answers_the_client_ends(replies: list[bytes], said: int) -> None:
    end = FILE.client(CLIENT)
    steps = [end.receive(reply) for reply in replies]
    assert sum(len(step.send) for step in steps) == said
    assert [step.over for step in steps] == [False] * (len(steps) - 1) + [True]


@pytest.mark.parametrize(
    ("text", "field", "to"),
    [
        (b"DCC SEND file.txt 3232255234 20001 16", "DCC SEND", Endpoint("192.168.77.2", 20001)),
        (b'DCC SEND "a b c" 167772161 1', "DCC SEND", Endpoint("10.0.0.1", 1)),
        (b"DCC CHAT chat 4294967295 65535", "DCC CHAT", Endpoint("255.255.255.255", 65535)),
        (b"DCC TSEND f 0 7 1", "DCC TSEND", Endpoint("0.0.0.0", 7)),
        (b"DCC SCHAT chat 2001:DB8::5 7", "DCC SCHAT", Endpoint("2001:db8::5", 7)),
    ],
)
def test_the_forms_of_an_offer(text: bytes, field: str, to: Endpoint) -> None:
    reading = irc.read(b":a!b@c PRIVMSG bob :\x01" + text + b"\x01\r\n")
    assert reading.carried == (
        Carried(field=field, address=to.address, port=to.port, reached_by="tcp"),
    )
    assert reading.faults == ()
    assert reading.kind == field


def test_what_has_no_address_is_not_read_as_one() -> None:
    for text in (b"DCC RESUME f 20001 16", b"DCC SENDER f 1 2", b"dcc send f 1 2", b"VERSION"):
        reading = irc.read(b"PRIVMSG bob :\x01" + text + b"\x01\r\n")
        assert (reading.kind, reading.carried, reading.faults) == ("PRIVMSG", (), ())
    assert irc.read(CHAT.replace(b"PRIVMSG", b"TOPIC")).carried == ()
    assert irc.read(CHAT.replace(b"\x01", b"")).carried == ()


def test_all_offers_of_a_message_are_read_up_to_a_bound() -> None:
    offer = b"\x01DCC CHAT chat 1 2\x01"
    reading = irc.read(b"PRIVMSG bob :" + offer * READINGS_MAX + b"\r\n")
    assert len(reading.carried) == READINGS_MAX
    with pytest.raises(WireError, match="more than 64"):
        irc.read(b"PRIVMSG bob :" + offer * (READINGS_MAX + 1) + b"\r\n")


@pytest.mark.parametrize(
    ("arrived", "to"),
    [
        (SEND.replace(b"3232255234", b"3405803777"), Endpoint("203.0.113.1", 20001)),
        (SEND.replace(b"3232255234 20001", b"3405803777 9"), Endpoint("203.0.113.1", 9)),
    ],
)
def test_an_edited_address_is_all_that_differs(arrived: bytes, to: Endpoint) -> None:
    reading = irc.read(arrived)
    assert [(c.address, c.port) for c in reading.carried] == [(to.address, to.port)]
    assert reading.faults == ()
    assert reading.rest == irc.read(SEND).rest


def test_an_edited_address_comes_back() -> None:
    """The sender sees what the receiver was told, unless the way back is edited as well."""

    def out(data: bytes) -> bytes:
        return data.replace(b"3232255234 20001", b"3405803777 20041")

    def back(data: bytes) -> bytes:
        return data.replace(b"3405803777 20041", b"3232255234 20001")

    edited = offered(FILE, Endpoint("203.0.113.1", 20041))
    for heard in talk(FILE, out=out):
        assert addresses(FILE, heard) == edited
    arrived, came_back = talk(FILE, out=out, back=back)
    assert addresses(FILE, arrived) == edited
    assert addresses(FILE, came_back) == offered(FILE, CLIENT.listening)


@pytest.mark.parametrize(
    "arrived",
    [
        SEND.replace(b"3232255234", b"203.0.113.1"),
        SEND.replace(b"3232255234", b"4294967296"),
        SEND.replace(b"3232255234", b"03405803777"),
        SEND.replace(b"3232255234", b"host.example"),
        SEND.replace(b"3232255234", b"-1"),
        SEND.replace(b"3232255234 ", b""),
        SEND.replace(b"20001", b"0"),
        SEND.replace(b"20001", b"020001"),
        SEND.replace(b"20001", b"65537"),
        SEND.replace(b"20001 ", b""),
        SEND.replace(b"20001 16", b"200"),
        SEND.replace(b"16\x01", b"16"),
        SEND.replace(b"16", b"17"),
        SEND.replace(b" 16", b""),
        SEND.replace(b"DCC SEND", b"DCC XXXX"),
        SEND.replace(b"DCC SEND", b"dcc send"),
        SEND.replace(b"netcheck.txt ", b""),
        SEND.replace(b"\r\n", b"\n"),
        SEND.replace(b"PRIVMSG", b"NOTICE"),
        CHAT,
    ],
)
def test_what_an_editor_broke_is_not_taken_for_right(arrived: bytes) -> None:
    reading = irc.read(arrived)
    assert reading.faults or reading.rest != irc.read(SEND).rest


@given(st.sampled_from(REAL), st.data())
def test_a_message_cut_short_is_no_message(message: bytes, data: st.DataObject) -> None:
    short = message[: data.draw(st.integers(0, len(message) - 1))]
    with pytest.raises(WireError):
        irc.read(short)


@given(damaged(REAL), st.sampled_from(REAL))
def test_what_reads_like_another_message_is_it_but_for_addresses(one: bytes, other: bytes) -> None:
    try:
        reading = irc.read(one)
    except WireError:
        return
    sent = irc.read(other)
    if reading.rest == sent.rest and reading.carried == sent.carried and not reading.faults:
        # An IPv6 address has several right forms, which mean the same.
        assert one == other or b"2001:" in other


@given(st.binary(max_size=80) | damaged(REAL))
def test_any_bytes_are_a_reading_or_one_error(data: bytes) -> None:
    try:
        reading = irc.read(data)
    except WireError:
        return
    assert isinstance(reading, Reading)
    assert len(reading.rest) <= len(data) + 8 * (2 + 2 * len(reading.carried))


@given(st.lists(st.binary(max_size=60) | damaged(REAL), max_size=12))
def test_an_end_takes_anything(chunks: list[bytes]) -> None:
    fed_anything(lambda: FILE.server(SERVER), chunks)
    fed_anything(lambda: TALK.client(CLIENT), chunks)


def test_what_is_too_long_is_refused_before_it_is_whole() -> None:
    def feed(end: End) -> None:
        for _ in range(MESSAGE_MAX // 64 + 1):
            end.receive(b"x" * 64)

    for end in (FILE.server(SERVER), FILE.client(CLIENT)):
        with pytest.raises(WireError, match="more than"):
            feed(end)
    with pytest.raises(WireError, match="more than"):
        irc.read(b"NICK " + b"x" * MESSAGE_MAX + b"\r\n")
    told = FILE.server(SERVER).receive(b"NICK " + b"x" * irc.LINE_MAX + b"\r\n")
    assert [irc.read(m).kind for m in told.send] == ["417"]


@given(st.data())
def test_a_stream_may_be_cut_anywhere(data: st.DataObject) -> None:
    to_server, to_client = talk(FILE)
    ends: list[tuple[Callable[[Own], End], Own, list[bytes]]] = [
        (FILE.client, CLIENT, to_client),
        (FILE.server, SERVER, [*to_server[:-1], b"JOIN #a\n", b"QUIT\r\n"]),
    ]
    for make, own, messages in ends:
        stream = b"".join(messages)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        end = make(own)
        arrived: list[bytes] = []
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            arrived += end.receive(stream[start:stop]).arrived
        assert arrived == messages


LOGIN = b"NICK bob\r\nUSER bob 0 * :Bob\r\n"
IN = ["001", "002", "003", "004", "422"]


def kinds(end: End, data: bytes) -> list[str]:
    return [irc.read(message).kind for message in end.receive(data).send]


def test_other_clients_get_in() -> None:
    end = FILE.server(SERVER)
    assert kinds(end, b"PASS x\nNICK bob\n") == []
    assert kinds(end, b"JOIN #a\n") == ["451"]
    assert kinds(end, b"USER bob 0 * :Bob\n") == IN
    end = FILE.server(SERVER)
    assert kinds(end, b"CAP LS 302\nNICK bob\nUSER bob 0 * :Bob\n") == ["CAP"]
    assert kinds(end, b"CAP REQ :sasl\n") == ["CAP"]
    assert kinds(end, b"CAP END\n") == IN


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"PING :a b", [b":netcheck.invalid PONG netcheck.invalid :a b"]),
        (b"PONG :x", []),
        (b"NICK rob", [b":bob!user@client.invalid NICK :rob"]),
        (b"NICK", [b":netcheck.invalid 431 bob :No nickname given"]),
        (b"NICK 1bob", [b":netcheck.invalid 432 bob 1bob :Erroneous nickname"]),
        (b"USER a b c d", [b":netcheck.invalid 462 bob :You may not reregister"]),
        (b"USER a", [b":netcheck.invalid 461 bob USER :Not enough parameters"]),
        (
            b"JOIN #a,#b",
            [
                b":bob!user@client.invalid JOIN #a",
                b":netcheck.invalid 353 bob = #a :bob",
                b":netcheck.invalid 366 bob #a :End of names",
            ],
        ),
        (b"JOIN 0", [b":netcheck.invalid 403 bob 0 :No such channel"]),
        (b"PART #a", [b":bob!user@client.invalid PART #a"]),
        (b"MODE bob +i", [b":netcheck.invalid 221 bob +i"]),
        (b"MODE #a", [b":netcheck.invalid 324 bob #a +n"]),
        (b"MODE #a b", [b":netcheck.invalid 368 bob #a :End of channel ban list"]),
        (b"WHO #a", [b":netcheck.invalid 315 bob #a :End of list"]),
        (b"WHOIS x", [b":netcheck.invalid 318 bob x :End of list"]),
        (b"USERHOST bob", [b":netcheck.invalid 302 bob :"]),
        (b"privmsg BOB :hi there", [b":bob!user@client.invalid PRIVMSG BOB :hi there"]),
        (b"PRIVMSG al :hi", [b":netcheck.invalid 401 bob al :No such nick"]),
        (b"PRIVMSG bob", [b":netcheck.invalid 412 bob :No text to send"]),
        (b"PRIVMSG #a :hi", []),
        (b"NOTICE al :hi", []),
        (b"SQUIT x", [b":netcheck.invalid 421 bob SQUIT :Unknown command"]),
        (b"QUIT", [b"ERROR :Closing link"]),
    ],
)
def test_what_other_clients_may_say(said: bytes, heard: list[bytes]) -> None:
    end = FILE.server(SERVER)
    assert kinds(end, LOGIN) == IN
    step = end.receive(said + b"\r\n")
    assert step.send == tuple(line + b"\r\n" for line in heard)
    assert step.over == (said == b"QUIT")


def test_a_server_tires() -> None:
    end = FILE.server(SERVER)
    step = end.receive(LOGIN + b"\r\n\nPING a\r\n" * irc.MESSAGES_MAX)
    assert step.send[-1] == b"ERROR :Closing link\r\n"
    assert step.over
    assert len(step.arrived) == irc.MESSAGES_MAX + 1


def test_tshark_reads_the_same() -> None:
    sent: list[Sent] = []
    here, there = CLIENT.socket, Endpoint("198.51.100.5", 6667)
    end = FILE.server(SERVER)
    for to_server, to_client in (
        *(talk(dialogue) for dialogue in irc.DIALOGUES),
        *(talk(dialogue, CLIENT_V6) for dialogue in irc.DIALOGUES),
        ([LOGIN], end.receive(LOGIN + b"CAP LS\nJOIN #a\nMODE #a\nWHO #a\nPING x\nQUIT\n").send),
    ):
        sent += [(here, there, "tcp", message) for message in to_server]
        sent += [(there, here, "tcp", message) for message in to_client]
    found = []
    for (source, _, _, message), fields in zip(sent, decoded(sent), strict=True):
        way = "request" if source == here else "response"
        reading = irc.read(message.splitlines(keepends=True)[0])
        name = "num_command" if reading.kind.isdigit() else "command"
        kind = "PRIVMSG" if reading.carried else reading.kind
        command = fields[f"irc.{way}.{name}"][0]
        assert command == (str(int(kind)) if kind.isdigit() else kind)
        found += fields.get("irc.ctcp", [])
    v4 = ["DCC SEND netcheck.txt 3232255234 20001 16", "DCC CHAT chat 3232255234 20001"]
    v6 = [text.replace("3232255234", "2001:db8::2") for text in v4]
    assert found == [text for text in v4 + v6 for _ in range(2)]
