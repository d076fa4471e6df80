"""A way to the server that loses, delays, doubles and swaps packets as it is told.

It has the server's own port numbers on another address of loopback, and speaks to the server
from the client's, so that the server holds it for the client's NAT.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Literal

from probes.session import ControlLine
from probes.wire import messages

Direction = Literal["outbound", "inbound"]
Fate = Callable[[Direction, int], tuple[float, ...]]
"""Of the n-th packet in a direction: the delays in seconds with which copies arrive; BEHIND
is as long as the next packet takes."""

BEHIND = -1.0


class Relay:
    """``address`` is where the client believes the server to be."""

    def __init__(self, address: str, client: str, server: str, fate: Fate) -> None:
        self.address = address
        self._client, self._server, self._fate = client, server, fate
        self._ways: list[_Way] = []

    async def open(self, port: int) -> None:
        way = _Way(self, port, self._client, self._server, self._fate)
        self._ways.append(way)
        await way.listen()

    def close(self) -> None:
        for way in self._ways:
            way.close()


class _Way:
    """One port of the server's, and the client's one port that speaks to it."""

    def __init__(self, relay: Relay, port: int, client: str, server: str, fate: Fate) -> None:
        self._server = (server, port)
        self._fate = fate
        self._client_at: tuple[str, int] | None = None
        self._near = _bound(relay.address, port)
        self._far = _bound(client, 0)
        self._counts: dict[Direction, int] = {"outbound": 0, "inbound": 0}
        self._later: set[asyncio.TimerHandle] = set()
        self._held: dict[Direction, list[Callable[[], object]]] = {"outbound": [], "inbound": []}

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._near, self._from_client)
        loop.add_reader(self._far, self._from_server)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for timer in self._later:
            timer.cancel()
        for sock in (self._near, self._far):
            loop.remove_reader(sock)
            sock.close()

    def _from_client(self) -> None:
        data, self._client_at = self._near.recvfrom(4096)
        self._pass_on("outbound", lambda: self._far.sendto(data, self._server))

    def _from_server(self) -> None:
        data = self._far.recv(4096)
        to = self._client_at
        if to:
            self._pass_on("inbound", lambda: self._near.sendto(data, to))

    def _pass_on(self, direction: Direction, send: Callable[[], object]) -> None:
        number = self._counts[direction]
        self._counts[direction] += 1
        held, self._held[direction] = self._held[direction], []
        for delay_s in self._fate(direction, number):
            if delay_s == BEHIND:
                self._held[direction].append(send)
            elif delay_s:
                self._later.add(asyncio.get_running_loop().call_later(delay_s, send))
            else:
                send()
        for waiting in held:
            waiting()


class RelayedLine:
    """The control line of a session whose media go through ``relay``."""

    def __init__(self, line: ControlLine, relay: Relay) -> None:
        self._line = line
        self._relay = relay

    @property
    def alive(self) -> bool:
        return self._line.alive

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        return await self._line.proven(wait_s)

    async def ask(
        self, request: Callable[[int], messages.ClientMessage]
    ) -> AsyncIterator[messages.ServerMessage]:
        async for reply in self._line.ask(request):
            if isinstance(reply, messages.MediaReady):
                for stream in reply.streams:
                    await self._relay.open(stream.port)
                    await self._relay.open(stream.port + 1)
            yield reply


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((address, port))
    return sock
