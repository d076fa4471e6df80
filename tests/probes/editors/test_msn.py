"""MSN Messenger's invitations: both ends meet, and every address in them is found."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors import dialogues, msn
from probes.editors.contract import MESSAGE_MAX, Carried, Dialogue, Own
from probes.editors.msn import command
from probes.errors import SetupError, WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import CLIENT, SERVER, fed_anything, owns, readings, talk
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import decoded

FILE, VOICE = dialogues("msn")
both = pytest.mark.parametrize("dialogue", [FILE, VOICE], ids=lambda dialogue: dialogue.name)

MIME = "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n"
HERE = (
    b"MSG 4 A 247\r\nMIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n"
    b"Invitation-Command: ACCEPT\r\nInvitation-Cookie: 256216690\r\nIP-Address: 192.168.77.2\r\n"
    b"Port: 20001\r\nAuthCookie: 571866970\r\nLaunch-Application: FALSE\r\n"
    b"Request-Data: IP-Address:\r\n\r\n"
)
"""The message of the file's sender that carries its address, octet for octet."""


def message(*lines: str, words: str = "9 N") -> bytes:
    body = MIME + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return f"MSG {words} {len(body)}\r\n{body}".encode()


def answers(*lines: bytes, own: Own = SERVER) -> list[bytes]:
    end = FILE.server(own)
    end.begin()
    return list(end.receive(b"".join(line + b"\r\n" for line in lines)).send)


def rewritten(data: bytes, length: bool = True) -> bytes:
    """What an editor makes of a message: another address, another port, and the length."""
    data = data.replace(b"192.168.77.2", b"203.0.113.1").replace(b"20001", b"6891")
    head, end, body = data.partition(b"\r\n")
    if length and head.startswith(b"MSG"):
        head = re.sub(rb"\d+$", b"%d" % len(body), head)
    return head + end + body


MESSAGES = [m for one in (FILE, VOICE) for part in talk(one) for m in part]


@both
@given(client=owns, server=owns)
def test_both_ends_reach_their_end_and_read_what_was_sent(
    dialogue: Dialogue, client: Own, server: Own
) -> None:
    sent: list[bytes] = []
    back: list[bytes] = []
    at_server, at_client = talk(
        dialogue,
        client,
        server,
        out=lambda data: sent.append(data) or data,  # type: ignore[func-returns-value]
        back=lambda data: back.append(data) or data,  # type: ignore[func-returns-value]
    )
    assert (at_server, at_client) == (sent, back)
    there, here = readings(dialogue, at_server), readings(dialogue, at_client)
    assert not any(reading.faults for reading in there + here)
    assert client.label in [reading.label for reading in there]
    by = dialogue.listens
    assert [c for reading in there for c in reading.carried] == [place(client, by)]
    assert [c for reading in here for c in reading.carried] == [place(server, by)]


def place(own: Own, by: object) -> Carried:
    address, port = own.listening.address, own.listening.port
    return Carried(
        field="IP-Address", address=address, port=port, reached_by="tcp" if by == "tcp" else "udp"
    )


def test_the_order_is_the_one_described() -> None:
    at_server, at_client = talk(FILE)
    assert [reading.kind for reading in readings(FILE, at_server)] == [
        "USR", "CAL", "MSG INVITE", "MSG ACCEPT", "MSG ACCEPT", "OUT"
    ]  # fmt: skip
    assert [reading.kind for reading in readings(FILE, at_client)] == [
        "USR", "CAL", "JOI", "MSG ACCEPT", "ACK", "MSG INVITE", "MSG ACCEPT"
    ]  # fmt: skip
    at_server, at_client = talk(VOICE)
    assert [reading.kind for reading in readings(VOICE, at_server)] == [
        "USR", "CAL", "MSG INVITE", "MSG ACCEPT", "OUT"
    ]  # fmt: skip
    assert [reading.kind for reading in readings(VOICE, at_client)] == [
        "USR", "CAL", "JOI", "MSG ACCEPT", "ACK"
    ]  # fmt: skip


