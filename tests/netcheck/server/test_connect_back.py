"""Connect-back: who may be called, how often, and what is reported of it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netcheck.server.limits import ServerLimits
from netcheck.server.permission import forbidden, refuse
from netcheck.server.serve import EchoServer, ServerConfig
from netcheck.server.session import Session
from probes.control.line import Line
from probes.wire import frame
from probes.wire.link import Link
from probes.wire.messages import Called, CallRequest, CallsDone, CallStop, Hello, Refusal
from tests.netcheck import loopback
from tests.netcheck.checking import session_with
from tests.netcheck.server.client import (
    LOOPBACK,
    PATIENCE_S,
    Client,
    Tcp,
    free_ports,
    free_udp_ports,
    session,
    tcp,
    udp,
)
from tests.netcheck.server.conftest import Serve

Answer = Callable[[bytes], bytes | None]


def call(port: int, **changes: Any) -> CallRequest:
    """One TCP call to ``port``, but for ``changes``."""
    given: dict[str, Any] = {
        "id": 5,
        "transport": "tcp",
        "address": LOOPBACK,
        "ports": (port,),
        "numbers": (11,),
        "offsets_ms": (0,),
        "patience_ms": 2000,
    }
    return CallRequest(**(given | changes))


@asynccontextmanager
async def listening(answer: Answer, *, keep: bool = False) -> AsyncIterator[int]:
    """A TCP port that says ``answer(what it heard)`` to whoever connects, None for nothing,
    and ends the connection unless told to keep it."""

    callers: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        callers.add(task)
        task.add_done_callback(callers.discard)
        try:
            said = answer(await reader.readexactly(frame.SIZE))
            if said is not None:
                writer.write(said)
            if keep or said is not None:
                await reader.read()  # until the server ends it
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        async with asyncio.timeout(PATIENCE_S):
            while callers:  # whoever calls has to end its calls
                await asyncio.wait(callers)


async def called(client: Client, request: CallRequest) -> list[Called]:
    """All that is said of ``request`` until it is done."""
    await client.say(request)
    said = await client.all_until(CallsDone)
    return [message for message in said if isinstance(message, Called)]


async def refused(client: Client, request: CallRequest) -> tuple[str, str]:
    refusal = await client.ask(request, Refusal)
    assert refusal.id == request.id
    return refusal.reason, refusal.detail


def knowing(client: Client) -> Answer:
    """Answers as the client does: only a call that knows the secret."""

    def answer(data: bytes) -> bytes | None:
        got = frame.read(data, client.secret)
        assert got.authentic
        assert got.kind == frame.CALL
        return frame.reply_to(data, got, client.secret)

    return answer


# What is reported


async def test_who_knows_the_secret_is_told_from_all_others(serve: Serve) -> None:
    server = await serve()
    async with (
        session(server) as client,
        listening(knowing(client)) as knows,
        listening(lambda _: bytes(frame.SIZE)) as zeros,
        listening(lambda _: b"220 mail.example.org ESMTP\r\n" + bytes(200)) as mail,
        listening(lambda data: data) as mirror,
        listening(lambda _: None) as ends,
    ):
        (refuses,) = free_ports(1)
        ports = (knows, zeros, mail, mirror, ends, refuses)
        await client.hello(tcp=ports)
        said = await called(client, call(0, ports=ports, numbers=tuple(range(6))))
        assert {(c.id, c.attempt) for c in said} == {(5, 0)}
        assert {c.port: c.outcome for c in said} == {
            knows: "answered",
            zeros: "foreign",
            mail: "foreign",
            mirror: "foreign",
            ends: "closed",
            refuses: "refused",
        }
        assert all(c.took_ms is not None and 0 <= c.took_ms < 2000 for c in said)


async def test_a_call_says_where_it_was_sent_and_for_which_probe(serve: Serve) -> None:
    server = await serve()
    heard: list[bytes] = []
    async with session(server) as client, listening(lambda data: heard.append(data)) as port:
        await client.hello(tcp=(port,))
        await called(client, call(port))
        got = frame.read(heard[0], client.secret)
        assert (got.kind, got.number, got.session) == (frame.CALL, 11, client.id)
        assert got.body[:19] == frame.call_body(frame.Endpoint(LOOPBACK, port))


async def test_a_reply_to_another_call_is_not_the_secret(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        first: list[bytes] = []

        def replay(data: bytes) -> bytes:
            first.append(data)
            return frame.reply_to(first[0], frame.read(first[0], client.secret), client.secret)

        async with listening(replay) as port:
            await client.hello(tcp=(port,))
            assert [c.outcome for c in await called(client, call(port))] == ["answered"]
            assert [c.outcome for c in await called(client, call(port))] == ["foreign"]


async def test_who_accepts_and_says_nothing_is_mute(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(lambda _: None, keep=True) as port:
        await client.hello(tcp=(port,))
        (said,) = await called(client, call(port, patience_ms=50))
        assert (said.outcome, said.took_ms) == ("mute", None)


async def test_calls_end_once_the_answer_is_known(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(knowing(client)) as port:
        await client.hello(tcp=(port,))
        offsets = (0, 400, 800, 20_000)
        said = await called(client, call(port, offsets_ms=offsets))
        assert [(c.attempt, c.outcome) for c in said] == [(0, "answered")]


async def test_two_refusals_are_an_answer(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve()
    async with session(server) as client:
        await client.hello(tcp=(port,))
        said = await called(client, call(port, offsets_ms=(0, 20, 20_000)))
        assert [(c.attempt, c.outcome) for c in said] == [(0, "refused"), (1, "refused")]


async def test_the_client_can_stop_the_calls_to_a_port(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(lambda _: None, keep=True) as port:
        await client.hello(tcp=(port,))
        await client.say(call(port, offsets_ms=(0, 30_000), patience_ms=10_000))
        await client.say(CallStop(id=5, port=port + 1))  # neither of these is one
        await client.say(CallStop(id=6, port=port))
        await client.say(CallStop(id=5, port=port))
        await client.next(CallsDone)


async def test_a_stop_for_silence_waits_for_the_calls_it_rests_on(serve: Serve) -> None:
    """Where the server was busy, fewer were made by then than the client reckons."""
    server = await serve()
    async with session(server) as client, listening(lambda _: None, keep=True) as port:
        await client.hello(tcp=(port,))
        await client.say(call(port, offsets_ms=(0, 50, 100, 30_000), patience_ms=100))
        began = time.monotonic()
        await client.say(CallStop(id=5, port=port, after=3))
        said = [await client.next(Called) for _ in range(3)]
        await client.next(CallsDone)
        assert [c.outcome for c in said] == ["mute"] * 3
        assert 0.2 <= time.monotonic() - began < PATIENCE_S  # the third had its patience


async def test_a_stop_behind_the_calls_it_rests_on_ends_at_once(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(lambda _: None, keep=True) as port:
        await client.hello(tcp=(port,))
        await client.say(call(port, offsets_ms=(0, 10, 30_000), patience_ms=50))
        await asyncio.sleep(0.2)
        await client.say(CallStop(id=5, port=port, after=2))
        assert [(await client.next(Called)).outcome for _ in range(2)] == ["mute"] * 2
        await client.next(CallsDone)


async def test_a_stop_may_be_followed_by_one_that_waits_for_less(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(lambda _: None, keep=True) as port:
        await client.hello(tcp=(port,))
        await client.say(call(port, offsets_ms=(0, 30_000), patience_ms=10_000))
        await client.say(CallStop(id=5, port=port, after=1))
        await client.say(CallStop(id=5, port=port))
        await client.next(CallsDone)


async def test_a_session_that_ends_takes_its_calls_along(serve: Serve) -> None:
    server = await serve()
    reached = asyncio.Event()

    def note(_: bytes) -> None:
        reached.set()

    # Left in this order: the listener waits for the connection to be ended.
    async with listening(note, keep=True) as port, session(server) as client:
        await client.hello(tcp=(port,))
        await client.say(call(port, patience_ms=10_000))
        async with asyncio.timeout(PATIENCE_S):
            await reached.wait()


# UDP


async def test_a_datagram_reaches_a_port_that_never_sent(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        with udp() as sock:
            port = sock.getsockname()[1]
            await client.hello(udp=(port,))
            await client.say(call(port, transport="udp"))
            loop = asyncio.get_running_loop()
            data, source = await loop.sock_recvfrom(sock, 1000)
            assert len(data) == frame.SIZE
            reply = knowing(client)(data)
            assert reply is not None
            await loop.sock_sendto(sock, reply, source)
            (said,) = [m for m in await client.all_until(CallsDone) if isinstance(m, Called)]
            assert said.outcome == "answered"


@pytest.mark.parametrize("wrong", ["silent", "garbage", "other-kind", "other-nonce", "unsigned"])
async def test_without_the_right_reply_a_datagram_was_sent_and_no_more(
    serve: Serve, wrong: str
) -> None:
    server = await serve()
    async with session(server) as client:
        with udp() as sock:
            port = sock.getsockname()[1]
            await client.hello(udp=(port,))
            await client.say(call(port, transport="udp", patience_ms=60))
            loop = asyncio.get_running_loop()
            data, source = await loop.sock_recvfrom(sock, 1000)
            got = frame.read(data, client.secret)
            reply = frame.reply_to(data, got, client.secret)
            body = frame.digest(data)
            sent = {
                "silent": None,
                "garbage": bytes(128),
                "other-kind": client.signed(frame.PROBE, body, nonce=got.nonce),
                "other-nonce": client.signed(frame.REPLY, body),
                "unsigned": reply[:-1] + bytes([reply[-1] ^ 1]),
            }[wrong]
            if sent is not None:
                await loop.sock_sendto(sock, sent, source)
            (said,) = [m for m in await client.all_until(CallsDone) if isinstance(m, Called)]
            assert (said.outcome, said.took_ms) == ("sent", None)


async def test_a_datagram_may_come_from_a_certain_port_of_the_server(serve: Serve) -> None:
    (remote,) = free_udp_ports(1)
    server = await serve(udp=(remote,))
    async with session(server) as client:
        with udp() as sock:
            port = sock.getsockname()[1]
            await client.hello(udp=(port,))
            await client.say(call(port, transport="udp", remote_port=remote))
            loop = asyncio.get_running_loop()
            data, source = await loop.sock_recvfrom(sock, 1000)
            assert source == (LOOPBACK, remote)
            got = frame.read(data, client.secret)
            # First one that names another call, which must not count.
            wrong = client.signed(frame.REPLY, frame.digest(b"another call"), nonce=got.nonce)
            await loop.sock_sendto(sock, wrong, source)
            client.answer(await _exchange(sock, client.probe(remote, "udp"), source))
            await loop.sock_sendto(sock, frame.reply_to(data, got, client.secret), source)
            (said,) = [m for m in await client.all_until(CallsDone) if isinstance(m, Called)]
            assert said.outcome == "answered"


async def _exchange(sock: socket.socket, data: bytes, to: tuple[str, int]) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(sock, data, to)
    return await loop.sock_recv(sock, 1000)


async def test_a_port_that_the_server_does_not_have_is_its_own_fault(serve: Serve) -> None:
    (remote,) = free_udp_ports(1)
    server = await serve()
    async with session(server) as client:
        await client.hello(udp=(7000,))
        (said,) = await called(client, call(7000, transport="udp", remote_port=remote))
        assert said.outcome == "local-error"


async def test_a_closed_udp_port_is_refused(serve: Serve) -> None:
    (port,) = free_udp_ports(1)
    server = await serve()
    async with session(server) as client:
        await client.hello(udp=(port,))
        (said,) = await called(client, call(port, transport="udp"))
        assert said.outcome == "refused"


# Who may be called


@pytest.mark.parametrize(
    ("target", "own", "why"),
    [
        ("192.0.2.7", "198.51.100.1", None),
        ("10.1.2.3", "198.51.100.1", None),
        ("10.1.2.3", "10.0.0.1", None),
        ("127.0.0.1", "127.0.0.1", None),
        ("127.0.0.1", "127.0.0.2", None),
        ("2001:db8::7", "2001:db8::1", None),
        ("::1", "::1", None),
        ("169.254.1.1", "169.254.1.2", None),
        ("fe80::7", "fe80::1", None),
        ("127.0.0.1", "198.51.100.1", "loopback, and the server is not"),
        ("127.9.9.9", "10.0.0.1", "loopback, and the server is not"),
        ("::1", "2001:db8::1", "loopback, and the server is not"),
        ("169.254.169.254", "10.0.0.1", "link-local, and the server is not"),
        ("fe80::7", "2001:db8::1", "link-local, and the server is not"),
        ("fe80::7", "::1", "link-local, and the server is not"),
        ("224.0.0.1", "10.0.0.1", "not a single host's address"),
        ("239.255.255.250", "127.0.0.1", "not a single host's address"),
        ("ff02::1", "fe80::1", "not a single host's address"),
        ("255.255.255.255", "10.0.0.1", "not a single host's address"),
        ("0.0.0.0", "10.0.0.1", "not a single host's address"),
        ("::", "2001:db8::1", "not a single host's address"),
        ("240.0.0.1", "10.0.0.1", "reserved"),
        ("192.0.2.7", "2001:db8::1", "another IP version than the control connection's"),
        ("2001:db8::7", "192.0.2.1", "another IP version than the control connection's"),
    ],
)
def test_some_addresses_are_never_called(target: str, own: str, why: str | None) -> None:
    assert forbidden(target, own) == why


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "::1"])
def test_a_proof_does_not_lift_what_is_forbidden(address: str) -> None:
    client = Session("192.0.2.7", "198.51.100.1", ServerLimits())
    client.proven = {"127.0.0.1", "169.254.169.254", "::1"}
    client.declared = {"tcp": frozenset({80}), "udp": frozenset()}
    refusal = refuse(client, call(80, address=address))
    assert refusal is not None
    assert refusal.reason == "forbidden-address"


async def test_only_an_address_that_was_proven_is_called(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(knowing(client)) as port:
        await client.hello(direct=False, tcp=(port,))
        assert (await refused(client, call(port)))[0] == "not-proven"
        await client.hello(tcp=(port,))
        for other in ("127.0.0.2", "192.0.2.1", "::1"):
            assert (await refused(client, call(port, address=other)))[0] == "not-proven"
        assert [c.outcome for c in await called(client, call(port))] == ["answered"]


async def test_other_spellings_of_a_proven_address_are_the_same(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(knowing(client)) as port:
        await client.hello(tcp=(port,))
        request = call(port, address="::ffff:127.0.0.1")
        assert [c.outcome for c in await called(client, request)] == ["answered"]


async def test_what_one_session_proved_is_nothing_to_another(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, session(server) as other:
        await client.hello(tcp=(7000,))
        await other.hello(direct=False, tcp=(7000,))
        assert (await refused(other, call(7000)))[0] == "not-proven"


async def test_only_ports_that_were_declared_are_called(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.hello(tcp=(7000,), udp=(7001,))
        assert (await refused(client, call(7001)))[0] == "not-declared"
        assert (await refused(client, call(7000, transport="udp")))[0] == "not-declared"
        both = call(0, ports=(7000, 7002), numbers=(1, 2))
        assert (await refused(client, both))[0] == "not-declared"


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "localhost"},
        {"address": ""},
        {"address": "127.0.0.1:80"},
        {"ports": (7000, 7001)},
        {"ports": (7000, 7000), "numbers": (1, 2)},
    ],
)
async def test_what_makes_no_sense_is_refused(serve: Serve, changes: dict[str, Any]) -> None:
    server = await serve()
    async with session(server) as client:
        await client.hello(tcp=(7000, 7001))
        assert (await refused(client, call(7000, **changes)))[0] == "bad-request"


async def test_an_id_names_one_request_at_a_time(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, listening(lambda _: None, keep=True) as port:
        await client.hello(tcp=(port,))
        await client.say(call(port, patience_ms=10_000))
        assert await refused(client, call(port)) == ("bad-request", "the id is in use")
        await client.say(CallStop(id=5, port=port))
        await client.next(CallsDone)
        assert [c.outcome for c in await called(client, call(port, patience_ms=10))] == ["mute"]


async def test_a_session_has_so_many_calls_and_no_more(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(calls=3)
    async with session(server) as client:
        await client.hello(tcp=(port,))
        offsets = (0, 1, 2, 3)
        assert (await refused(client, call(port, offsets_ms=offsets)))[0] == "limit"
        await called(client, call(port, offsets_ms=offsets[:2]))
        assert (await refused(client, call(port, offsets_ms=offsets[:2])))[0] == "limit"
        await called(client, call(port))
        assert (await refused(client, call(port)))[0] == "limit"


async def test_calls_are_made_at_no_more_than_the_rate(serve: Serve) -> None:
    ports = free_ports(8)
    server = await serve(calls_per_s=20.0, call_burst=2)
    async with session(server) as client:
        await client.hello(tcp=ports)
        began = asyncio.get_running_loop().time()
        said = await called(client, call(0, ports=ports, numbers=ports))
        assert len(said) == 8
        assert asyncio.get_running_loop().time() - began >= 0.25  # six beyond the burst


async def test_a_call_that_waits_for_its_turn_has_its_whole_time(serve: Serve) -> None:
    """Else it would be reported as silent without having been given a chance."""
    server = await serve(calls_at_once=1)
    async with (
        session(server) as client,
        listening(lambda _: None, keep=True) as mute,
        listening(knowing(client)) as knows,
    ):
        await client.hello(tcp=(mute, knows))
        request = call(0, ports=(mute, knows), numbers=(1, 2), patience_ms=100)
        outcomes = {c.port: c.outcome for c in await called(client, request)}
        assert outcomes == {mute: "mute", knows: "answered"}


async def test_too_many_requests_at_once_are_refused(serve: Serve) -> None:
    server = await serve()
    with socket.socket() as listener:  # which accepts nobody, and so does not answer
        listener.bind((LOOPBACK, 0))
        listener.listen(128)
        port: int = listener.getsockname()[1]
        async with session(server) as client:
            await client.hello(tcp=(port,))
            for number in range(65):
                await client.say(call(port, id=number, patience_ms=10_000))
            refusal = await client.next(Refusal)
            assert (refusal.id, refusal.reason) == (64, "limit")


# Endpoints that an open connection proved


@asynccontextmanager
async def proved(client: Client, port: int) -> AsyncIterator[Tcp]:
    """An open connection whose endpoint the server holds for the client's."""
    async with tcp(port) as connection:
        probe = client.probe(port)
        answer = client.answer(await connection.exchange(probe))
        nonce = frame.read(probe, client.secret).nonce
        await connection.send(client.signed(frame.CONFIRM, answer.server_nonce, nonce=nonce))
        client.answer(await connection.exchange(client.probe(port)))  # so it has read that
        yield connection


