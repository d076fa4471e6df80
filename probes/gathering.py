"""Several ports of ours at which whoever calls is kept waiting until all of them are there.

Who gets its answer then has an open connection in the same moment as all others that do.
"""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from typing import cast

from probes.callers import CALLERS_MAX, LISTEN_S
from probes.calls import Called
from probes.proof import read_call
from probes.session import Session
from probes.wire import frame


class Gathering:
    """``open`` ports, ``expect`` calls to them, ``answer`` all at once, and then ``close``.

    ``busy`` are the ports that something else has, ``failed`` why others could not be opened;
    ``news`` is set whenever somebody comes or goes.
    """

    def __init__(self, session: Session) -> None:
        self.busy: set[int] = set()
        self.failed: dict[int, str] = {}
        self.news = asyncio.Event()
        self._session = session
        self._servers: dict[int, asyncio.Server] = {}
        self._guests: dict[int, set[_Guest]] = {}
        self._called: dict[int, Called] = {}
        self._answering = False

    async def open(self, ports: tuple[int, ...]) -> tuple[int, ...]:
        """Listen on ``ports``; those that could be had.  What fails is noted, not raised."""
        loop = asyncio.get_running_loop()
        for port in ports:
            self._guests[port] = set()
            try:
                # Not serving at once: a cancellation in between would leave it open for ever.
                self._servers[port] = await loop.create_server(
                    partial(_Guest, self, port), self._session.local_address, port,
                    start_serving=False,
                )  # fmt: skip
                await self._servers[port].start_serving()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    self.busy.add(port)
                else:
                    self.failed[port] = error.strerror or "it cannot be opened"
        return tuple(self._servers)

    async def close(self) -> None:
        for server in self._servers.values():
            server.close()
        for guests in self._guests.values():
            for guest in tuple(guests):
                guest.end()
        for server in self._servers.values():
            await server.wait_closed()
        self._servers.clear()

    def expect(self, port: int, called: Called) -> None:
        """Calls with this number are meant for our own ``port``."""
        self._called[port] = called

    def waits(self, port: int) -> bool:
        """Whether somebody who knows the secret is on an open connection there."""
        return any(guest.waits for guest in self._guests[port])

    def answer(self) -> tuple[int, ...]:
        """Answer all who wait, and from now on whoever comes; where somebody waited."""
        self._answering = True
        there = tuple(port for port in self._guests if self.waits(port))
        for port in there:
            for guest in self._guests[port]:
                guest.is_answered()
        return there

    def admit(self, guest: _Guest, port: int) -> bool:
        guests = self._guests[port]
        if len(guests) >= CALLERS_MAX:
            return False
        guests.add(guest)
        return True

    def leave(self, guest: _Guest, port: int) -> None:
        self._guests[port].discard(guest)
        self.news.set()

    def hear(self, guest: _Guest, data: bytes, port: int) -> bytes | None:
        """What to answer when it is time; None to who does not know the secret."""
        called = self._called.get(port)
        got = read_call(data, self._session, called.number) if called else None
        if called is None or got is None:
            return None
        called.heard += 1
        self.news.set()
        return frame.reply_to(data, got, self._session.secret)

    @property
    def answering(self) -> bool:
        return self._answering


class _Guest(asyncio.Protocol):
    """Somebody who connected to ``port`` of ours."""

    def __init__(self, gathering: Gathering, port: int) -> None:
        self._gathering = gathering
        self._port = port
        self._buffer = bytearray()
        self._reply = b""
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        return bool(self._reply and self._transport and not self._transport.is_closing())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._gathering.admit(self, self._port):
            self.end()
            return
        self._deadline = asyncio.get_running_loop().call_later(LISTEN_S, self.end)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < frame.SIZE:
            return
        if self._reply or len(self._buffer) > frame.SIZE:
            self.end()  # our server says one thing, and waits
            return
        reply = self._gathering.hear(self, bytes(self._buffer), self._port)
        if reply is None:
            self.end()
            return
        self._reply = reply
        if self._deadline:
            self._deadline.cancel()
        if self._gathering.answering:
            self.is_answered()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._gathering.leave(self, self._port)

    def is_answered(self) -> None:
        if self.waits and self._transport:
            self._transport.write(self._reply)

    def end(self) -> None:
        if self._transport:
            self._transport.abort()
