"""FTP: both ends understand each other, tshark, ftplib and curl understand us, and what an
editor does to an address shows as what it is."""

from __future__ import annotations

import ftplib
import shutil
import subprocess
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors import ftp
from probes.editors.contract import MESSAGE_MAX, Carried, Dialogue, End, Own, Reading
from probes.errors import SetupError, WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.loopback import PATIENCE_S, served
from tests.probes.editors.talk import CLIENT, SERVER, fed_anything, owns, readings, talk
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import Sent, decoded

PORT, EPRT, PASV = ftp.DIALOGUES
V6 = Endpoint("2001:db8::2", 40001)
CLIENT_V6 = msgspec.structs.replace(CLIENT, socket=V6, listening=Endpoint("2001:db8::2", 20001))
SERVER_V6 = msgspec.structs.replace(
    SERVER, socket=Endpoint("2001:db8::5", 21), listening=Endpoint("2001:db8::5", 30001)
)
each = pytest.mark.parametrize("dialogue", ftp.DIALOGUES, ids=lambda d: d.name)
REAL = [message for dialogue in ftp.DIALOGUES for heard in talk(dialogue) for message in heard] + [
    b"EPRT |2|2001:db8::2|20001|\r\n",
    b"211-Extensions\r\n EPRT\r\n EPSV\r\n211 End\r\n",
]


def carried(message: bytes) -> tuple[Carried, ...]:
    return ftp.read(message).carried


def at(field: str, to: Endpoint) -> Carried:
    return Carried(field=field, address=to.address, port=to.port, reached_by="tcp")


@each
@given(owns, owns)
def test_what_one_end_says_is_what_the_other_reads(
    dialogue: Dialogue, client: Own, server: Own
) -> None:
    commands, replies = (readings(dialogue, heard) for heard in talk(dialogue, client, server))
    waits = Endpoint(server.listening.address, min(server.listening.port + ftp.BEYOND, 65535))
    assert commands[0].label == client.label
    assert not any(reading.faults for reading in commands + replies)
    assert [reading.carried for reading in commands + replies if reading.carried] == {
        "ftp-port": [(at("PORT", client.listening),)],
        "ftp-eprt": [(at("EPRT", client.listening),)],
        "ftp-pasv": [
            (at("229", Endpoint("", waits.port)),),
            (at("227", waits),),
        ],
    }[dialogue.name]


def test_over_ipv6() -> None:
    commands, _ = talk(EPRT, CLIENT_V6, SERVER_V6)
    assert carried(commands[-2]) == (at("EPRT", CLIENT_V6.listening),)
    commands, replies = talk(PASV, CLIENT_V6, SERVER_V6)
    assert [m[:4] for m in commands] == [b"USER", b"PASS", b"EPSV", b"QUIT"]
    assert carried(replies[-2]) == (at("229", Endpoint("", 30001 + ftp.BEYOND)),)
    with pytest.raises(SetupError, match="carries no IPv6 address"):
        PORT.client(CLIENT_V6)


