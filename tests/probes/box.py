"""A router on loopback that may edit what passes: a client that has an address of its own, a
server that sees the router's, and what the router does to each segment and datagram."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from probes.editors.contract import Transport

Change = Callable[[bytes], bytes | None]
"""What is sent on: None for nothing, and empty bytes end the connection."""


def same(data: bytes) -> bytes:
    return data


def spellings(address: str) -> list[bytes]:
    """An IPv4 address as the protocols write it."""
    packed = socket.inet_aton(address)
    return [
        address.encode(),
        address.replace(".", ",").encode(),
        address.encode("utf-16-le"),
        packed,
        str(struct.unpack("!I", packed)[0]).encode(),
        str(struct.unpack("<I", packed)[0]).encode(),
    ]


def rewriting(old: str, new: str) -> Change:
    """An editor of every protocol, for addresses of the same length in every spelling."""
    pairs = list(zip(spellings(old), spellings(new), strict=True))
    assert all(len(one) == len(other) for one, other in pairs)

    def change(data: bytes) -> bytes:
        for one, other in pairs:
            data = data.replace(one, other)
        return data

    return change


class Box:
    """Forwards ``inside`` to ``server``, as ``public``; both ways each through its change."""

    def __init__(self, inside: str, server: str, public: str, client: str) -> None:
        self.out: Change = same
        self.back: Change = same
        self.copies = 1  # of each datagram that comes back
        self._inside, self._server = inside, server
        self._public, self._client = public, client
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []

    async def forward(self, transport: Transport, port: int) -> None:
        """A port of the server's."""
        await self._open(transport, self._inside, self._server, self._public, port)

    async def open_way(self, transport: Transport, port: int) -> None:
        """The way in to a port of the client's."""
        await self._open(transport, self._public, self._client, self._server, port, edited=False)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        for sock in self._sockets:
            sock.close()

    async def _open(
        self, transport: Transport, here: str, to: str, as_: str, port: int, *, edited: bool = True
    ) -> None:
        out, back = (self._out, self._back) if edited else (same, same)
        if transport == "udp":
            sock = _udp(here, port)
            self._sockets.append(sock)
            self._start(self._flows(sock, (to, port), as_, out, back))
            return

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                far, away = await asyncio.open_connection(to, port, local_addr=(as_, 0))
            except OSError:
                writer.transport.abort()
                return
            for each in (writer, away):
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(_carry(reader, away, writer, out))
            self._start(_carry(far, writer, away, back))

        self._servers.append(await asyncio.start_server(accept, here, port))

    def _out(self, data: bytes) -> bytes | None:
        return self.out(data)

    def _back(self, data: bytes) -> bytes | None:
        return self.back(data)

    def _start(self, job: object) -> None:
        assert asyncio.iscoroutine(job)
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flows(
        self, sock: socket.socket, to: tuple[str, int], as_: str, out: Change, back: Change
    ) -> None:
        loop = asyncio.get_running_loop()
        flows: dict[tuple[str, int], socket.socket] = {}
        while True:
            data, source = await loop.sock_recvfrom(sock, 65536)
            if source not in flows:
                flows[source] = _udp(as_, 0)
                self._sockets.append(flows[source])
                self._start(_return(flows[source], sock, source, back, self.copies))
            if changed := out(data):
                await loop.sock_sendto(flows[source], changed, to)


async def _return(
    sock: socket.socket, inside: socket.socket, to: tuple[str, int], back: Change, copies: int
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        data = await loop.sock_recv(sock, 65536)
        changed = back(data)
        for _ in range(copies if changed else 0):
            await loop.sock_sendto(inside, changed or b"", to)


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    other: asyncio.StreamWriter,
    change: Change,
) -> None:
    try:
        while data := await reader.read(65536):
            changed = change(data)
            if changed == b"":
                other.transport.abort()
                return
            if changed is not None:
                writer.write(changed)
    except ConnectionError:
        pass
    finally:
        writer.transport.abort() if other.transport.is_closing() else writer.close()


def _udp(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((address, port))
    return sock


@asynccontextmanager
async def box(inside: str, server: str, public: str, client: str) -> AsyncIterator[Box]:
    made = Box(inside, server, public, client)
    try:
        yield made
    finally:
        await made.close()