@given(
    client=owns,
    server=owns,
    ports=st.lists(st.integers(1, 65535), min_size=1, max_size=12, unique=True),
)
def test_several_files_are_offered_in_one_conversation(
    client: Own, server: Own, ports: list[int]
) -> None:
    several = msn.files(tuple(ports))
    at_server, _ = talk(several, client, server)
    there = readings(several, at_server)
    assert [reading.kind for reading in there] == [
        "USR", "CAL", *["MSG INVITE"] * len(ports), *["MSG ACCEPT"] * len(ports), "OUT"
    ]  # fmt: skip
    assert not any(reading.faults for reading in there)
    assert client.label in [reading.label for reading in there]
    assert [carried for reading in there for carried in reading.carried] == [
        Carried(field="IP-Address", address=client.listening.address, port=port, reached_by="tcp")
        for port in ports
    ]
    cookies = re.findall(rb"Invitation-Cookie: (\d+)", b"".join(at_server))
    assert len(set(cookies)) == len(ports)
    assert cookies == cookies[: len(ports)] * 2


@given(data=st.lists(st.binary(max_size=400), max_size=8))
def test_several_files_bear_whatever_the_server_says(data: list[bytes]) -> None:
    fed_anything(lambda: msn.files((6891, 6892)).client(CLIENT), data)


def test_what_the_contact_does_not_accept_is_not_told() -> None:
    """It may accept twice, or something that nobody offered."""
    end = msn.files((6891, 6892)).client(CLIENT)
    end.begin()
    end.receive(b"USR 1 OK a@example.com a\r\n")
    offered = end.receive(b"JOI b@example.com b\r\n").send
    (first, _) = [re.findall(rb"Cookie: (\d+)", data)[0].decode() for data in offered]
    accept = ("Invitation-Command: ACCEPT", f"Invitation-Cookie: {first}")
    words = "b@example.com b"
    once = end.receive(message(*accept, words=words))
    assert b"Port: 6891\r\n" in once.send[0]
    assert end.receive(message(*accept, words=words)).send == ()
    other = ("Invitation-Command: ACCEPT", "Invitation-Cookie: 1")
    assert end.receive(message(*other, words=words)).send == ()
    number = once.send[0].split()[1]
    assert not end.receive(b"ACK " + number + b"\r\n").over, "the second was not accepted yet"


def test_a_file_is_offered_octet_for_octet_as_described() -> None:
    at_server, at_client = talk(FILE)
    assert at_server[0] == (
        b"USR 1 000102030405060708090a0b0c0d0e0f@example.com 78356858.394642239\r\n"
    )
    assert at_server[2] == (
        b"MSG 3 N 282\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n"
        b"Application-Name: File Transfer\r\n"
        b"Application-GUID: {5D3E02AB-6190-11d3-BBBB-00C04F795683}\r\n"
        b"Invitation-Command: INVITE\r\nInvitation-Cookie: 256216690\r\n"
        b"Application-File: netcheck.txt\r\nApplication-FileSize: 1024\r\n\r\n"
    )
    assert at_server[3] == HERE
    assert at_client[3] == (
        b"MSG netcheck@example.com netcheck@example.com 185\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n"
        b"Invitation-Command: ACCEPT\r\nInvitation-Cookie: 256216690\r\n"
        b"Launch-Application: FALSE\r\nRequest-Data: IP-Address:\r\n\r\n"
    )


