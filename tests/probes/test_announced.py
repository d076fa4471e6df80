"""Who calls where a message says that we listen."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from probes.announced import Announced, Announcement, follow
from probes.calls import Called
from probes.observation import Transport
from probes.pace import Pace
from probes.session import ControlLine, Session
from probes.silence import ATTEMPTS_MIN
from probes.wire import frame, messages
from probes.wire.frame import Endpoint
from tests.netcheck.loopback import address

SECRET, OTHER = bytes(32), bytes([1]) * 32
NUMBER = 7


def call(port: int, *, secret: bytes = SECRET, number: int = NUMBER) -> bytes:
    body = frame.call_body(Endpoint("127.0.0.1", port))
    return frame.write(frame.Frame(frame.CALL, number, b"8 bytes!", bytes(16), body), secret)


class Client:
    """A listening client: ``port`` is the one that is meant, ``other`` listens as well."""

    def __init__(self, transport: Transport, announced: Announced, port: int, other: int) -> None:
        self.transport, self.announced, self.port, self.other = transport, announced, port, other
        self.called = Called(port, NUMBER)
        announced.expect(self.called, transport, port)


@asynccontextmanager
async def listening(transport: Transport) -> AsyncIterator[Client]:
    own = address()
    session = Session(
        control=cast(ControlLine, None),
        session_id=b"8 bytes!",
        secret=SECRET,
        server_address="127.0.0.1",
        local_address=own,
        began=time.monotonic(),
    )
    announced = Announced(session)
    try:
        ports = [await announced.open(transport) for _ in range(2)]
        yield Client(transport, announced, *ports)
    finally:
        await announced.close()


async def said(at: Client, port: int, data: bytes, source: str = "127.0.0.1") -> bytes:
    """What comes back; nothing where the connection ends, or a datagram is not answered."""
    loop = asyncio.get_running_loop()
    kind = socket.SOCK_STREAM if at.transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(type=kind) as sock:
        sock.setblocking(False)
        sock.bind((source, 0))
        await loop.sock_connect(sock, (at.announced._session.local_address, port))
        await loop.sock_sendall(sock, data)
        try:
            async with asyncio.timeout(5 if at.transport == "tcp" else 0.05):
                return await loop.sock_recv(sock, 4096)
        except (TimeoutError, ConnectionError):
            return b""


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_who_knows_the_secret_is_answered(transport: Transport) -> None:
    async with listening(transport) as at:
        data = call(at.port)
        answer = await said(at, at.port, data)
        assert frame.knows(answer, frame.REPLY, bytes(16), data, SECRET)
        assert at.called.heard == 1


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_nobody_else_is_and_none_of_it_counts(transport: Transport) -> None:
    async with listening(transport) as at:
        for port, data in (
            (at.other, call(at.port)),  # led to another port than the message said
            (at.port, call(at.port, secret=OTHER)),
            (at.port, call(at.port, number=NUMBER + 1)),
            (at.port, bytes(frame.SIZE)),
        ):
            assert await said(at, port, data) == b""
        assert at.called.heard == 0


async def test_a_datagram_is_answered_to_the_server_alone() -> None:
    async with listening("udp") as at:
        assert await said(at, at.port, call(at.port), source=address()) == b""
        assert at.called.heard == 1  # it is a call, from another address than we may send to


async def test_what_was_announced_is_free_again() -> None:
    async with listening("tcp") as at:
        assert await at.announced.also("tcp", at.port)  # as it is already
    with socket.socket() as sock:
        sock.bind((at.announced._session.local_address, at.port))


class Unproving:
    """A control connection on which ``address`` is proved at the ``proves``-th look, if ever."""

    alive = True

    def __init__(self, address: str, proves: int | None) -> None:
        self._address, self._proves, self.looks = address, proves, 0
        self.followed = 0

    async def call(self, request: Callable[[int], Any]) -> AsyncIterator[Any]:
        request(1)
        self.followed += 1
        yield messages.Refusal(id=1, reason="not-proven", detail=self._address)

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        await asyncio.sleep(wait_s)
        self.looks += 1
        return (self._address,) if self.looks == self._proves else ()


@pytest.mark.parametrize(
    ("proves", "source", "lost", "least_s", "most_s", "followed"),
    [
        (None, "198.51.100.9", 0, 0.15, 0.5, 2),  # no longer than an answer may take
        (3, "198.51.100.9", 1, 0.15, 0.6, 2),  # what proves it may have been lost
        (None, "198.51.100.8", 0, 0.0, 0.1, 1),  # it is not known to be ours
    ],
)
async def test_a_proof_is_waited_for_at_the_pace_of_the_path(
    proves: int | None, source: str, lost: int, least_s: float, most_s: float, followed: int
) -> None:
    line = Unproving("198.51.100.9", proves)
    session = Session(
        control=cast(ControlLine, line),
        session_id=b"8 bytes!",
        secret=SECRET,
        server_address="127.0.0.1",
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    session.pace = Pace().measured(0.05)
    session.control_tally.add(200, lost)
    target = Endpoint("198.51.100.9", 20001)
    said = Announcement(
        field="PORT", overheard=0, carried=0, transport="tcp", port=20001, target=target
    )
    began = time.monotonic()
    found = await follow(session, Announced(session), said, source)
    took_s = time.monotonic() - began
    assert (found.refused, line.followed) == ("not-proven", followed)
    assert least_s <= took_s < most_s


class _Stopped:
    """A control connection: the server goes somewhere until it is to stop, and nobody hears it."""

    alive = True

    def __init__(self) -> None:
        self.after: list[int] = []
        self._over = asyncio.Event()

    async def call(
        self, request: Callable[[int], messages.FollowRequest]
    ) -> AsyncIterator[messages.Called]:
        request(1)
        await self._over.wait()
        nothing: tuple[messages.Called, ...] = ()
        for said in nothing:
            yield said

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None:
        self.after.append(after)
        self._over.set()


@pytest.mark.parametrize(("lost", "least"), [(0, ATTEMPTS_MIN + 1), (1, ATTEMPTS_MIN + 6)])
async def test_loss_that_is_noticed_later_does_not_undo_that_nobody_gets_in(
    lost: int, least: int
) -> None:
    stopped = _Stopped()
    session = Session(
        control=cast(ControlLine, stopped),
        session_id=b"8 bytes!",
        secret=SECRET,
        server_address="127.0.0.1",
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    session.pace = Pace().measured(0.001)
    session.control_tally.add(1000, lost)
    told = Announcement(
        field="PORT",
        overheard=1,
        carried=0,
        transport="tcp",
        port=1,
        target=Endpoint("127.0.0.1", 1),
    )
    await follow(session, Announced(session), told, "127.0.0.1")
    assert len(stopped.after) == 1
    assert stopped.after[0] >= least
