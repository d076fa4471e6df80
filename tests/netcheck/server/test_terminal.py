"""The server as an H.323 terminal: whole calls on loopback, both ways, and what clients try."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import pytest

from netcheck.server import dialling
from netcheck.server.calling import outcome_of
from netcheck.server.limits import ServerLimits
from netcheck.server.serve import EchoServer
from netcheck.server.session import Session
from netcheck.server.terminal_media import refused
from probes.editors.contract import Own
from probes.editors.h323 import PORT, addresses, control, signalling
from probes.wire import label
from probes.wire.frame import Endpoint
from probes.wire.messages import (
    CallOutcome,
    CallStop,
    Dialled,
    Directory,
    Opened,
    OpenRequest,
    Overheard,
    Ping,
    Pong,
    Refusal,
    TerminalReady,
    TerminalReport,
)
from tests.netcheck import loopback
from tests.netcheck.server.client import LOOPBACK, PATIENCE_S, free_ports, heard, session, until
from tests.netcheck.server.conftest import Serve
from tests.netcheck.server.phone import (
    DURATION_S,
    LISTENING,
    NUMBER,
    PACKETS,
    REPORTS,
    SPECS,
    Line,
    Phone,
    Sound,
    accepted,
    drained,
    phone,
    request,
    udp_at,
)

ALL = {kind: (count, REPORTS) for kind, count in PACKETS.items()}
SOON_S = 2.0
"""What is over at once is over before this, on a computer however busy."""


@asynccontextmanager
async def called(serve: Serve, **limits: Any) -> AsyncIterator[Phone]:
    async with having(await serving(serve, **limits)) as one:
        yield one


async def serving(serve: Serve, **limits: Any) -> EchoServer:
    calls, ldap = free_ports(2)
    return await serve(dialogues={"h323": calls, "ldap": ldap}, **limits)


@asynccontextmanager
async def having(server: EchoServer) -> AsyncIterator[Phone]:
    offer = server._offers[LOOPBACK]
    (port,) = (each.port for each in offer.spoken if each.dialogue == "h323")
    async with phone(server, port) as one:
        yield one


def control_port(line: Line) -> int | None:
    """What Connect says."""
    readings = [signalling.read(message) for message in line.arrived]
    (connect,) = (each for each in readings if each.kind == "Connect")
    (port,) = (each.port for each in connect.carried if each.field == "h245Address")
    return port


def is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as sock:
        if kind == socket.SOCK_STREAM:  # connections that have ended do not count
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def all_free(port: int) -> bool:
    own = Own(
        socket=Endpoint(LOOPBACK, 1), listening=Endpoint(LOOPBACK, port),
        peer=Endpoint(LOOPBACK, 1), label=bytes(16),
    )  # fmt: skip
    media = [at.port for pair in addresses.media(own, "h245").values() for at in pair]
    return is_free(port, socket.SOCK_STREAM) and all(is_free(p, socket.SOCK_DGRAM) for p in media)


async def report(one: Phone) -> TerminalReport:
    return await one.client.next(TerminalReport)


# The client calls


async def test_a_whole_call_out(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        assert ready.id == 5
        async with one.signalling() as call, one.controlling(ready.port) as line:
            assert control_port(call) == ready.port
            await one.media(line)
            told = await report(one)
            assert one.sound.heard() == ALL
            await line.goodbye()
            assert await line.ended()
            await call.goodbye()
            assert await call.ended() == b""
        assert (told.id, told.dialled) == (5, ())
        media = addresses.media(one.own, "h245")
        for kind, spec, stream in zip(PACKETS, SPECS, told.streams, strict=True):
            count = stream.count
            assert (stream.refused, stream.rtcp_refused, count.number) == (None, None, spec.number)
            assert (stream.rtp_to, stream.rtcp_to) == tuple(str(at) for at in media[kind])
            assert (count.sent, count.received, count.lost) == (PACKETS[kind], PACKETS[kind], 0)
            assert (count.rtcp_sent, count.rtcp_received) == (REPORTS, REPORTS)
            assert count.source == str(media[kind].rtp)
        assert await until(lambda: all_free(ready.port))


async def test_the_report_comes_as_soon_as_everything_has_come(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal(patience_ms=3000)
        async with one.signalling(), one.controlling(ready.port) as line:
            began = time.monotonic()
            await one.media(line)
            await report(one)
            assert time.monotonic() - began < DURATION_S + SOON_S


async def test_all_that_the_client_says_is_overheard(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        async with one.signalling() as call, one.controlling(ready.port) as line:
            await line.goodbye()
            await line.ended()
            await call.goodbye()
            await call.ended()
        told = [m for m in await one.client.all_until(TerminalReport) if isinstance(m, Overheard)]
        assert {m.number for m in told} == {NUMBER}
        assert {(m.dialogue, m.port) for m in told} == {("h323", one.port), ("h245", ready.port)}
        kinds = [control.read(bytes.fromhex(m.data)).kind for m in told if m.dialogue == "h245"]
        assert kinds[0] == "terminalCapabilitySet"
        assert kinds.count("openLogicalChannelAck") == 2
        assert kinds[-1] == "endSessionCommand"


async def test_a_setup_in_pieces_is_answered_alike(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        make = lambda own: signalling.Caller(own, fast_start=False)  # noqa: E731
        async with one.connected(one.port, make) as line:
            (setup,) = line.end.begin().send
            loop = asyncio.get_running_loop()
            for piece in (setup[:3], setup[3:60], setup[60:]):
                await loop.sock_sendall(line.sock, piece)
                await one.client.ask(Ping(n=1), Pong)  # the server has had its turn
            await line.until(lambda: line.over)
            assert control_port(line) == ready.port


async def test_without_a_terminal_the_usual_port_is_announced(serve: Serve) -> None:
    async with called(serve) as one:
        async with one.signalling() as call:
            usual = control_port(call)
        ready = await one.terminal(number=NUMBER + 1)
        async with one.signalling() as call:  # its label has another number
            assert control_port(call) == usual != ready.port


async def test_a_second_setup_is_told_the_same(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        async with one.signalling() as first, one.signalling() as second:
            assert control_port(first) == control_port(second) == ready.port


async def test_the_client_need_not_wait_when_it_hangs_up(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal(duration_ms=5000, patience_ms=50)
        began = time.monotonic()
        async with one.signalling() as call, one.controlling(ready.port) as line:
            await line.goodbye()
            await line.ended()
            told = await report(one)
            await call.goodbye()
        assert time.monotonic() - began < SOON_S
        assert all(stream.count.sent < 5 * 50 for stream in told.streams)
        assert await until(lambda: all_free(ready.port))


async def test_the_end_of_all_connections_is_the_end_of_the_call(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        async with one.signalling():
            pass
        told = await report(one)
        assert [stream.rtp_to for stream in told.streams] == [None, None]
        assert await until(lambda: all_free(ready.port))


async def test_nobody_called(serve: Serve) -> None:
    async with called(serve, terminal_s=0.2) as one:
        ready = await one.terminal()
        told = await report(one)
        assert [stream.count.sent for stream in told.streams] == [0, 0]
        assert [stream.count.received for stream in told.streams] == [0, 0]
        assert await until(lambda: all_free(ready.port))


async def test_it_can_be_stopped(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal(duration_ms=5000)
        async with one.signalling() as call, one.controlling(ready.port) as line:
            await one.client.say(CallStop(id=5, port=1))
            told = await report(one)
            assert told.streams[0].rtp_to
            assert await line.ended() == b""  # without a goodbye of ours
            await call.goodbye()
        assert await until(lambda: all_free(ready.port))
        await one.terminal()  # the place is free again


async def test_it_ends_with_the_control_connection(serve: Serve) -> None:
    server = await serving(serve)
    async with having(server) as one:
        ready = await one.terminal(duration_ms=5000)
        async with one.signalling(), one.controlling(ready.port) as line:
            assert await heard(one.sound.socks["audioData"][0])
            await one.client.close()
            assert await line.ended() == b""
        assert await until(lambda: all_free(ready.port))
        assert not server._control._terminals._calls
        drained(one.sound.socks["audioData"][0])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # five packets' time
                await heard(one.sound.socks["audioData"][0])


async def test_media_are_heard_although_nothing_is_agreed(serve: Serve) -> None:
    """The client's acknowledgements were lost to something; it sends where the server's are."""
    async with called(serve) as one:
        ready = await one.terminal()
        at = addresses.media(one.own_of_server(ready.port), "h245")["audioData"]
        await one.sound.send("audioData", at.rtp, at.rtcp)
        audio, video = (await report(one)).streams
        assert (audio.rtp_to, audio.count.received, audio.count.sent) == (
            None, PACKETS["audioData"], 0,
        )  # fmt: skip
        assert video.count.received == 0


async def test_the_servers_media_are_sent_though_the_clients_have_all_come(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal(patience_ms=3000)
        media = addresses.media(one.own_of_server(ready.port), "h245")
        async with asyncio.TaskGroup() as group:
            for kind in PACKETS:
                group.create_task(one.sound.send(kind, *media[kind]))
        async with one.controlling(ready.port):
            told = await report(one)
        assert [stream.count.sent for stream in told.streams] == list(PACKETS.values())
        assert [stream.count.received for stream in told.streams] == list(PACKETS.values())


# To whom


async def test_media_go_where_was_said_and_not_where_they_come_from(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        said = Endpoint(one.address, LISTENING + 100)
        others = Sound(one.client, one.own_at(said))
        try:
            async with one.controlling(ready.port, listening=said) as line:
                await one.media(line)
                await report(one)
            assert others.heard() == ALL
        finally:
            others.close()
        assert one.sound.heard() == dict.fromkeys(PACKETS, (0, 0))


async def test_the_control_channel_is_at_the_calls_port_alone(serve: Serve) -> None:
    async with called(serve) as one:
        await one.terminal()
        asked = OpenRequest(id=9, transport="tcp", count=1, speaks="h245")
        (port,) = (await one.client.ask(asked, Opened)).ports
        async with one.controlling(port):
            await one.client.say(CallStop(id=5, port=1))
            assert [stream.rtp_to for stream in (await report(one)).streams] == [None, None]


async def test_nothing_is_sent_to_anybody_else(serve: Serve) -> None:
    elsewhere = loopback.address()
    async with called(serve) as one:
        ready = await one.terminal()
        said = Endpoint(elsewhere, LISTENING)
        strangers = addresses.media(one.own_at(said), "h245")
        socks = [udp_at(at) for pair in strangers.values() for at in pair]
        try:
            async with one.controlling(ready.port, listening=said) as line:
                await one.media(line)
                told = await report(one)
            assert [drained(sock) for sock in socks] == [[], [], [], []]
        finally:
            for sock in socks:
                sock.close()
        assert one.sound.heard() == dict.fromkeys(PACKETS, (0, 0))  # and not to where we are
        for kind, stream in zip(PACKETS, told.streams, strict=True):
            assert (stream.refused, stream.rtcp_refused) == ("not-proven", "not-proven")
            assert (stream.rtp_to, stream.rtcp_to) == tuple(str(at) for at in strangers[kind])
            assert (stream.count.sent, stream.count.rtcp_sent) == (0, 0)
            assert stream.count.received == PACKETS[kind]


async def test_only_the_first_word_on_where_to_counts(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        elsewhere = Endpoint(one.address, LISTENING + 100)
        async with one.controlling(ready.port), one.controlling(ready.port, listening=elsewhere):
            told = await report(one)
        media = addresses.media(one.own, "h245")
        assert told.streams[0].rtp_to == str(media["audioData"].rtp)
        assert one.sound.heard() == ALL


@pytest.mark.parametrize("whose", ["nobody's", "another number's", "another session's"])
async def test_only_the_calls_own_label_counts(serve: Serve, whose: str) -> None:
    server = await serving(serve)
    async with having(server) as one, session(server) as other:
        ready = await one.terminal(patience_ms=10)
        said = {
            "nobody's": bytes(16),
            "another number's": label.write(one.client.id, NUMBER + 1, one.client.secret),
            "another session's": label.write(other.id, NUMBER, other.secret),
        }[whose]
        if whose == "another session's":
            with pytest.raises((AssertionError, ConnectionError)):  # it is ended
                async with one.controlling(ready.port, said=said):
                    pass
        else:
            async with one.controlling(ready.port, said=said):
                pass
        await one.client.say(CallStop(id=5, port=1))
        assert [stream.rtp_to for stream in (await report(one)).streams] == [None, None]
        assert one.sound.heard() == dict.fromkeys(PACKETS, (0, 0))


def test_where_media_may_go() -> None:
    one = Session("192.0.2.9", "192.0.2.1", ServerLimits())
    one.proven |= {"192.0.2.9", "224.0.0.1", "127.0.0.1"}
    assert refused(one, Endpoint("192.0.2.9", 1024)) is None
    assert refused(one, Endpoint("192.0.2.9", 1023)) == "bad-request"
    assert refused(one, Endpoint("192.0.2.9", 0)) == "bad-request"
    assert refused(one, Endpoint("192.0.2.1", 2000)) == "not-proven"  # the server itself
    assert refused(one, Endpoint("224.0.0.1", 2000)) == "forbidden-address"
    assert refused(one, Endpoint("127.0.0.1", 2000)) == "forbidden-address"


async def test_a_stream_that_is_not_heard_is_given_up(serve: Serve) -> None:
    async with called(serve, media_unheard_s=0.1) as one:
        ready = await one.terminal()
        async with one.controlling(ready.port):
            audio, _ = (await report(one)).streams
        assert audio.count.sent == 5


# The server calls


@asynccontextmanager
async def answering(one: Phone, listener: socket.socket) -> AsyncIterator[Line]:
    """The call that comes, answered; the control channel is at LISTENING."""
    with await accepted(listener) as sock:
        line = Line(sock, signalling.Called(one.own))
        await line.until(lambda: line.arrived != [])
        yield line


@asynccontextmanager
async def agreeing(one: Phone, listener: socket.socket) -> AsyncIterator[Line]:
    with await accepted(listener) as sock:
        line = Line(sock, control.client(one.own))
        await line.talk()
        yield line


async def test_a_whole_call_in(serve: Serve) -> None:
    async with called(serve) as one:
        with one.listening(PORT) as calls, one.listening(LISTENING) as controls:
            entry = await one.registered()
            ready = await one.terminal(directory=entry)
            async with answering(one, calls) as call, agreeing(one, controls) as line:
                setup = signalling.read(call.arrived[0])
                assert (setup.kind, setup.label) == ("Setup", one.own.label)
                assert [(c.address, c.port) for c in setup.carried if c.field == "h245Address"] == [
                    (LOOPBACK, ready.port)
                ]
                assert not [c for c in setup.carried if "fastStart" in c.field]
                assert control.read(line.arrived[0]).label == one.own.label
                await one.media(line)
                told = await report(one)
                assert one.sound.heard() == ALL
                await line.goodbye()
                assert await line.ended()
                await call.until(lambda: call.over)
                assert signalling.read(call.arrived[-1]).kind == "Release Complete"
                assert await call.ended() == b""
        assert told.dialled == (
            Dialled(
                connection="signalling", to=f"{one.address}:{PORT}", outcome="answered", attempts=1
            ),
            Dialled(
                connection="control", to=f"{one.address}:{LISTENING}", outcome="answered",
                attempts=1,
            ),
        )  # fmt: skip
        for kind, stream in zip(PACKETS, told.streams, strict=True):
            assert (stream.refused, stream.count.sent) == (None, PACKETS[kind])
            assert stream.count.received == PACKETS[kind]
        assert await until(lambda: all_free(ready.port))


async def test_what_is_said_in_a_call_in_is_overheard(serve: Serve) -> None:
    async with called(serve) as one:
        with one.listening(PORT) as calls, one.listening(LISTENING) as controls:
            await one.terminal(directory=await one.registered())
            async with answering(one, calls), agreeing(one, controls) as line:
                await line.goodbye()
                await line.ended()
                said = await one.client.all_until(TerminalReport)
        told = [m for m in said if isinstance(m, Overheard) and m.number == NUMBER]
        sources = {m.dialogue: m.source for m in told if m.dialogue != "ldap"}
        assert sources == {
            "h323": f"{one.address}:{PORT}", "h245": f"{one.address}:{LISTENING}",
        }  # fmt: skip
        kinds = [signalling.read(bytes.fromhex(m.data)).kind for m in told if m.dialogue == "h323"]
        assert kinds == ["Call Proceeding", "Alerting", "Connect"]


async def dialled(one: Phone, entry: Directory, **changes: Any) -> Dialled:
    """What came of the call, of which nothing more came."""
    began = time.monotonic()
    await one.terminal(directory=entry, **changes)
    told = await report(one)
    assert [stream.rtp_to for stream in told.streams] == [None, None]
    assert time.monotonic() - began < SOON_S
    (only,) = told.dialled
    return only


async def test_a_call_in_that_is_refused(serve: Serve) -> None:
    async with called(serve) as one:
        got = await dialled(one, await one.registered(), offsets_ms=(0, 30, 60))
        assert (got.connection, got.outcome, got.attempts) == ("signalling", "refused", 2)


async def test_one_refusal_does_not_decide(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with called(serve) as one:
        entry = await one.registered()
        listens = asyncio.Event()
        with one.listening(PORT, from_the_start=False) as calls:

            def failed(error: OSError) -> CallOutcome:
                calls.listen()  # from the second attempt on
                listens.set()
                return outcome_of(error)

            monkeypatch.setattr(dialling, "outcome_of", failed)
            await one.terminal(directory=entry, offsets_ms=(0, 50))
            async with asyncio.timeout(PATIENCE_S):
                await listens.wait()
            async with answering(one, calls):
                pass
            (got, *_) = (await report(one)).dialled
        assert (got.outcome, got.attempts) == ("answered", 2)


@contextmanager
def first_after(event: asyncio.Event) -> Iterator[None]:
    """The first socket that connects from now on does so only once ``event`` has come."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    made = itertools.count()

    async def later(sock: socket.socket, to: Any) -> None:
        if next(made) == 0:
            await event.wait()
        await connect(sock, to)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "sock_connect", later)
        yield


