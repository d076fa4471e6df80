"""Dialogues with a real echo server, through a router that leaves messages as they are, edits
them, or does harm; and with servers that are none."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from netcheck.server.serve import EchoServer, ServerConfig
from probes import conversation, speaking
from probes.announced import Announced
from probes.conversation import Place
from probes.editors import NAMES, dialogues
from probes.editors.contract import End, Own, Step
from probes.exchange import ARRIVED_MAX, Exchange
from probes.observation import Talk
from probes.pace import Pace
from probes.session import ControlLine, Session
from probes.silence import ATTEMPTS_MIN
from probes.speaking import CONNECTIONS, REPEAT_S, Speaking
from probes.wire import messages
from probes.wire.frame import Endpoint
from tests.netcheck.loopback import address
from tests.netcheck.server.client import until
from tests.probes import live
from tests.probes.box import Box, box, rewriting, spellings

DIALOGUES = {one.name: (name, one) for name in NAMES for one in dialogues(name) if one.ports}
LISTENING = [name for name, (_, one) in DIALOGUES.items() if one.listens]


class Net:
    """A client behind a box, with a session."""

    def __init__(self, session: Session, box: Box, place: Place, client: str, public: str) -> None:
        self.session, self.box, self.place = session, box, place
        self.client, self.public = client, public
        self.announced = Announced(session)

    async def hold(self, *, way: bool = False) -> Talk:
        dialogue = self.place.dialogue
        transport = dialogue.listens or dialogue.transport
        try:
            port = await self.announced.open(transport, dialogue.listens_port)
            if way:
                await self.box.open_way(transport, port)
            return await conversation.hold(self.session, self.place, self.announced, port)
        finally:
            await self.announced.close()


@asynccontextmanager
async def net(name: str, folder: Path) -> AsyncIterator[Net]:
    protocol, dialogue = DIALOGUES[name]
    own = address()
    # Of one length in every spelling, as the last octet counts most in ILS.
    head, _, last = own.rpartition(".")
    first = head.rpartition(".")[0]
    at = [f"{first}.{third}.{last}" for third in (210, 220, 230, 240)]
    server_at, inside, public, client = at
    with socket.socket(type=socket.SOCK_DGRAM if dialogue.transport == "udp" else 1) as free:
        free.bind((server_at, 0))
        port = free.getsockname()[1]
    server = EchoServer(
        ServerConfig(
            listen=(server_at,),
            control_ports=(0,),
            stun_port=None,
            dialogue_ports={name: port},
            data_dir=folder,
        )
    )
    await server.start()
    try:
        async with (
            live.session(server.links()[0], bind=public) as session,
            box(inside, server_at, public, client) as router,
        ):
            session.local_address, session.server_address = client, inside
            await router.forward(dialogue.transport, port)
            place = Place(
                protocol=protocol,
                dialogue=dialogue,
                port=port,
                aim="own-port",
                server=server_at,
                same_version=True,
            )
            yield Net(session, router, place, client, public)
    finally:
        await server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


# Through a router


@pytest.mark.parametrize("name", DIALOGUES)
async def test_what_nobody_touches_arrives_as_it_was_said(name: str, folder: Path) -> None:
    async with net(name, folder) as behind:
        talk = await behind.hold()
    assert (talk.outcome, talk.untested, talk.tries) == ("talked", "", 0)
    assert (talk.cut, talk.unread) == (0, 0)
    assert (talk.local or "").startswith(behind.client + ":")
    assert (talk.source or "").startswith(behind.public + ":")
    for heard in (talk.out, talk.back):
        assert heard.expected == len(heard.kinds)
        assert all(said.sent == said.arrived for said in heard.said)
        assert (heard.changed, heard.faults) == (False, ())
    # The client's own address is nothing to the server's.
    assert bool(talk.followed) == (name in LISTENING)
    assert all((f.refused, f.heard, f.attempts) == ("not-proven", 0, ()) for f in talk.followed)


@pytest.mark.parametrize("name", DIALOGUES)
async def test_an_editor_is_seen_and_the_way_that_it_opens(name: str, folder: Path) -> None:
    async with net(name, folder) as behind:
        behind.box.out = rewriting(behind.client, behind.public)
        behind.box.back = rewriting(behind.public, behind.client)
        talk = await behind.hold(way=name in LISTENING)
    assert talk.outcome == "talked"
    assert (talk.out.changed, talk.out.faults) == (False, ())
    assert (talk.back.changed, talk.back.faults) == (False, ())
    own = [s for s in talk.out.said if s.sent.startswith(behind.client)]
    assert all(s.arrived == s.sent.replace(behind.client, behind.public) for s in own)
    if name in LISTENING:
        assert own
        assert any(f.heard for f in talk.followed)
        assert all(f.target.startswith(behind.public) for f in talk.followed)


@pytest.mark.parametrize("name", LISTENING)
async def test_a_way_that_is_closed_is_not_reached(name: str, folder: Path) -> None:
    async with net(name, folder) as behind:
        behind.box.out = rewriting(behind.client, behind.public)
        talk = await behind.hold()
    assert talk.followed
    for followed in talk.followed:
        assert (followed.heard, followed.refused) == (0, "")
        assert followed.attempts
        assert "answered" not in {call.outcome for call in followed.attempts}


@pytest.mark.parametrize("name", LISTENING)
async def test_half_an_edit_is_no_edit(name: str, folder: Path) -> None:
    """The address one character or byte too long, and no length put right."""
    async with net(name, folder) as behind:
        texts = spellings(behind.client)

        def longer(data: bytes) -> bytes:
            for text in texts:
                data = data.replace(text, text + text[-2:])
            return data

        behind.box.out = longer
        talk = await behind.hold()
    missing = len(talk.out.kinds) < talk.out.expected or talk.outcome != "talked"
    lost = any(s.arrived is None for s in talk.out.said)
    elsewhere = any(s.arrived != s.sent for s in talk.out.said)
    assert missing or lost or elsewhere or talk.out.changed or talk.out.faults
    assert not any(f.heard for f in talk.followed)


@pytest.mark.parametrize("name", ["ftp-port", "h323", "snmp-v2c", "sip-udp"])
async def test_a_message_that_is_dropped_is_missed(name: str, folder: Path) -> None:
    async with net(name, folder) as behind:
        texts = spellings(behind.client)
        behind.box.out = lambda data: None if any(text in data for text in texts) else data
        began = time.monotonic()
        talk = await behind.hold()
        took = time.monotonic() - began
    assert talk.outcome in ("broken-off", "silent")
    assert talk.tries >= ATTEMPTS_MIN
    assert all(s.arrived is None for s in talk.out.said)
    assert talk.followed == ()
    assert took < 4


@pytest.mark.parametrize("name", ["ftp-eprt", "msn-file", "irc-chat"])
async def test_a_connection_that_is_cut_at_the_address(name: str, folder: Path) -> None:
    async with net(name, folder) as behind:
        texts = spellings(behind.client)
        behind.box.out = lambda data: b"" if any(text in data for text in texts) else data
        talk = await behind.hold()
    assert (talk.outcome, talk.source is not None) == ("broken-off", True)
    assert (talk.cut, talk.unread) == (2, 0)
    assert talk.out.kinds  # what was said before
    assert all(s.arrived is None for s in talk.out.said)


OVER_TCP = [name for name, (_, one) in DIALOGUES.items() if one.transport == "tcp"]


@pytest.mark.parametrize("name", OVER_TCP)
async def test_a_message_that_never_ends_arrives_all_the_same(name: str, folder: Path) -> None:
    """A length that is no longer right, a line without its end: the server waits for the rest."""
    async with net(name, folder) as behind:
        ids = (behind.session.id, behind.session.id.hex().encode())
        behind.box.out = lambda data: data[:-2] if any(one in data for one in ids) else data
        talk = await behind.hold()
    assert talk.outcome == "broken-off"
    assert talk.unread > 10
    assert talk.followed == ()
    assert talk.tries >= ATTEMPTS_MIN or talk.cut >= 2


@pytest.mark.parametrize("name", DIALOGUES)
async def test_a_message_that_lost_its_label_arrives_all_the_same(name: str, folder: Path) -> None:
    async with net(name, folder) as behind:
        ids = [behind.session.id, behind.session.id.hex().encode()]
        digits = ids[1].upper()
        ids.append(b"-".join((digits[:8], digits[8:12], digits[12:])))  # as a GUID

        def strangers(data: bytes) -> bytes:
            for one in ids:
                data = data.replace(one, bytes(reversed(one)))
            return data

        behind.box.out = strangers
        talk = await behind.hold()
    assert (talk.out.kinds, talk.source) == ((), None)
    assert talk.unread > 10


async def test_a_message_that_the_server_cannot_read_arrives_all_the_same(folder: Path) -> None:
    async with net("pptp", folder) as behind:
        behind.box.out = lambda data: bytes(len(data))
        talk = await behind.hold()
    assert (talk.outcome, talk.out.kinds, talk.cut) == ("broken-off", (), 2)
    assert talk.unread >= 156


@pytest.mark.parametrize("name", ["ldap", "dcom"])
async def test_what_came_before_the_label_is_no_more_than_that(name: str, folder: Path) -> None:
    """Whole messages, which the server would have told of if the next one had not been dropped."""
    async with net(name, folder) as behind:
        texts = spellings(behind.client)
        behind.box.out = lambda data: None if any(text in data for text in texts) else data
        talk = await behind.hold()
    assert (talk.outcome, talk.unread) == ("broken-off", 0)


async def test_a_server_address_that_is_rewritten_on_its_way_here(folder: Path) -> None:
    async with net("ftp-pasv", folder) as behind:
        behind.box.back = rewriting(behind.place.server, behind.public)
        talk = await behind.hold()
    server, public = behind.place.server, behind.public
    said = {s.field: (s.sent, s.arrived) for s in talk.back.said}
    port, _ = said["229"]
    assert said == {
        "229": (port, port),
        "227": (f"{server}:{port}", f"{public}:{port}"),
    }
    assert not talk.back.changed


async def test_a_datagram_that_is_lost_is_sent_again(folder: Path) -> None:
    def every_second() -> Callable[[bytes], bytes | None]:
        passes = itertools.cycle((False, True))
        return lambda data: data if next(passes) else None

    async with net("sip-udp", folder) as behind:
        behind.box.out, behind.box.back = every_second(), every_second()
        talk = await behind.hold()
    assert talk.outcome == "talked"
    assert talk.out.kinds == ("INVITE", "ACK", "BYE")[: talk.out.expected]
    assert not talk.out.changed
    assert talk.out.expected == len(talk.out.kinds)


async def test_an_answer_that_comes_twice_makes_no_further_message(folder: Path) -> None:
    """SIP's ACK answers each 200, always with the same bytes (RFC 3261 section 13.2.2.4)."""
    async with net("sip-udp", folder) as behind:
        behind.box.copies = 3
        talk = await behind.hold()
    assert (talk.outcome, talk.out.kinds) == ("talked", ("INVITE", "ACK"))
    assert talk.out.expected == 2