def test_each_command_waits_for_the_reply_to_the_one_before() -> None:
    """Linux acts on a command only if a line end was seen before it in the same direction."""
    end = PORT.client(CLIENT)
    assert end.begin().send == ()
    for reply, said in (
        (b"220-Welcome\r\n220-\r\n 220 to\r\n220 all\r\n", b"USER " + CLIENT.label.hex().encode()),
        (b"331 Password?\r\n", b"PASS netcheck@"),
        (b"120 Wait\r\n", None),
        (b"230 Come in\r\n", b"PORT 192,168,77,2,78,33"),
    ):
        step = end.receive(reply)
        assert step.arrived == (reply,)
        assert step.send == (() if said is None else (said + b"\r\n",))
        assert not step.over
    assert end.receive(b"200 ok\r\n").over
    assert end.finish().send == (b"QUIT\r\n",)


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([b"220 a\n", b"230 in\n", b"200 ok\n"], [b"USER", b"PORT"]),
        ([b"220 a\n", b"331 a\n", b"202 in\n", b"500 no\n"], [b"USER", b"PASS", b"PORT"]),
        ([b"421 busy\n"], []),
        ([b"220 a\n", b"530 no\n"], [b"USER"]),
        ([b"220 a\n", b"331 a\n", b"332 account\n"], [b"USER", b"PASS"]),
        ([b"220 a\n", b"331 a\n", b"230 in\n", b"421 bye\n"], [b"USER", b"PASS", b"PORT"]),
    ],
)
def test_whatever_a_server_answers_the_client_ends(replies: list[bytes], said: list[bytes]) -> None:
    end = PORT.client(CLIENT)
    steps = [end.receive(reply) for reply in replies]
    assert [data[:4] for step in steps for data in step.send] == said
    assert [step.over for step in steps] == [False] * (len(steps) - 1) + [True]


@pytest.mark.parametrize(
    ("message", "field", "address", "port"),
    [
        (b"PORT 192,168,77,2,78,33\r\n", "PORT", "192.168.77.2", 20001),
        (b"port 10,0,0,1,0,1\r\n", "PORT", "10.0.0.1", 1),
        # RFC 2428 section 2, its own examples
        (b"EPRT |1|132.235.1.2|6275|\r\n", "EPRT", "132.235.1.2", 6275),
        (b"EPRT |2|1080::8:800:200C:417A|5282|\r\n", "EPRT", "1080::8:800:200c:417a", 5282),
        (b"EPRT !1!132.235.1.2!6275!\r\n", "EPRT", "132.235.1.2", 6275),
        # section 3
        (b"229 Entering Extended Passive Mode (|||6446|)\r\n", "229", "", 6446),
        # RFC 1123 section 4.1.2.6: with or without parentheses
        (b"227 Entering Passive Mode (198,51,100,5,255,255)\r\n", "227", "198.51.100.5", 65535),
        (b"227 =198,51,100,5,117,49\r\n", "227", "198.51.100.5", 30001),
    ],
)
def test_the_forms_of_the_rfcs(message: bytes, field: str, address: str, port: int) -> None:
    reading = ftp.read(message)
    assert reading.carried == (at(field, Endpoint(address, port)),)
    assert reading.faults == ()


PORT_SENT = b"PORT 192,168,77,2,78,33\r\n"
EPRT_SENT = b"EPRT |1|192.168.77.2|20001|\r\n"
PASV_SENT = b"227 Entering Passive Mode (198,51,100,5,117,49)\r\n"
EPSV_SENT = b"229 Entering Extended Passive Mode (|||30001|)\r\n"


@pytest.mark.parametrize(
    ("sent", "arrived", "to"),
    [
        (PORT_SENT, b"PORT 203,0,113,1,78,33\r\n", Endpoint("203.0.113.1", 20001)),
        (PORT_SENT, b"PORT 203,0,113,1,4,1\r\n", Endpoint("203.0.113.1", 1025)),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|20001|\r\n", Endpoint("203.0.113.1", 20001)),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|7|\r\n", Endpoint("203.0.113.1", 7)),
        (PASV_SENT, PASV_SENT.replace(b"198,51", b"10,1"), Endpoint("10.1.100.5", 30001)),
        (EPSV_SENT, EPSV_SENT.replace(b"30001", b"7"), Endpoint("", 7)),
    ],
)
def test_an_edited_address_is_all_that_differs(sent: bytes, arrived: bytes, to: Endpoint) -> None:
    before, after = ftp.read(sent), ftp.read(arrived)
    assert [(c.address, c.port) for c in after.carried] == [(to.address, to.port)]
    assert after.faults == ()
    assert after.rest == before.rest
    assert after.kind == before.kind


