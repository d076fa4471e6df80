"""The client of test_calls_truth.py: a session with the server, and the calls of a check.

    python -m tests.lab.call_client LINK

Prints the observations as JSON.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from netcheck import plan, profile
from netcheck.measure import calls
from netcheck.measure.editors import Offer
from netcheck.measure.record import Record
from probes.observation import AnyObservation
from probes.wire.link import parse
from tests.probes.media.real import session_with

PLAN = plan.make([p for p in profile.built_in() if p.id == "netmeeting"], "default", ["editors"])


async def observe(text: str) -> list[AnyObservation]:
    record = Record(PLAN, lambda event: None)
    free = asyncio.Event()
    free.set()
    async with session_with(parse(text)) as (session, line):
        offer = Offer.of(line.welcome, line.welcome.software)
        await calls.call(session, PLAN, record, offer, free, free)
    return record.observations


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(asyncio.run(observe(sys.argv[1]))).decode())
