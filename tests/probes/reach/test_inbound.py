"""The client's own open ports: strangers get no reply, and are not counted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

import pytest

from probes.observation import InboundTcp
from probes.reach.inbound_tcp import Listeners
from probes.reach.inbound_udp import Receiver
from probes.session import Session
from probes.wire import frame, messages
from probes.wire.frame import Endpoint, Frame

HERE, SERVER, STRANGER = "127.0.61.1", "127.0.61.2", "127.0.61.3"
SECRET = bytes(range(32))
ID = bytes(range(8))
Running = asyncio.Task[tuple[InboundTcp, ...]]
ANSWER_S = 0.3  # on loopback an answer is there at once


class Silent:
    """A control connection over which nobody says how calls went; the test itself calls."""

    alive = True
    raw_arrivals: tuple[messages.RawArrived, ...] = ()

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.done = asyncio.Event()

    async def open_ports(
        self,
        transport: messages.TransportName,
        count: int = 0,
        ports: tuple[int, ...] = (),
        speaks: str = "",
    ) -> messages.Opened | messages.Refusal:
        raise NotImplementedError

    def overhear(
        self, number: int, take: Callable[[messages.Overheard], None]
    ) -> AbstractContextManager[None]:
        raise NotImplementedError

    def ask(
        self, request: Callable[[int], messages.ClientMessage]
    ) -> AsyncIterator[messages.ServerMessage]:
        raise NotImplementedError

    async def ledger(self, sent: tuple[messages.Sent, ...] = ()) -> messages.LedgerPage | None:
        raise NotImplementedError

    async def unread(self) -> tuple[messages.UnreadLine, ...]:
        raise NotImplementedError

    async def call(
        self, request: Callable[[int], messages.CallRequest | messages.FollowRequest]
    ) -> AsyncIterator[messages.Called | messages.Refusal]:
        request(1)
        self.asked.set()
        await self.done.wait()
        nothing: tuple[messages.Called, ...] = ()
        for said in nothing:
            yield said

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None:
        pass

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        return (HERE,)


def session(line: Silent) -> Session:
    return Session(
        control=line,
        session_id=ID,
        secret=SECRET,
        server_address=SERVER,
        local_address=HERE,
        began=0.0,
    )


def call(number: int, secret: bytes = SECRET, kind: int = frame.CALL) -> bytes:
    body = frame.call_body(Endpoint(HERE, 1))
    return frame.write(Frame(kind, number, ID, bytes(16), body), secret)


async def said(source: str, port: int, data: bytes) -> bytes:
    """What a port of ours answers to ``data`` from ``source``."""
    reader, writer = await asyncio.open_connection(HERE, port, local_addr=(source, 0))
    try:
        writer.write(data)
        async with asyncio.timeout(ANSWER_S):
            return await reader.read(frame.SIZE)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.transport.abort()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Silent, int, Running]]:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
    line = Silent()
    listeners = Listeners((port,))
    await listeners.bind(HERE)
    running = asyncio.create_task(listeners.run(session(line), HERE))
    await line.asked.wait()
    try:
        yield line, port, running
    finally:
        line.done.set()
        await running
        await listeners.close()


async def test_only_a_call_with_the_secret_is_answered_and_counted() -> None:
    async with listening() as (line, port, running):
        for data in (
            call(1, secret=bytes(32)),
            call(2),  # for another port
            call(1, kind=frame.PROBE),
            b"GET / HTTP/1.1\r\n\r\n" + bytes(200),
            bytes(frame.SIZE),
        ):
            assert await said(STRANGER, port, data) == b""
        right = call(1)
        reply = await said(SERVER, port, right)
        assert frame.knows(reply, frame.REPLY, bytes(16), right, SECRET)
        line.done.set()
        (found,) = await running
    assert (found.heard, found.reached) == (1, 1)


@pytest.mark.parametrize("source", [SERVER, STRANGER])
async def test_datagrams_are_replied_to_only_where_the_server_is(source: str) -> None:
    line = Silent()
    receiver = Receiver(0)
    await receiver.bind(HERE)
    running = asyncio.create_task(receiver.run(session(line), HERE))
    await line.asked.wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        for data in (call(1, secret=bytes(32)), call(2), call(1, kind=frame.PROBE), b"x"):
            await loop.sock_sendto(sock, data, (HERE, receiver.port))
        right = call(1)
        await loop.sock_sendto(sock, right, (HERE, receiver.port))
        reply = b""
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await loop.sock_recv(sock, 1024)
        except TimeoutError:
            pass
    line.done.set()
    found = await running
    assert found.heard == 1
    if source == SERVER:
        assert frame.knows(reply, frame.REPLY, bytes(16), right, SECRET)
    else:
        assert reply == b""