def test_an_edited_address_is_read_by_the_other_end() -> None:
    def edit(data: bytes) -> bytes:
        return data.replace(b"192,168,77,2", b"203,0,113,1")

    commands, replies = talk(PORT, out=edit)
    assert carried(commands[-2]) == (at("PORT", Endpoint("203.0.113.1", 20001)),)
    assert replies[-2:] == [b"200 Done\r\n", b"221 Goodbye\r\n"]


@pytest.mark.parametrize(
    ("sent", "arrived"),
    [
        (PORT_SENT, b"PORT 203.0.113.1,78,33\r\n"),
        (PORT_SENT, b"PORT 203,0,113,1,78\r\n"),
        (PORT_SENT, b"PORT 203,0,113,1,78,33,4\r\n"),
        (PORT_SENT, b"PORT 203,0,113,001,78,33\r\n"),
        (PORT_SENT, b"PORT 203,0,113,256,78,33\r\n"),
        (PORT_SENT, b"PORT 203,0,113,1,0,0\r\n"),
        (PORT_SENT, b"PORT 203,0,113,1,78,33\n"),
        (PORT_SENT, b"PORT 203,0,113,1,78,33 \r\n"),
        (PORT_SENT, b"PORT\r\n"),
        (PORT_SENT, b"PORT ,2:\r\n"),
        (PORT_SENT, b"port 203,0,113,1,78,33\r\n"),
        (PORT_SENT, b"XXXX 203,0,113,1,78,33\r\n"),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|20001\r\n"),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|020001|\r\n"),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|0|\r\n"),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|65536|\r\n"),
        (EPRT_SENT, b"EPRT |1|203.0.113.1|20001|7|\r\n"),
        (EPRT_SENT, b"EPRT |1|203.0.113.001|20001|\r\n"),
        (EPRT_SENT, b"EPRT |1|2001:db8::1|20001|\r\n"),
        (EPRT_SENT, b"EPRT |2|203.0.113.1|20001|\r\n"),
        (EPRT_SENT, b"EPRT |2|2001:db8::1|20001|\r\n"),  # whole, but no longer IPv4
        (EPRT_SENT, b"EPRT |1|host.example|20001|\r\n"),
        (EPRT_SENT, b"EPRT 11120312\r\n"),
        (EPRT_SENT, b"EPRT\r\n"),
        (PASV_SENT, b"227 Entering Passive Mode (198,51,100,5,117)\r\n"),
        (PASV_SENT, b"227 Entering Passive Mode (198,51,100,5,117,49\r\n"),
        (PASV_SENT, b"227 Entering Passive Mode (1198,51,100,5,117,49)\r\n"),
        (EPSV_SENT, b"229 Entering Extended Passive Mode (|||030001|)\r\n"),
        (EPSV_SENT, b"229 Entering Extended Passive Mode (|||99999|)\r\n"),
        (EPSV_SENT, b"229 Entering Extended Passive Mode (||30001|)\r\n"),
    ],
)
def test_what_an_editor_broke_is_not_taken_for_right(sent: bytes, arrived: bytes) -> None:
    reading = ftp.read(arrived)
    assert reading.faults or reading.rest != ftp.read(sent).rest


@given(st.sampled_from(REAL), st.data())
def test_a_message_cut_short_is_no_message(message: bytes, data: st.DataObject) -> None:
    short = message[: data.draw(st.integers(0, len(message) - 1))]
    with pytest.raises(WireError):
        ftp.read(short)


@given(damaged(REAL), st.sampled_from(REAL))
def test_what_reads_like_another_message_is_it_but_for_addresses(one: bytes, other: bytes) -> None:
    try:
        reading = ftp.read(one)
    except WireError:
        return
    sent = ftp.read(other)
    if reading.rest == sent.rest and reading.carried == sent.carried and not reading.faults:
        # An IPv6 address has several right forms, which mean the same.
        assert one == other or b":" in other