async def test_the_first_attempt_is_used_though_another_was_quicker(serve: Serve) -> None:
    """An editor knows the first alone."""
    async with called(serve) as one:
        entry = await one.registered()
        late = asyncio.Event()
        with one.listening(PORT) as calls, first_after(late):
            await one.terminal(directory=entry, offsets_ms=(0, 10))
            with await accepted(calls) as quicker:
                late.set()
                async with answering(one, calls):
                    with contextlib.suppress(ConnectionResetError):
                        assert await asyncio.get_running_loop().sock_recv(quicker, 100) == b""
                (got, *_) = (await report(one)).dialled
        assert (got.outcome, got.attempts) == ("answered", 1)


async def test_refusals_say_nothing_while_the_first_attempt_may_come_about(serve: Serve) -> None:
    """The way was open for one connection, and the first has used it up."""
    async with called(serve) as one:
        entry = await one.registered()
        late = asyncio.Event()
        with one.listening(PORT, from_the_start=False) as calls, first_after(late):
            await one.terminal(directory=entry, offsets_ms=(0, 10, 20), patience_ms=50)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):  # three refusals and their patience
                    await report(one)
            calls.listen()
            late.set()
            async with answering(one, calls):
                pass
            (got, *_) = (await report(one)).dialled
        assert (got.outcome, got.attempts) == ("answered", 1)