async def test_where_an_open_connection_came_from_needs_no_declaration(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, session(server) as other:
        await other.hello()
        async with proved(client, echo) as connection:
            port = connection.sock.getsockname()[1]
            assert [c.outcome for c in await called(client, call(port))] == ["refused"]
            assert (await refused(client, call(port + 1)))[0] == "not-declared"
            assert (await refused(client, call(port, transport="udp")))[0] == "not-declared"
            assert (await refused(other, call(port)))[0] == "not-declared"
            await connection.send(b"no frame")
            assert await connection.ended()
        assert (await refused(client, call(port)))[0] == "not-declared"


async def test_the_server_can_speak_on_an_open_connection(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, proved(client, echo) as connection:
        port = connection.sock.getsockname()[1]
        await client.say(call(port, over_open=True))
        data = await connection.receive()
        got = frame.read(data, client.secret)
        assert (got.authentic, got.kind, got.number) == (True, frame.CALL, 11)
        # First one that names another call, which must not count.
        await connection.send(client.signed(frame.REPLY, frame.digest(b"x"), nonce=got.nonce))
        await connection.send(frame.reply_to(data, got, client.secret))
        (said,) = [m for m in await client.all_until(CallsDone) if isinstance(m, Called)]
        assert (said.port, said.outcome) == (port, "answered")


async def test_a_connection_may_be_mute_or_end(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, proved(client, echo) as connection:
        port = connection.sock.getsockname()[1]
        (said,) = await called(client, call(port, over_open=True, patience_ms=50))
        assert (said.outcome, said.took_ms) == ("mute", None)
        await client.say(call(port, over_open=True))
        await connection.receive(2 * frame.SIZE)
        await connection.send(b"no frame")
        (said,) = [m for m in await client.all_until(CallsDone) if isinstance(m, Called)]
        assert said.outcome == "closed"
        assert (await refused(client, call(port, over_open=True)))[0] == "not-proven"


async def test_only_open_connections_are_spoken_on(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, proved(client, echo) as connection:
        port = connection.sock.getsockname()[1]
        await client.hello(tcp=(7000,), udp=(7000,))
        assert (await refused(client, call(7000, over_open=True)))[0] == "not-proven"
        for wrong in (
            call(port, over_open=True, from_other=True),
            call(7000, transport="udp", over_open=True),
            call(7000, transport="udp", from_other=True),
        ):
            assert (await refused(client, wrong))[0] == "bad-request"


async def test_a_connection_ends_with_its_session(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with AsyncExitStack() as stack:
        async with session(server) as client:
            connection = await stack.enter_async_context(proved(client, echo))
        assert await connection.ended()


# The server's other address


async def test_without_another_address_there_is_no_call_from_it(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.hello(tcp=(7000,))
        said = await refused(client, call(7000, from_other=True))
        assert said == ("bad-request", "the server has no other address")


async def test_a_call_from_the_other_address_comes_from_there(data_dir: Path) -> None:
    here, there = loopback.address(), loopback.address()
    server = EchoServer(
        ServerConfig(listen=(here, there), control_ports=(0,), stun_port=None, data_dir=data_dir)
    )
    await server.start()
    try:
        links = server.links()
        assert await _caller(links[0]) == there
        assert await _caller(links[1]) == here
    finally:
        await server.close()


async def _caller(link: Link) -> str:
    """Who calls us when the server is asked to call from its other address."""
    own = loopback.address()
    with socket.socket() as listener:
        listener.setblocking(False)
        listener.bind((own, 0))
        listener.listen()
        port: int = listener.getsockname()[1]
        async with session_with(link, bind=own) as checking:
            line = checking.control
            assert isinstance(line, Line)
            line.say(Hello(software="", session=checking.id.hex(), direct=True, tcp_ports=(port,)))
            line.say(call(port, address=own, from_other=True))
            async with asyncio.timeout(PATIENCE_S):
                sock, peer = await asyncio.get_running_loop().sock_accept(listener)
            sock.close()
    return str(peer[0])