# Servers that are none


class Line:
    """A control connection to a server of the worst kind; ``says`` is what it tells unasked."""

    def __init__(self, reply: messages.Refusal | None = None) -> None:
        self.alive = True
        self.takers: dict[int, Callable[[messages.Overheard], None]] = {}
        self.says: Callable[[int], list[messages.Overheard]] = lambda number: []
        self.followed: list[messages.FollowRequest] = []
        self.lines: tuple[messages.UnreadLine, ...] = ()
        self._reply = reply

    @contextlib.contextmanager
    def overhear(self, number: int, take: Callable[[messages.Overheard], None]) -> Any:
        self.takers[number] = take
        for said in self.says(number):
            asyncio.get_running_loop().call_soon(take, said)
        yield
        del self.takers[number]

    async def call(self, request: Callable[[int], Any]) -> AsyncIterator[Any]:
        made = request(1)
        self.followed.append(made)
        yield self._reply or messages.Refusal(id=1, reason="not-proven", detail="127.0.0.9")

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        await asyncio.sleep(wait_s)
        return ()

    async def unread(self) -> tuple[messages.UnreadLine, ...]:
        return self.lines

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None:
        """Nobody calls."""


def session_with(line: Line, server: str = "127.0.0.1") -> Session:
    made = Session(
        control=cast(ControlLine, line),
        session_id=b"8 bytes!",
        secret=bytes(32),
        server_address=server,
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    made.pace = Pace().measured(0.001)
    made.answered_until = math.inf  # each heartbeat is answered at once, and none is lost
    made.control_tally.add(200, 0)
    return made


async def held(session: Session, name: str, port: int) -> Talk:
    protocol, dialogue = DIALOGUES[name]
    place = Place(
        protocol=protocol, dialogue=dialogue, port=port, aim="own-port", server="127.0.0.1"
    )
    announced = Announced(session)
    try:
        listening = await announced.open(dialogue.listens or dialogue.transport)
        return await conversation.hold(session, place, announced, listening)
    finally:
        await announced.close()


Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def stranger(speak: Speak) -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            await speak(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)))
    await mute(reader, writer)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"150 go on\r\n:a PRIVMSG b :c\r\n" * 512)
        await writer.drain()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def giant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220-" + b"a" * 1_000_000)
    await mute(reader, writer)


