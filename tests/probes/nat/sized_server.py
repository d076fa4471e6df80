"""An echo server on loopback behind a link that loses what is too large, and some of the rest."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from probes.pace import Pace
from probes.session import ControlLine, Session
from probes.sized_echo import overhead
from probes.wire import frame

ID, SECRET = bytes(range(8)), bytes(range(32))


class Server(asyncio.DatagramProtocol):
    def __init__(self, passes: Callable[[int], bool]) -> None:
        self.passes = passes
        self.largest = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        source = frame.Endpoint(str(addr[0]), int(addr[1]))
        size = len(data) + overhead(source.address)
        self.largest = max(self.largest, size)
        if not self.passes(size) or self._transport is None:
            return
        got = frame.read(data[: frame.SIZE], SECRET)
        body = frame.write_answer(frame.Answer(source, 1, frame.digest(data), bytes(8)))
        answer = frame.Frame(frame.ANSWER, got.number, got.session, got.nonce, body)
        self._transport.sendto(frame.write(answer, SECRET), addr)


@asynccontextmanager
async def behind(
    address: str, passes: Callable[[int], bool]
) -> AsyncIterator[tuple[Session, int, Server]]:
    """A session, a port of the server's, and the server."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(passes), local_addr=(address, 0)
    )
    session = Session(
        control=cast(ControlLine, None),
        session_id=ID,
        secret=SECRET,
        server_address=address,
        local_address=address,
        began=time.monotonic(),
    )
    session.pace = Pace().measured(0.001)
    session.control_tally.add(200, 0)
    try:
        yield session, transport.get_extra_info("sockname")[1], server
    finally:
        transport.close()
        await asyncio.sleep(0)


def up_to(limit: int, loss: float = 0.0, seed: int = 1) -> Callable[[int], bool]:
    """A link that passes ``limit`` bytes, and loses ``loss`` of what it passes."""
    chance = random.Random(seed)
    return lambda size: size <= limit and chance.random() >= loss
