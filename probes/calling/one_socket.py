"""A connection that an editor expects: the one socket that may open it.

Who announces a control channel is called there once, and Linux's editor edits what is said on the
first connection that comes, if only its SYN does, and on no other.  The system repeats the SYN of
a socket by itself, after one second and after two more; that is slow to show that nothing gets
through, so further sockets are tried beside it, on which nothing is said.
"""

from __future__ import annotations

import asyncio
import socket

from probes import sockets
from probes.attempts import Try, classify, race
from probes.connecting import connect, connected
from probes.path import cancelled_at_end
from probes.session import Session

REPEATED_S = 3.0
"""By then a system has repeated a SYN twice (RFC 6298 section 2.1)."""


async def connected_once(session: Session, port: int) -> tuple[socket.socket | None, list[Try]]:
    """The first socket, and its try alone, if it comes about; else another and all the tries,
    or None."""
    try:
        first = sockets.tcp(session.local_address)
    except OSError as error:
        this = Try(session.now())
        this.ended(*classify(error))
        return None, [this]
    kept = False
    job = asyncio.create_task(_connects(session, first, port))
    try:
        async with cancelled_at_end({job}):
            tries = await _race(session, port, job)
            if any(this.outcome == "answered" for this in tries):
                # The way is open, so the first is late and not lost.
                await asyncio.wait({job}, timeout=REPEATED_S + session.pace.patience_s)
            if job.done() and job.exception() is None:
                kept = True
                return first, tries[:1]
        if not any(this.outcome == "answered" for this in tries):
            return None, tries
        other, more = await connected(session, port)
        return other, tries + more
    finally:
        if not kept:
            first.close()


async def _connects(session: Session, sock: socket.socket, port: int) -> None:
    await asyncio.get_running_loop().sock_connect(sock, (session.server_address, port))


async def _race(session: Session, port: int, first: asyncio.Task[None]) -> list[Try]:
    made = 0

    async def one(this: Try) -> None:
        nonlocal made
        made += 1
        try:
            if made == 1:
                await asyncio.wait({first})
                first.result()
                this.outcome = "answered"
                return
            with sockets.tcp(session.local_address) as sock:
                if await connect(session, sock, port, this):
                    this.outcome = "answered"
        except OSError as error:
            this.ended(*classify(error))

    return await race(session, "tcp", one)
