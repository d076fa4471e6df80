"""A real session with a real echo server: what a media probe is given, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes.control.dial import dial
from probes.control.line import Line, welcomed
from probes.pace import Pace
from probes.session import Session
from probes.wire import messages
from probes.wire.link import Link


@asynccontextmanager
async def session_with(
    link: Link, tcp_ports: tuple[int, ...] = ()
) -> AsyncIterator[tuple[Session, Line]]:
    """Connect to the server that ``link`` names by its address, and say hello; ``tcp_ports``
    are those on which it may call."""
    began = time.monotonic()
    dialled, attempts = await dial(
        link, (link.host,), link.ports, proxy=None, insecure=False, bind=None
    )
    assert dialled is not None, attempts
    line = await welcomed(dialled)
    assert isinstance(line, Line), line
    try:
        session = Session(
            control=line,
            session_id=bytes.fromhex(line.welcome.session),
            secret=bytes.fromhex(line.welcome.secret),
            server_address=link.host,
            local_address=dialled.local,
            began=began,
        )
        session.pace = Pace().measured(dialled.rtt_s)
        line.start(
            session,
            messages.Hello(
                software="test",
                session=line.welcome.session,
                direct=True,
                tcp_ports=tcp_ports,
            ),
        )
        yield session, line
    finally:
        await line.close()