TCP = [name for name, (_, one) in DIALOGUES.items() if one.transport == "tcp"]


@pytest.mark.parametrize("speak", [mute, junk, endless, closing, giant])
async def test_a_stranger_on_the_port_breaks_the_dialogue_off(speak: Speak) -> None:
    session = session_with(Line())
    began = time.monotonic()
    async with stranger(speak) as port:
        talks = await asyncio.gather(*(held(session, name, port) for name in TCP))
    assert {talk.dialogue for talk in talks} == set(TCP)
    for talk in talks:
        # Whoever says what the dialogue waits for is talked with; nothing is known to arrive.
        assert talk.outcome in ("broken-off", *(["talked"] if speak is endless else []))
        assert talk.out.kinds == ()
        assert all(said.arrived is None for said in talk.out.said)
        assert talk.followed == ()
    assert time.monotonic() - began < 4
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert all("stranger" in repr(task) for task in left)  # its own connections, which end now


async def test_a_further_connection_waits_until_tcp_has_repeated_what_was_lost() -> None:
    """Linux's editor for H.323 gives a second Setup that comes sooner other ports, which lead
    nowhere."""
    came: list[float] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(time.monotonic())
        await mute(reader, writer)

    async with stranger(listening) as port:
        await held(session_with(Line()), "h323", port)
    assert len(came) == CONNECTIONS
    assert all(later - sooner >= REPEAT_S for sooner, later in itertools.pairwise(came))


