"""What a call needs: the dynamic ports, and media that sounds right."""

from __future__ import annotations

import asyncio

from netcheck.measure.record import Record
from netcheck.plan import Plan
from probes.media import rtp_streams
from probes.observation import Transport
from probes.reach import dynamic_range
from probes.session import Session

BURST_S = 0.3
"""The ports' packets and what they load are through by then, unless something is silent:
then they are few, and media need not wait for them."""

RANGE_S, RANGE_DEEP_S = 8.0, 120.0
"""For each transport, side by side: three seconds do without loss, six where a tenth is lost; in
a deep check for edges that are exact, at a pace that no firewall takes for a flood."""

MEDIA_S, MEDIA_DEEP_S = 3.0, 20.0
"""150 audio packets tell 5 % loss from none; 1000 tell it from 3 %."""


async def voice(session: Session, plan: Plan, record: Record, tested: asyncio.Event) -> None:
    """What the plan asks for; ``tested`` is set when the ports have been."""
    async with asyncio.TaskGroup() as group:
        if "range" in plan.parts:
            group.create_task(dynamic_ranges(session, plan, record, tested))
        if "media" in plan.parts:
            group.create_task(media(session, plan, record, tested))


async def dynamic_ranges(
    session: Session, plan: Plan, record: Record, tested: asyncio.Event
) -> None:
    """UDP and TCP, both at once."""
    await _after_the_burst(tested)
    budget_s = RANGE_DEEP_S if plan.deep else RANGE_S

    async def one(transport: Transport) -> None:
        record.observe(
            await dynamic_range.run(session, transport, deep=plan.deep, budget_s=budget_s)
        )

    async with asyncio.TaskGroup() as group:
        group.create_task(one("udp"))
        group.create_task(one("tcp"))


async def media(session: Session, plan: Plan, record: Record, tested: asyncio.Event) -> None:
    """Voice and video, both directions at once."""
    await _after_the_burst(tested)
    duration_s = MEDIA_DEEP_S if plan.deep else MEDIA_S
    record.say("Sending and receiving sound and picture")
    for stream in await rtp_streams.run(session, duration_s=duration_s):
        record.observe(stream)


async def _after_the_burst(tested: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(BURST_S):
            await tested.wait()
    except TimeoutError:
        pass