@given(st.binary(max_size=80) | damaged(REAL))
def test_any_bytes_are_a_reading_or_one_error(data: bytes) -> None:
    try:
        reading = ftp.read(data)
    except WireError:
        return
    assert isinstance(reading, Reading)
    assert len(reading.rest) <= len(data) + 32


@each
@given(st.lists(st.binary(max_size=60) | damaged(REAL), max_size=12))
def test_an_end_takes_anything(dialogue: Dialogue, chunks: list[bytes]) -> None:
    fed_anything(lambda: dialogue.server(SERVER), chunks)
    fed_anything(lambda: dialogue.client(CLIENT), chunks)


def test_what_is_too_long_is_refused_before_it_is_whole() -> None:
    def feed(end: End, start: bytes, chunk: bytes) -> None:
        end.receive(start)
        for _ in range(MESSAGE_MAX // len(chunk) + 1):
            end.receive(chunk)

    with pytest.raises(WireError, match="more than"):
        feed(PORT.server(SERVER), b"USER ", b"x" * 64)
    with pytest.raises(WireError, match="more than"):
        feed(PORT.client(CLIENT), b"220-", b"x" * 64)
    with pytest.raises(WireError, match="more than"):
        feed(PORT.client(CLIENT), b"220-\n", b"220-" + b"x" * 59 + b"\n")
    with pytest.raises(WireError, match="more than"):
        ftp.read(b"USER " + b"x" * MESSAGE_MAX + b"\r\n")


@each
@given(st.data())
def test_a_stream_may_be_cut_anywhere(dialogue: Dialogue, data: st.DataObject) -> None:
    commands, replies = talk(dialogue)
    for make, messages in (
        (lambda: dialogue.client(CLIENT), replies),
        (lambda: dialogue.server(SERVER), [*commands[:-1], b"FEAT\r\n", b"QUIT\r\n"]),
    ):
        assert _arrived(make, messages, data) == messages


def _arrived(make: Callable[[], End], messages: list[bytes], data: st.DataObject) -> list[bytes]:
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    end = make()
    arrived: list[bytes] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        arrived += end.receive(stream[start:stop]).arrived
    return arrived


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"ABOR", 226), (b"CWD /pub", 250), (b"EPRT", 501), (b"EPRT |2|2001:db8::2|7|", 522),
        (b"EPSV", 229), (b"EPSV 1", 229), (b"EPSV 2", 522), (b"EPSV ALL", 200), (b"FEAT", 211),
        (b"HELP", 214), (b"LIST -a", 425), (b"MODE B", 504), (b"MODE S", 200), (b"noop", 200),
        (b"OPTS UTF8 ON", 200), (b"OPTS MLST x", 504), (b"PASV", 227), (b"PORT 1,2", 501),
        (b"PWD", 257), (b"REST 0", 350), (b"RETR a b", 425), (b"SIZE a", 550), (b"STRU F", 200),
        (b"SYST", 215), (b"TYPE A", 200), (b"type i", 200), (b"TYPE E", 504), (b"AUTH TLS", 500),
        (b"QUIT", 221),
    ],
)  # fmt: skip
def test_what_other_clients_may_ask(command: bytes, code: int) -> None:
    end = PORT.server(SERVER)
    step = end.receive(command + b"\n")
    assert [ftp.read(reply).kind for reply in step.send] == [str(code)]
    assert step.arrived == (command + b"\n",)
    assert step.over == (code == 221)


def test_a_server_without_ipv4_says_so() -> None:
    end = PASV.server(SERVER_V6)
    replies = end.receive(b"PASV\r\nEPSV 1\r\nEPSV 2\r\nEPRT |1|1.2.3.4|5|\r\n").send
    assert [reply[:3] for reply in replies] == [b"425", b"522", b"229", b"522"]


def test_a_server_tires() -> None:
    end = PORT.server(SERVER)
    step = end.receive(b"\r\n\nNOOP\r\n" * (ftp.COMMANDS_MAX + 5))
    assert [reply[:3] for reply in step.send] == [b"200"] * ftp.COMMANDS_MAX + [b"421"]
    assert step.over