@pytest.mark.parametrize("name", [n for n in DIALOGUES if n not in TCP])
async def test_silence_over_udp_is_silence_after_enough_tries(name: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        talk = await held(session_with(Line()), name, deaf.getsockname()[1])
    assert (talk.outcome, talk.tries) == ("silent", ATTEMPTS_MIN)
    assert talk.out.expected > 0


@pytest.mark.parametrize("name", ["ftp-port", "sip-udp"])
async def test_a_closed_port_refuses(name: str) -> None:
    kind = socket.SOCK_STREAM if name in TCP else socket.SOCK_DGRAM
    with socket.socket(type=kind) as once:
        once.bind(("127.0.0.1", 0))
        port = once.getsockname()[1]
    talk = await held(session_with(Line()), name, port)
    assert (talk.outcome, talk.tries) == ("refused", 2)


def overheard(number: int, data: bytes, index: int = 0, source: str = "?") -> messages.Overheard:
    return messages.Overheard(
        index=index,
        number=number,
        dialogue="ftp-port",
        transport="tcp",
        port=21,
        source=source,
        data=data.hex(),
    )


@pytest.mark.parametrize(
    "data",
    [b"PORT 8,8,8,8,1,2\r\n", b"PORT 999,1,1,1,1,1\r\n", b"\x00" * 8192, b"", b"USER x\r\n"],
)
async def test_what_a_lying_server_says_it_heard(data: bytes) -> None:
    """It names an address of somebody else's: it may be asked to go there, and nobody else goes."""
    line = Line()
    line.says = lambda number: [overheard(number, data, index) for index in range(1000)]
    async with stranger(mute) as port:
        talk = await held(session_with(line), "ftp-port", port)
    assert talk.outcome == "broken-off"
    assert talk.source is None
    assert len(line.followed) <= 1
    assert all(f.heard == 0 for f in talk.followed)
    assert len(msgspec.json.encode(talk)) < 10_000


class Taken(Announced):
    """On a computer where the ports after the first one found are in use."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.refused: list[int] = []

    async def also(self, transport: Any, port: int) -> bool:
        if not self.refused:
            self.refused.append(port)
            return False
        return await super().also(transport, port)


async def test_all_that_is_announced_is_listened_at_before() -> None:
    announced = Taken(session_with(Line()))
    try:
        _, dialogue = DIALOGUES["h323"]
        port = await conversation.listen(announced._session, dialogue, announced)
        assert announced.has("tcp", port)
        first = port + 2 & ~1
        assert all(announced.has("udp", first + n) for n in range(4))
        assert not announced.has("udp", announced.refused[0])
    finally:
        await announced.close()


@pytest.mark.parametrize("name", [name for name in DIALOGUES if DIALOGUES[name][1].listens])
async def test_one_port_is_announced_unless_the_protocol_has_more(name: str) -> None:
    announced = Announced(session_with(Line()))
    try:
        _, dialogue = DIALOGUES[name]
        port = await conversation.listen(announced._session, dialogue, announced)
        open_at = [
            (t, p) for t in ("tcp", "udp") for p in range(port, 65536) if announced.has(t, p)
        ]
        assert len(open_at) == (5 if name == "h323" else 1)
    finally:
        await announced.close()


async def test_pptp_is_not_judged_by_the_last_word(folder: Path) -> None:
    """Linux's editor puts the client's number into the server's Call-Disconnect-Notify."""
    async with net("pptp", folder) as behind:
        behind.box.back = lambda data: (
            data[:12] + b"\x12\x34" + data[14:] if data[9] == 13 else data
        )
        talk = await behind.hold()
    assert (talk.outcome, talk.back.changed, talk.back.faults) == ("talked", False, ())
    assert talk.back.kinds == ("Start-Control-Connection-Reply", "Outgoing-Call-Reply")


def unread(**more: Any) -> messages.UnreadLine:
    usual: dict[str, Any] = {
        "transport": "tcp",
        "source": "?",
        "size": 9,
        "whole": 0,
        "rest": 9,
        "age_ms": 5000,
    }
    return messages.UnreadLine(**(usual | more))


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ({}, True),
        ({"number": 1, "age_ms": 0}, True),
        ({"number": 999}, False),
        # Another dialogue's, perhaps, whose label is on its way.
        ({"age_ms": 20}, False),
        ({"whole": 1, "rest": 0}, False),  # NICK, which comes before the label
        ({"whole": 2, "rest": 0}, True),
        ({"transport": "udp"}, False),
        ({"port": 1}, False),
    ],
)
async def test_which_bytes_may_be_those_of_this_dialogue(line: Any, counts: bool) -> None:
    control = Line()
    async with stranger(mute) as port:
        control.lines = (unread(**({"port": port} | line)),)
        talk = await held(session_with(control), "irc-chat", port)
    assert talk.outcome == "broken-off"
    assert talk.unread == (9 if counts else 0)


