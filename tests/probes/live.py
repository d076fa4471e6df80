"""A session with a real echo server, as a check has one, for a probe to run in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes.control.dial import dial
from probes.control.line import welcomed
from probes.pace import Pace
from probes.session import Session
from probes.wire import messages
from probes.wire.link import Link

GOODBYE_S = 10.0
"""TCP repeats what is lost for so long before a test fails."""


@asynccontextmanager
async def session(link: Link, bind: str | None = None) -> AsyncIterator[Session]:
    """The server that ``link`` names by its address; the control connection from ``bind``."""
    dialled, attempts = await dial(
        link, (link.host,), link.ports, proxy=None, insecure=False, bind=bind
    )
    assert dialled is not None, attempts
    sock = dialled.socket.get_extra_info("socket")
    try:
        line = await welcomed(dialled)
        assert not isinstance(line, str), line
        try:
            made = Session(
                control=line,
                session_id=bytes.fromhex(line.welcome.session),
                secret=bytes.fromhex(line.welcome.secret),
                server_address=dialled.peer,
                local_address=dialled.local,
                began=time.monotonic(),
            )
            made.pace = Pace().measured(dialled.rtt_s)
            hello = messages.Hello(software="test", session=line.welcome.session, direct=True)
            line.start(made, hello)
            yield made
        finally:
            await line.close()
    finally:
        await dialled.close()
        # TLS says goodbye first; nobody tells when that is done.
        async with asyncio.timeout(GOODBYE_S):
            while sock.fileno() != -1:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