async def test_another_attempt_is_used_if_the_first_never_comes_about(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "REPEATED_S", 0.1)
    async with called(serve) as one:
        entry = await one.registered()
        with one.listening(PORT) as calls, first_after(asyncio.Event()):
            await one.terminal(directory=entry, offsets_ms=(0, 10))
            async with answering(one, calls):
                pass
            (got, *_) = (await report(one)).dialled
        assert (got.outcome, got.attempts) == ("answered", 2)


async def test_a_call_in_to_somebody_else(serve: Serve) -> None:
    elsewhere = loopback.address()
    async with called(serve) as one:
        with one.listening(PORT), socket.create_server((elsewhere, PORT)) as stranger:
            stranger.setblocking(False)
            got = await dialled(one, await one.registered(elsewhere))
            with pytest.raises(BlockingIOError):
                stranger.accept()
        assert (got.outcome, got.refused, got.to) == (None, "not-proven", f"{elsewhere}:{PORT}")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "foreign"),
        (b"\x03\0\0\x06no", "foreign"),  # in TPKT, and no Q.931
        (b"", "closed"),
        (None, "mute"),
    ],
    ids=["another protocol", "another message", "closed", "mute"],
)
async def test_a_call_in_that_something_else_answers(
    serve: Serve, said: bytes | None, outcome: str
) -> None:
    async with called(serve) as one:
        with one.listening(PORT) as calls:
            entry = await one.registered()
            await one.terminal(directory=entry, patience_ms=100)
            with await accepted(calls) as sock:
                if said:
                    await asyncio.get_running_loop().sock_sendall(sock, said)
                if said is not None:
                    await asyncio.get_running_loop().sock_recv(sock, 65536)
                    sock.shutdown(socket.SHUT_WR)
                (got,) = (await report(one)).dialled
        assert (got.connection, got.outcome, got.attempts) == ("signalling", outcome, 1)