async def test_a_fault_of_a_codec_is_not_hidden() -> None:
    class Broken:
        def begin(self) -> Any:
            raise ZeroDivisionError

    _, dialogue = DIALOGUES["ftp-port"]
    bad = msgspec.structs.replace(dialogue, client=lambda own: cast(Any, Broken()))
    session = session_with(Line())
    announced = Announced(session)
    async with stranger(mute) as port:
        place = Place(protocol="ftp", dialogue=bad, port=port, aim="own-port", server="127.0.0.1")
        with pytest.raises(ZeroDivisionError):
            await conversation.hold(session, place, announced, 1)


def test_every_dialogue_says_whether_it_carries_an_address() -> None:
    for _, dialogue in DIALOGUES.values():
        assert conversation.why_not(dialogue, "192.0.2.1") == ""
    without = {name for name, (_, one) in DIALOGUES.items() if conversation.why_not(one, "::1")}
    assert without >= {"ftp-port", "snmp-v1"}


# The last word


class Reading:
    """A server that speaks the protocol, and after its end still reads what comes; ``deaf`` to
    the first so many of its last words."""

    def __init__(self, name: str, deaf: int = 0) -> None:
        self.dialogue = DIALOGUES[name][1]
        self.heard: list[str] = []
        self.over = False
        self.ends: list[str] = []
        self.deaf = deaf

    def end(self) -> End:
        here = Endpoint("127.0.0.1", 1)
        return self.dialogue.server(Own(socket=here, listening=here, peer=here, label=bytes(16)))

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = self.end()
        writer.writelines(end.begin().send)
        try:
            while data := await reader.read(4096):
                step = end.receive(data)
                writer.writelines(step.send)
                if step.over and not self.over:
                    self.over = True
                    writer.write_eof()
            self.ends.append("closed")
        except ConnectionResetError:
            self.ends.append("reset")

    async def listen(self, sock: socket.socket) -> None:
        loop, end = asyncio.get_running_loop(), self.end()
        while True:
            data, source = await loop.sock_recvfrom(sock, 4096)
            kind = self.dialogue.read(data).kind
            self.heard.append(kind)
            if kind == "BYE" and self.heard.count("BYE") <= self.deaf:
                continue
            for answer in end.receive(data).send:
                await loop.sock_sendto(sock, answer, source)


