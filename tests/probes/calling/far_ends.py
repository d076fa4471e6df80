"""Servers on loopback that may lie: pure ends over TCP, and a control connection of any kind."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import probes
from probes.editors.contract import End, Own
from probes.errors import WireError
from probes.pace import Pace
from probes.session import ControlLine, ControlLost, Session
from probes.wire import messages
from probes.wire.frame import Endpoint

SECRET = bytes(range(32))
_PROBES = Path(probes.__file__).parent


def left_running() -> set[str]:
    """The jobs of probes that have not ended."""
    jobs = (cast(Any, task.get_coro()).cr_code for task in asyncio.all_tasks())
    return {
        job.co_qualname
        for job in jobs
        if Path(job.co_filename).is_relative_to(_PROBES) and "control" not in job.co_filename
    }


class Line:
    """A control connection whose server is a terminal at ``port``, or says ``replies``; it tells
    its report when it is told to stop."""

    def __init__(self, port: int = 0, replies: tuple[Any, ...] | None = None) -> None:
        self.alive = True
        self.requests: list[messages.TerminalRequest] = []
        self.takers: dict[int, Callable[[messages.Overheard], None]] = {}
        self.report = messages.TerminalReport(id=1)
        self.stopped = asyncio.Event()
        self._replies = (messages.TerminalReady(id=1, port=port),) if replies is None else replies

    @contextlib.contextmanager
    def overhear(self, number: int, take: Callable[[messages.Overheard], None]) -> Iterator[None]:
        self.takers[number] = take
        try:
            yield
        finally:
            del self.takers[number]

    async def ask(self, request: Callable[[int], Any]) -> AsyncIterator[Any]:
        self.requests.append(request(1))
        for reply in self._replies:
            if isinstance(reply, ControlLost):
                raise reply
            yield reply
        await self.stopped.wait()
        yield self.report

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        return ()

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None:
        self.stopped.set()


def session_with(line: Line, server: str, local: str) -> Session:
    made = Session(
        control=cast(ControlLine, line),
        session_id=b"8 bytes!",
        secret=SECRET,
        server_address=server,
        local_address=local,
        began=time.monotonic(),
    )
    made.pace = Pace().measured(0.001)
    made.answered_until = math.inf  # each heartbeat is answered at once, and none is lost
    made.control_tally.add(400, 0)
    return made


class Spoken:
    """A TCP port on which ``end`` speaks."""

    def __init__(self, end: Callable[[Own], End], listening: Endpoint) -> None:
        self.connections = 0
        self._end = end
        self._listening = listening
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, address: str, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._accept, address, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        end = self._end(
            Own(
                socket=Endpoint.of(writer.get_extra_info("sockname")),
                listening=self._listening,
                peer=Endpoint.of(writer.get_extra_info("peername")),
                label=bytes(16),
            )
        )
        with contextlib.suppress(ConnectionError, WireError):
            writer.writelines(end.begin().send)
            while data := await reader.read(4096):
                writer.writelines(end.receive(data).send)
        writer.close()


Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@contextlib.asynccontextmanager
async def stranger(speak: Speak, address: str, port: int = 0) -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            await speak(reader, writer)

    server = await asyncio.start_server(accept, address, port)
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


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Packets that keep a connection alive, for ever."""
    while True:
        writer.write(b"\x03\x00\x00\x04" * 4096)
        await writer.drain()