@pytest.mark.parametrize(
    ("at", "refused_as"),
    [("elsewhere", "not-proven"), ("nowhere", "bad-request")],
)
async def test_a_control_channel_that_is_not_gone_to(
    serve: Serve, at: str, refused_as: str
) -> None:
    async with called(serve) as one:
        said = Endpoint(loopback.address(), LISTENING) if at == "elsewhere" else None
        with one.listening(PORT) as calls:
            await one.terminal(directory=await one.registered())
            with await accepted(calls) as sock:
                listening = said or Endpoint(one.address, 0)
                line = Line(sock, signalling.Called(one.own_at(listening)))
                await line.until(lambda: line.arrived != [])
                told = await report(one)
                await line.until(lambda: line.over)  # released
        assert [each.outcome for each in told.dialled] == ["answered", None]
        assert (told.dialled[1].refused, told.dialled[1].to) == (refused_as, str(listening))


async def test_a_control_channel_where_nobody_is(serve: Serve) -> None:
    async with called(serve) as one:
        with one.listening(PORT) as calls:
            await one.terminal(directory=await one.registered(), offsets_ms=(0, 20))
            async with answering(one, calls):
                told = await report(one)
        assert [each.outcome for each in told.dialled] == ["answered", "refused"]


async def test_a_call_in_can_be_stopped_at_any_time(serve: Serve) -> None:
    async with called(serve) as one:
        with one.listening(PORT) as calls:
            entry = await one.registered()
            ready = await one.terminal(directory=entry, patience_ms=3000)
            with await accepted(calls) as sock:
                await one.client.say(CallStop(id=5, port=1))
                (got,) = (await report(one)).dialled
                assert (got.outcome, got.attempts) == ("mute", 1)
                async with asyncio.timeout(PATIENCE_S):
                    while await asyncio.get_running_loop().sock_recv(sock, 65536):
                        pass
        assert await until(lambda: all_free(ready.port))