@pytest.mark.parametrize("passive", [True, False])
def test_ftplib_gets_through_its_opening(passive: bool) -> None:
    heard: list[bytes] = []
    with served(PASV, heard, beyond=ftp.BEYOND) as server, ftplib.FTP(timeout=PATIENCE_S) as client:
        client.connect(server.address, server.port)
        client.login()
        client.set_pasv(passive)
        client.voidcmd("TYPE I")
        assert client.pwd() == "/"
        if passive:
            assert client.makepasv() == (server.address, server.port)
        else:
            listener = client.makeport()
            to = Endpoint(server.address, listener.getsockname()[1])
            listener.close()
        with pytest.raises(ftplib.error_temp, match="425"):
            client.voidcmd("LIST")
        client.quit()
    said = [message.split()[0] for message in heard]
    asked = [b"PASV"] if passive else [b"PORT"]
    assert said == [b"USER", b"PASS", b"TYPE", b"PWD", *asked, b"LIST", b"QUIT"]
    if not passive:
        assert carried(heard[4]) == (at("PORT", to),)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--ftp-port", "-"], ["EPRT"]),
        (["--ftp-port", "-", "--disable-eprt"], ["PORT"]),
        (["--disable-epsv"], ["PASV"]),
        ([], ["EPSV"]),
    ],
)
def test_curl_gets_through_its_opening(options: list[str], asked: list[str]) -> None:
    curl = shutil.which("curl")
    assert curl, "the system package curl is missing"
    heard: list[bytes] = []
    # Passive curl connects before it asks for the list: to the listener of `served`, which
    # announces its own port, and whose backlog takes one more.
    with served(PASV, heard, beyond=ftp.BEYOND) as server:
        done = subprocess.run(
            [curl, "-sS", "--noproxy", "*", "-m", "8", *options, f"ftp://{server}/"],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    kinds = [ftp.read(message).kind for message in heard]
    assert kinds[:4] == ["USER", "PASS", "PWD", *asked]
    assert kinds[4:6] == ["TYPE", "LIST"], done.stderr
    for message in heard:
        assert not ftp.read(message).faults


def test_tshark_reads_the_same() -> None:
    sent: list[Sent] = []
    for number, dialogue in enumerate(ftp.DIALOGUES):
        one, other = Endpoint("192.168.77.2", 40001 + number), Endpoint("198.51.100.5", 21)
        commands, replies = talk(dialogue)
        sent += [(one, other, "tcp", message) for message in commands]
        sent += [(other, one, "tcp", message) for message in replies]
    one, other = V6, Endpoint("2001:db8::5", 21)
    commands, replies = talk(EPRT, CLIENT_V6, SERVER_V6)
    sent += [(one, other, "tcp", message) for message in commands]
    sent += [(other, one, "tcp", m) for m in talk(PASV, CLIENT_V6, SERVER_V6)[1]]
    sent += [(other, one, "tcp", m) for m in PASV.server(SERVER).receive(b"FEAT\nPWD\n").send]
    addresses = []
    for (_, _, _, message), fields in zip(sent, decoded(sent), strict=True):
        reading = ftp.read(message)
        name = "ftp.response.code" if message[:1].isdigit() else "ftp.request.command"
        assert fields[name][0] == reading.kind
        if reading.carried:
            addresses.append([fields[name][0] for name in fields if name.endswith(
                (".cip", ".ip", ".ipv6", "ctive.port", "assive.port", "eprt.port", "epsv.port")
            )])  # fmt: skip
    assert addresses == [
        ["192.168.77.2", "20001"],
        ["192.168.77.2", "20001"],
        ["198.51.100.5", "30021"],
        ["198.51.100.5", "30021"],
        ["2001:db8::2", "20001"],
        ["2001:db8::5", "30021"],
    ]
