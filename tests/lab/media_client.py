"""The client of test_media.py: a session with the server, its media and the ports of a call.

    python -m tests.lab.media_client LINK SECONDS

Prints the observations as JSON: the streams, call set-up in both directions, the loss of the
path, and whether the server still answered at the end, which is what makes silence mean
something.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from probes.media import rtp_streams
from probes.observation import Control, Loss, Observation
from probes.reach import outbound_tcp
from probes.reach.inbound_tcp import Listeners
from probes.session import Session
from probes.wire.link import parse
from tests.probes.media.real import session_with

SETUP, SOUND = 1720, 1731


async def call_ports(session: Session, listeners: Listeners) -> list[Observation]:
    """Call set-up, as a call out and a call in would meet it."""
    seen: list[Observation] = []

    async def inbound() -> None:
        await listeners.bind(session.local_address)
        try:
            seen.extend(await listeners.run(session, None))
        finally:
            await listeners.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(inbound())
        for port in (SETUP, SOUND):
            group.create_task(outbound_tcp.at_once(session, (port,), seen.append))
    return seen


async def observe(text: str, seconds: float) -> list[Observation]:
    seen: list[Observation] = []
    async with session_with(parse(text), (SETUP,)) as (session, line):
        streams, ports = await asyncio.gather(
            rtp_streams.run(session, duration_s=seconds),
            call_ports(session, Listeners((SETUP,))),
        )
        confirmed = await line.ledger() is not None
        tally, tcp = session.control_tally, session.tallies["tcp"]
        loss = Loss(
            id="loss", at_s=0, took_s=0, control_sent=tally.sent, control_lost=tally.lost,
            tcp_sent=tcp.sent, tcp_lost=tcp.lost,
        )  # fmt: skip
        control = Control(
            id="control", at_s=0, took_s=0, host="server", attempts=(), connected=True,
            confirmed_at_end=confirmed, rtt_ms=(line.rtt_min_s or 0) * 1000,
        )  # fmt: skip
        seen += [*streams, *ports, loss, control]
    return seen


if __name__ == "__main__":
    made = asyncio.run(observe(sys.argv[1], float(sys.argv[2])))
    sys.stdout.write(msgspec.json.encode(made).decode())
