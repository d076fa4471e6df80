"""A TCP connection to a port of the server's, however many SYN of it are lost."""

from __future__ import annotations

import asyncio
import socket

from probes import sockets
from probes.attempts import Try, classify, race
from probes.session import Session


async def connected(session: Session, port: int) -> tuple[socket.socket | None, list[Try]]:
    """The first of several tries that comes about, which is the caller's to close; None if none
    does.  And what became of all of them."""
    won: list[socket.socket] = []

    async def one(this: Try) -> None:
        sock: socket.socket | None = None
        try:
            sock = sockets.tcp(session.local_address)
            if not await connect(session, sock, port, this):
                return
            # A handshake is half of what TCP's tally counts by: it is left out of it.
            this.outcome = "answered"
            if not won:
                won.append(sock)
        except OSError as error:
            this.ended(*classify(error))
        finally:
            if sock is not None and sock not in won:
                sock.close()

    try:
        tries = await race(session, "tcp", one)
    except BaseException:
        for sock in won:
            sock.close()
        raise
    return (won.pop() if won else None), tries


async def connect(session: Session, sock: socket.socket, port: int, this: Try) -> bool:
    """Whether it is connected before it is so late that it must have been lost: no more
    than a few wait at the same time."""
    loop = asyncio.get_running_loop()
    connecting = asyncio.create_task(loop.sock_connect(sock, (session.server_address, port)))
    try:
        while True:
            await asyncio.wait({connecting}, timeout=2 * session.pace.patience_s)
            if connecting.done():
                connecting.result()
                return True
            if not this.is_queued(session):
                return False
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