def test_a_voice_conversation_is_offered_octet_for_octet_as_described() -> None:
    at_server, _ = talk(VOICE)
    assert at_server[2].partition(b"\r\n\r\n")[2] == (
        b"Application-Name: an audio conversation\r\n"
        b"Application-GUID: {02D3C01F-BF30-4825-A83A-DE7AF41648AA}\r\n"
        b"Session-Protocol: SM1\r\nInvitation-Command: INVITE\r\nInvitation-Cookie: 256216690\r\n"
        b"Session-ID: {00010203-0405-0607-0809-0A0B0C0D0E0F}\r\n\r\n"
    )
    assert at_server[3].partition(b"\r\n\r\n")[2] == (
        b"Invitation-Command: ACCEPT\r\nInvitation-Cookie: 256216690\r\n"
        b"Session-ID: {00010203-0405-0607-0809-0A0B0C0D0E0F}\r\n"
        b"Launch-Application: TRUE\r\nIP-Address: 192.168.77.2:20001\r\n\r\n"
    )


@both
def test_an_editor_that_does_it_right_changes_only_addresses(dialogue: Dialogue) -> None:
    at_server, _ = talk(dialogue, out=rewritten)
    sent = readings(dialogue, talk(dialogue)[0])
    got = readings(dialogue, at_server)
    assert [(r.kind, r.label, r.rest) for r in got] == [(r.kind, r.label, r.rest) for r in sent]
    assert not any(reading.faults for reading in got)
    (seen,) = (c for reading in got for c in reading.carried)
    assert (seen.address, seen.port) == ("203.0.113.1", 6891)