async def test_a_client_that_vanishes_in_a_call_in(serve: Serve) -> None:
    server = await serving(serve)
    async with having(server) as one:
        with one.listening(PORT) as calls, one.listening(LISTENING) as controls:
            ready = await one.terminal(directory=await one.registered(), duration_ms=5000)
            async with answering(one, calls) as call, agreeing(one, controls) as line:
                await one.client.close()
                await call.until(lambda: call.over)  # released
                await line.ended()
        assert await until(lambda: all_free(ready.port))
        assert await until(lambda: not server._control._terminals._calls)


# Refused


async def refusal(one: Phone, **changes: Any) -> Refusal:
    return await one.client.ask(request(**changes), Refusal)


async def test_what_is_not_understood_is_refused(serve: Serve) -> None:
    audio, video = SPECS
    async with called(serve) as one:
        for wrong in (
            {"streams": (audio, audio)},
            {"directory": Directory(overheard=0, carried=0)},
            {"directory": Directory(overheard=65535, carried=63)},
        ):
            assert (await refusal(one, **wrong)).reason == "bad-request"
        await one.terminal()
        assert (await refusal(one, id=5, number=8)).detail == "the id is in use"
        assert (await refusal(one, id=6)).detail == "the number is in use"
        assert video.number == 2


async def test_without_the_protocol_there_is_no_terminal(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        assert (await client.ask(request(), Refusal)).reason == "bad-request"


async def test_one_call_each_way_at_a_time(serve: Serve) -> None:
    async with called(serve) as one:
        with one.listening(PORT) as calls:
            entry = await one.registered()
            await one.terminal()
            await one.terminal(id=6, number=8, directory=entry, patience_ms=3000)
            with await accepted(calls):
                for directory in (None, entry):
                    got = await refusal(one, id=7, number=9, directory=directory)
                    assert got.reason == "limit"
                await one.client.say(CallStop(id=5, port=1))
                await report(one)
                await one.terminal(id=7, number=9)


@pytest.mark.parametrize(
    ("limit", "detail"),
    [
        ("terminals_in_all", "the server has calls with too many others"),
        ("terminals_per_source", "too many calls of your address at once"),
    ],
)
async def test_so_many_calls_at_once_and_no_more(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, limit: str, detail: str
) -> None:
    server = await serve(dialogues={"h323": free_ports(1)[0]})
    terminals = server._control._terminals
    limits = msgspec.structs.replace(terminals._limits, **{limit: 1})
    monkeypatch.setattr(terminals, "_limits", limits)  # where all is small, a source's share is
    async with session(server) as first, session(server) as second:
        for client in (first, second):
            await client.hello()
        await first.ask(request(), TerminalReady)
        refused = await second.ask(request(), Refusal)
        assert (refused.reason, refused.detail) == ("limit", detail)
        await first.close()
        assert await until(lambda: not server._control._terminals._calls)
        await second.ask(request(), TerminalReady)


@pytest.mark.parametrize(
    "limits", [{"media_s": 0.2}, {"media_bytes_per_s": 10_000}, {"dynamic_ports": 0}]
)
async def test_calls_have_what_is_left_of_the_sessions_limits(
    serve: Serve, limits: dict[str, float]
) -> None:
    async with called(serve, **limits) as one:
        assert (await refusal(one)).reason == "limit"


async def test_a_call_in_spends_calls(serve: Serve) -> None:
    async with called(serve, calls=2) as one:
        entry = await one.registered()
        got = await dialled(one, entry, offsets_ms=(0, 10))
        assert got.outcome == "refused"
        got = await dialled(one, entry, id=6, offsets_ms=(0, 10))
        assert (got.outcome, got.refused) == (None, "limit")


async def test_a_client_that_talks_too_much(serve: Serve) -> None:
    async with called(serve, spoken_bytes=3000) as one:
        with one.listening(PORT) as calls:
            await one.terminal(directory=await one.registered(), patience_ms=3000)
            with await accepted(calls) as sock:
                too_much = b"\x03\0\x10\0" * 1024
                await asyncio.get_running_loop().sock_sendall(sock, too_much)
                (got,) = (await report(one)).dialled
        assert got.outcome == "foreign"


async def test_messages_that_are_no_messages_do_no_harm(serve: Serve) -> None:
    async with called(serve) as one:
        ready = await one.terminal()
        async with one.controlling(ready.port) as line:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(line.sock, b"\x03\0\0\x08\xff\xff\xff\xff")
            told = await report(one)
        assert told.streams[0].rtp_to
