"""Whoever calls waits until all are there; who does not know the secret is not let in."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from probes.callers import CALLERS_MAX
from probes.calls import Called
from probes.gathering import Gathering
from probes.session import Session
from probes.wire import frame
from tests.netcheck.loopback import address

SECRET, ID = bytes(range(32)), bytes(range(8))
PORTS = (6891, 6892, 6893)
SOON_S = 5.0


class Caller:
    """Somebody who connects and may say something."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def heard(self) -> bytes:
        async with asyncio.timeout(SOON_S):
            try:
                return await self.reader.read(1000)
            except ConnectionError:
                return b""

    @property
    def is_answered(self) -> bool:
        return bool(cast(Any, self.reader)._buffer)


class Host:
    def __init__(self, at: str) -> None:
        self.at = at
        session = Session(
            control=cast(Any, None),
            session_id=ID,
            secret=SECRET,
            server_address=at,
            local_address=at,
            began=time.monotonic(),
        )
        self.gathering = Gathering(session)
        self.called = {port: Called(port, port) for port in PORTS}
        for port, called in self.called.items():
            self.gathering.expect(port, called)
        self._callers: list[Caller] = []

    async def caller(self, port: int, data: bytes = b"") -> Caller:
        made = Caller(*await asyncio.open_connection(self.at, port))
        self._callers.append(made)
        made.writer.write(data)
        return made

    async def until(self, waiting: tuple[int, ...]) -> None:
        async with asyncio.timeout(SOON_S):
            while tuple(p for p in PORTS if self.gathering.waits(p)) != waiting:
                self.gathering.news.clear()
                await self.gathering.news.wait()

    async def close(self) -> None:
        await self.gathering.close()
        for caller in self._callers:
            caller.writer.close()
            await asyncio.gather(caller.writer.wait_closed(), return_exceptions=True)


def call(number: int, *, secret: bytes = SECRET, kind: int = frame.CALL) -> bytes:
    body = frame.call_body(frame.Endpoint("192.0.2.1", number))
    return frame.write(frame.Frame(kind, number, ID, bytes(16), body), secret)


@asynccontextmanager
async def host(ports: tuple[int, ...] = PORTS) -> AsyncIterator[Host]:
    made = Host(address())
    try:
        assert await made.gathering.open(ports) == ports
        yield made
    finally:
        await made.close()


async def test_nobody_is_answered_before_all_are() -> None:
    async with host() as here:
        callers = [await here.caller(port, call(port)) for port in PORTS]
        await here.until(PORTS)
        assert not any(caller.is_answered for caller in callers)
        assert here.gathering.answer() == PORTS
        for port, caller in zip(PORTS, callers, strict=True):
            reply = await caller.heard()
            assert frame.knows(reply, frame.REPLY, bytes(16), call(port), SECRET)
        assert [here.called[port].heard for port in PORTS] == [1, 1, 1]


async def test_who_comes_afterwards_is_answered_at_once_and_was_not_there() -> None:
    async with host() as here:
        await here.caller(PORTS[0], call(PORTS[0]))
        await here.until(PORTS[:1])
        assert here.gathering.answer() == PORTS[:1]
        late = await here.caller(PORTS[1], call(PORTS[1]))
        assert len(await late.heard()) == frame.SIZE


async def test_who_has_gone_was_not_there() -> None:
    async with host() as here:
        await here.caller(PORTS[1], call(PORTS[1]))
        gone = await here.caller(PORTS[0], call(PORTS[0]))
        await here.until(PORTS[:2])
        gone.writer.transport.abort()
        await here.until(PORTS[1:2])
        assert here.gathering.answer() == PORTS[1:2]


async def test_who_says_goodbye_has_gone_too() -> None:
    async with host() as here:
        gone = await here.caller(PORTS[0], call(PORTS[0]))
        await here.until(PORTS[:1])
        gone.writer.write_eof()
        await here.until(())


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n" * 8,
        call(PORTS[0], secret=bytes(32)),
        call(PORTS[1]),
        call(PORTS[0], kind=frame.PROBE),
        call(PORTS[0]) + b"more",
        call(PORTS[0])[:-1] + b"\0",
    ],
    ids=["other words", "other secret", "other port", "other kind", "too much", "altered"],
)
async def test_who_does_not_know_the_secret_is_sent_away(data: bytes) -> None:
    async with host() as here:
        stranger = await here.caller(PORTS[0], data)
        assert await stranger.heard() == b""
        assert here.gathering.answer() == ()
        assert here.called[PORTS[0]].heard == 0


async def test_who_goes_on_talking_is_sent_away() -> None:
    async with host() as here:
        stranger = await here.caller(PORTS[0], call(PORTS[0]))
        await here.until(PORTS[:1])
        stranger.writer.write(b"x" * frame.SIZE)
        assert await stranger.heard() == b""
        await here.until(())


async def test_a_crowd_is_not_let_in() -> None:
    async with host() as here:
        callers = [await here.caller(PORTS[0]) for _ in range(CALLERS_MAX)]
        one_more = await here.caller(PORTS[0], call(PORTS[0]))
        assert await one_more.heard() == b""
        assert not here.gathering.waits(PORTS[0])
        callers[0].writer.write(call(PORTS[0]))
        await here.until(PORTS[:1])


async def test_a_port_that_is_taken_is_told_from_one_that_cannot_be_had() -> None:
    here = Host(address())
    with socket.create_server((here.at, PORTS[1])):
        assert await here.gathering.open(PORTS) == (PORTS[0], PORTS[2])
    assert (here.gathering.busy, here.gathering.failed) == ({PORTS[1]}, {})
    await here.close()
    nowhere = Host("192.0.2.77")
    assert await nowhere.gathering.open(PORTS) == ()
    assert nowhere.gathering.busy == set()
    assert set(nowhere.gathering.failed) == set(PORTS)
    assert all(nowhere.gathering.failed.values())


async def test_what_was_opened_is_free_again() -> None:
    async with host() as here:
        await here.caller(PORTS[0], call(PORTS[0]))
        await here.until(PORTS[:1])
    with socket.create_server((here.at, PORTS[0])):
        pass
