"""A session with a real echo server, without a whole check around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from netcheck.server.serve import EchoServer
from probes.control.dial import dial
from probes.control.line import welcomed
from probes.pace import Pace
from probes.path import StunServer
from probes.session import Session
from probes.wire import messages
from probes.wire.link import Link

CLOSED_S = 5.0
"""For the goodbye of the control connection's TLS: a round trip, or longer where it is lost."""


@asynccontextmanager
async def session_with(link: Link, *, bind: str | None = None) -> AsyncIterator[Session]:
    """As a check makes it; the server's other address is the one that the link vouches for."""
    began = time.monotonic()
    dialled, attempts = await dial(
        link, (link.host,), link.ports, proxy=None, insecure=False, bind=bind
    )
    assert dialled is not None, attempts
    try:
        line = await welcomed(dialled)
        assert not isinstance(line, str), line
    except BaseException:
        await dialled.close()
        raise
    raw = dialled.socket.get_extra_info("socket")
    offer, stun = line.welcome.stun, None
    if offer is not None:
        stun = StunServer(
            address=dialled.peer,
            port=offer.port,
            other_port=offer.other_port,
            other_address=next(iter(link.also), None),
        )
    session = Session(
        control=line,
        session_id=bytes.fromhex(line.welcome.session),
        secret=bytes.fromhex(line.welcome.secret),
        server_address=dialled.peer,
        local_address=dialled.local,
        began=began,
        stun=stun,
    )
    session.pace = Pace().measured(dialled.rtt_s)
    line.start(session, messages.Hello(software="test", session=line.welcome.session, direct=True))
    try:
        yield session
    finally:
        await line.close()
        async with asyncio.timeout(CLOSED_S):
            while raw.fileno() != -1:  # noqa: ASYNC110 - the end of its TLS has no event
                await asyncio.sleep(0.002)


@asynccontextmanager
async def check_against(server: EchoServer, *, bind: str | None = None) -> AsyncIterator[Session]:
    async with session_with(server.links()[0], bind=bind) as session:
        yield session
