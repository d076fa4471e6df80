"""A TCP endpoint of this computer that the echo server knows for ours.

Several sockets share one local port here: a NAT is known by what it makes of the same local
address and port towards different destinations (RFC 5382 section 4.1).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes import sockets
from probes.attempts import Try, classify, race
from probes.path import cancelled_at_end
from probes.proof import read_proof
from probes.session import Session
from probes.wire import frame

PORTS_MAX = 3
"""Echo ports tried at the same time: one may be blocked, or changed on the way."""


def shared(address: str, port: int = 0) -> socket.socket:
    """A TCP socket bound to ``address`` and ``port``, which it can have together with others
    made here.  Raises OSError."""
    return sockets.tcp(address, port, shared=True)


def endpoint(name: tuple[str, int]) -> frame.Endpoint:
    """What ``getsockname`` or ``getpeername`` says, without a zone."""
    return frame.Endpoint.of(name)


async def exactly(sock: socket.socket, size: int) -> bytes:
    """``size`` bytes, or fewer if the connection ended before.  Raises OSError."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(sock, size - len(data))
        if not more:
            break
        data += more
    return data


async def next_frame(sock: socket.socket) -> bytes:
    """A frame's 128 bytes; fewer if the connection ended or the bytes are no frame's.
    Raises OSError."""
    data = await exactly(sock, len(frame.MAGIC))
    return data if data != frame.MAGIC else data + await exactly(sock, frame.SIZE - len(data))


async def proved(
    session: Session, sock: socket.socket, port: int, number: int, this: Try
) -> frame.Answer | None:
    """The server's proof over a new connection to its echo ``port``; ``this`` is told how
    that went.  Raises OSError."""
    loop = asyncio.get_running_loop()
    own = endpoint(sock.getsockname())
    sent = session.probe_frame("tcp", port, number, own)
    await loop.sock_sendall(sock, sent)
    got = await next_frame(sock)
    if not got:
        this.ended("closed", "the connection was ended without an answer")
        return None
    verdict = read_proof(sent, got, session)
    if isinstance(verdict, tuple):
        this.ended(*verdict)
        return None
    confirm = frame.Frame(frame.CONFIRM, number, session.id, sent[16:32], verdict.server_nonce)
    await loop.sock_sendall(sock, frame.write(confirm, session.secret))
    return verdict


class Held:
    """An open connection from ``local``, which the server sees as ``mapped``.  As long as it
    is open the server may call there."""

    def __init__(self, sock: socket.socket, port: int, mapped: frame.Endpoint) -> None:
        self.sock = sock
        self.port = port
        self.local = endpoint(sock.getsockname())
        self.mapped = mapped


async def echo_ports(session: Session, count: int) -> tuple[int, ...] | str:
    """Dynamic ports on which the server echoes to this session, or in words why not."""
    return await session.echo_ports("tcp", count)


@asynccontextmanager
async def hold(session: Session, ports: tuple[int, ...] = ()) -> AsyncIterator[Held | str]:
    """Connect to one of the server's echo ``ports``, or to a dynamic one where none is named,
    from a new local port and prove it, or say in words why it cannot be done.

    Whatever the network does, nothing is raised.
    """
    if not ports:
        opened = await echo_ports(session, PORTS_MAX)
        if isinstance(opened, str):
            yield opened
            return
        ports = opened
    held: list[Held] = []

    async def one(port: int) -> None:
        number = session.number()

        async def attempt(this: Try) -> None:
            try:
                await _hold(session, port, number, this, held)
            except OSError as error:
                this.ended(*classify(error))

        await race(session, "tcp", attempt)

    tasks = {asyncio.create_task(one(port)) for port in ports[:PORTS_MAX]}
    try:
        async with cancelled_at_end(tasks):
            waiting = tasks
            while waiting and not held:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        tried = ", ".join(str(port) for port in ports[:PORTS_MAX])
        yield held[0] if held else f"no connection to TCP port {tried} of the echo server"
    finally:
        for each in held:
            each.sock.close()


async def _hold(session: Session, port: int, number: int, this: Try, held: list[Held]) -> None:
    sock = shared(session.local_address)
    kept = False
    try:
        await asyncio.get_running_loop().sock_connect(sock, (session.server_address, port))
        connected_s = this.age_s
        this.outcome = "mute"
        answer = await proved(session, sock, port, number, this)
        if answer is None:
            return
        asked_s = this.age_s
        # The server has read the confirmation once it answers what came after it.
        if await proved(session, sock, port, number, this) is None:
            return
        this.ended("answered")
        this.took_s = round(min(connected_s, this.age_s - asked_s), 5)
        held.append(Held(sock, port, answer.source))
        kept = True
    finally:
        if not kept:
            sock.close()