@asynccontextmanager
async def datagrams(server: Reading) -> AsyncIterator[int]:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        listening = asyncio.create_task(server.listen(sock))
        try:
            yield sock.getsockname()[1]
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("name", TCP)
async def test_a_connection_is_reset_once_the_last_word_was_read(name: str) -> None:
    """A router forgets it sooner then, and what it opened for it."""
    server = Reading(name)
    async with stranger(server.speak) as port:
        talk = await held(session_with(Line()), name, port)
        assert await until(lambda: bool(server.ends))
    assert talk.outcome == "talked"
    assert server.ends == ["reset"]
    assert server.over or name in ("dcom", "rpc")  # which have none


@pytest.mark.parametrize("deaf", [0, 2])
async def test_the_last_word_is_said_again_until_it_is_answered(deaf: int) -> None:
    server = Reading("sip-udp", deaf)
    async with datagrams(server) as port:
        talk = await held(session_with(Line()), "sip-udp", port)
    assert talk.outcome == "talked"
    assert server.heard[-deaf - 1 :] == ["BYE"] * (deaf + 1)
    assert server.heard.count("BYE") == deaf + 1


async def test_who_never_answers_the_last_word_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speaking, "GOODBYE_S", 0.2)  # saying it six times takes 1.3 s
    took = []
    for deaf in (0, 1000):
        server = Reading("sip-udp", deaf)
        began = time.monotonic()
        async with datagrams(server) as port:
            talk = await held(session_with(Line()), "sip-udp", port)
        assert talk.outcome == "talked"
        took.append(time.monotonic() - began)
    assert took[1] - took[0] < 0.7


@pytest.mark.parametrize("name", ["sip-tcp", "sip-udp"])
async def test_who_answers_the_last_word_without_end_is_not_listened_to(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has arrived is read without a pause: nothing else would ever have its turn."""
    read = [0]

    class Flooded:
        async def sock_sendall(self, sock: object, data: bytes) -> None:
            pass

        async def sock_recv(self, sock: object, most: int) -> bytes:
            read[0] += 1
            assert read[0] <= ARRIVED_MAX
            return b"again and again"

    leaving = SimpleNamespace(
        sock=None, finish=lambda: (b"BYE",), arrived=[b"again and again"], progress=(True, 1)
    )
    place = Place(
        protocol="sip", dialogue=DIALOGUES[name][1], port=1, aim="own-port", server="127.0.0.1"
    )
    talk = Speaking(session_with(Line()), place, 1)
    talk.exchanges.append(cast(Exchange, leaving))
    monkeypatch.setattr(asyncio, "get_running_loop", Flooded)
    await talk.goodbye()
    assert read[0] > 1


async def test_a_flow_that_is_broken_off_has_a_last_word_too() -> None:
    """An editor opened something at the first."""
    server = Reading("sip-udp")
    server.dialogue = msgspec.structs.replace(server.dialogue, server=_Silent)
    async with datagrams(server) as port:
        holding = asyncio.create_task(held(session_with(Line()), "sip-udp", port))
        assert await until(lambda: bool(server.heard))
        holding.cancel()
        assert await until(lambda: "BYE" in server.heard)
        await asyncio.gather(holding, return_exceptions=True)
    assert holding.cancelled()
    assert server.heard.count("BYE") == 1


class _Silent:
    def __init__(self, own: Own) -> None:
        pass

    def begin(self) -> Step:
        return Step()

    def receive(self, data: bytes) -> Step:
        return Step()

    def finish(self) -> Step:
        return Step()