def put(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


HALF: dict[str, Callable[[bytes], bytes]] = {
    "the length is the old one": lambda data: rewritten(data, length=False),
    "the length is the old one, and too short": put(b"192.168.77.2", b"203.0.113.199"),
    "the length is longer": put(b" 247\r", b" 248\r"),
    "leading zeros in the length": put(b" 247\r", b" 0247\r"),
    "leading zeros in the port": put(b"Port: 20001", b"Port: 020001"),
    "a port beyond all": put(b"Port: 20001", b"Port: 70001"),
    "no port": put(b"Port: 20001\r\n", b""),
    "an octet beyond all": put(b"192.168.77.2", b"192.168.77.256"),
    "no address": put(b"192.168.77.2", b""),
    "cut short": lambda data: data[:-20],
    "cut short by a line end": lambda data: data[:-2],
    "too much": lambda data: data + b"\r\n",
    "another cookie": put(b"AuthCookie: 5", b"AuthCookie: 6"),
    "a field twice": put(b"Port: 20001\r\n", b"Port: 20001\r\nPort: 20001\r\n"),
}


@pytest.mark.parametrize("how", HALF)
def test_what_is_done_by_halves_shows(how: str) -> None:
    got = HALF[how](HERE)
    assert got != HERE
    reading = FILE.read(got)
    assert reading.faults or reading.rest != FILE.read(HERE).rest


@pytest.mark.parametrize("how", ["the length is the old one, and too short", "cut short"])
def test_halves_show_at_the_other_end_too(how: str) -> None:
    """As far as a stream goes on: what is too long for its length is read, cut short."""
    end = FILE.server(SERVER)
    change = HALF[how] if how != "cut short" else put(b" 247\r", b" 227\r")
    step = end.receive(change(HERE))
    (got,) = step.arrived
    assert FILE.read(got).rest != FILE.read(HERE).rest
    assert step.over


@both
@given(which=st.integers(0, 20), at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_no_changed_byte_goes_unnoticed(dialogue: Dialogue, which: int, at: int, byte: int) -> None:
    sent = MESSAGES[which % len(MESSAGES)]
    at %= len(sent)
    got = sent[:at] + bytes([byte]) + sent[at + 1 :]
    try:
        reading = dialogue.read(got)
    except WireError:
        return
    before = dialogue.read(sent)
    same = (reading.rest, reading.carried, reading.label) == (
        before.rest, before.carried, before.label
    )  # fmt: skip
    assert same == (got == sent) or reading.faults


@given(st.binary(max_size=300) | damaged(MESSAGES))
def test_any_bytes_are_a_reading_or_one_error(data: bytes) -> None:
    try:
        reading = FILE.read(data)
    except WireError:
        return
    assert len(reading.rest) <= len(data) + 2 * len(reading.carried)


@both
@given(st.lists(st.binary(max_size=200) | damaged(MESSAGES), max_size=8))
def test_ends_survive_anything(dialogue: Dialogue, chunks: list[bytes]) -> None:
    fed_anything(lambda: dialogue.server(SERVER), chunks)
    fed_anything(lambda: dialogue.client(CLIENT), chunks)


@pytest.mark.parametrize(
    "data",
    [
        b"X" * 100_000,
        b"MSG 1 N 99999999999\r\n",
        b"MSG 1 N 8192\r\n",
        b"MSG 1 N\r\n",
        b"MSG 1 N x\r\n",
        b"\r\n",
        b"GET / HTTP/1.1\r\n",
        b"XFR " + b"1.1.1.1:1 " * 800 + b"\r\n",
        b"PNG\r\n" * 2000,
        message(*["IP-Address: 1.2.3.4"] * 300),
        message("IP-Address: " + "1" * 7000),
    ],
)
def test_long_and_strange_ones_are_read_or_refused(data: bytes) -> None:
    for make in (FILE.server, FILE.client, VOICE.client):
        fed_anything(lambda make=make: make(SERVER), [data])  # type: ignore[misc]
    with contextlib.suppress(WireError):
        assert len(FILE.read(data).carried) <= 64


@given(st.lists(st.sampled_from(MESSAGES), max_size=6), st.data())
def test_a_stream_may_be_cut_anywhere(messages: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    stream = command.stream()
    got: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += stream.feed(whole[start:end])
    assert got == messages


def test_byte_by_byte_too() -> None:
    stream = command.stream()
    got: list[bytes] = []
    for byte in b"".join(MESSAGES):
        got += stream.feed(bytes([byte]))
    assert got == MESSAGES


def test_a_messenger_signs_in_and_is_sent_to_its_conversation() -> None:
    said = answers(
        b"VER 0 MSNP7 MSNP6 MSNP5 MSNP4 CVR0",
        b"INF 1",
        b"USR 2 MD5 I somebody@example.org",
        b"USR 3 MD5 S 7d4a7ef0f8e4b3a3d7ac0d0d7dfd7e8c",
        b"CVR 4 0x0409 win 4.10 i386 MSMSGS 3.6.0039 MSMSGS",
        b"SYN 5 27",
        b"CHG 6 NLN",
        b"LST 7 RL",
        b"QRY 8 msmsgs@msnmsgr.com 32\r\n8f2f5a91b72102cd28355e9fc9000d6ePNG",
        b"XFR 9 SB",
    )
    assert said[0] == b"VER 0 MSNP7 CVR0\r\n"
    assert said[1] == b"INF 1 MD5\r\n"
    assert re.fullmatch(rb"USR 2 MD5 S [0-9]+\r\n", said[2])
    assert said[3] == b"USR 3 OK somebody@example.org somebody@example.org\r\n"
    assert said[4].startswith(b"CVR 4 3.6.0039 3.6.0039 3.6.0039 http://")
    assert said[5:8] == [b"SYN 5 27\r\n", b"CHG 6 NLN\r\n", b"QNG\r\n"]
    assert re.fullmatch(rb"XFR 9 SB 198\.51\.100\.5:21 CKI [0-9]+\r\n", said[8])
    assert FILE.read(said[8]).carried == (
        Carried(field="XFR", address="198.51.100.5", port=21, reached_by="tcp"),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"VER 0 MSNP18 MSNP8 CVR0", [b"VER 0 0\r\n"]),
        (b"USR 2 TWN I somebody@example.org", [b"911 2\r\n"]),
        (b"ANS 1 a@example.org 1.2.3 99",
         [b"IRO 1 1 1 netcheck@example.com netcheck@example.com\r\n", b"ANS 1 OK\r\n"]),
        (b"CAL 3 someone@example.org",
         [b"CAL 3 RINGING 882977904\r\n", b"JOI someone@example.org someone@example.org\r\n"]),
        (b"MSG 4 A 5\r\nhello" b"MSG 5 U 2\r\nhi" b"MSG 6 N 0", [b"ACK 4\r\n"]),
        (b"BLP 7 AL", []),
        (b"XFR x SB", []),
    ],
)  # fmt: skip
def test_lines_are_answered(line: bytes, said: list[bytes]) -> None:
    assert answers(line) == said


def test_the_contact_takes_part_in_what_others_invite_to() -> None:
    netmeeting = message(
        "Application-Name: NetMeeting",
        "Application-GUID: {44BBA842-CC51-11CF-AAFA-00AA00B6015C}",
        "Session-Protocol: SM1",
        "Invitation-Command: INVITE",
        "Invitation-Cookie: 25402056",
        "Session-ID: {C4E9035F-CCEB-40F0-8F17-135FB734073B}",
    )
    (said,) = answers(netmeeting[:-2])
    assert FILE.read(said).carried == (place(SERVER, "udp"),)
    game = message("Application-Name: x", "Invitation-Command: INVITE", "Invitation-Cookie: 1")
    (said,) = answers(game[:-2])
    assert FILE.read(said).kind == "MSG CANCEL"
    assert answers(message("Invitation-Command: CANCEL", "Invitation-Cookie: 1")[:-2]) == []


def test_a_client_that_is_turned_down_is_done() -> None:
    client = FILE.client(CLIENT)
    client.begin()
    client.receive(b"USR 1 OK a@b a\r\nCAL 2 RINGING 1\r\nJOI a@b a\r\n")
    no = message("Invitation-Command: CANCEL", "Invitation-Cookie: 256216690", words="a@b a")
    assert client.receive(no).over


@pytest.mark.parametrize(
    ("value", "address", "port", "faulty"),
    [
        ("10.0.0.1", "10.0.0.1", None, False),
        ("10.0.0.1:10337 ", "10.0.0.1", 10337, False),
        ("2001:DB8::1", "2001:db8::1", None, False),
        ("[2001:db8::1]:80", "2001:db8::1", 80, False),
        ("home.example", None, None, False),
        ("", None, None, False),
        ("10.0.0.1:0080", "10.0.0.1", 80, True),
        ("10.0.0.256", None, None, True),
        ("10.0.0.1 10.0.0.2", None, None, True),
        ("10.0.0.1:x", None, None, True),
    ],
)
def test_addresses_in_their_forms(
    value: str, address: str | None, port: int | None, faulty: bool
) -> None:
    reading = FILE.read(message("Invitation-Command: ACCEPT", f"IP-Address: {value}"))
    assert [(c.address, c.port) for c in reading.carried] == ([(address, port)] if address else [])
    assert bool(reading.faults) == faulty


def test_what_later_versions_say_of_addresses_is_read() -> None:
    reading = FILE.read(
        message("Invitation-Command: INVITE", "Public-IP: 192.0.2.1", "Private-IP: 10.0.0.1")
    )
    assert [(c.field, c.address, c.reached_by) for c in reading.carried] == [
        ("Public-IP", "192.0.2.1", None), ("Private-IP", "10.0.0.1", None)
    ]  # fmt: skip


@both
def test_there_is_no_messenger_over_ipv6(dialogue: Dialogue) -> None:
    here = Endpoint("2001:db8::1", 1)
    own = Own(socket=here, listening=here, peer=here, label=bytes(16))
    with pytest.raises(SetupError, match="no IPv6 address"):
        dialogue.client(own)
    dialogue.server(own)


@both
def test_tshark_takes_every_line_for_messengers(dialogue: Dialogue) -> None:
    here, there = CLIENT.socket, Endpoint(SERVER.socket.address, 1863)
    at_server, at_client = talk(dialogue)
    frames = decoded(
        [(here, there, "tcp", data) for data in at_server]
        + [(there, here, "tcp", data) for data in at_client]
    )
    assert all("msnms" in fields for fields in frames)
    assert max(map(len, at_server + at_client)) <= 1664 < MESSAGE_MAX  # longest of a real server
