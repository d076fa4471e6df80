"""What this computer and its gateways say of themselves."""

from __future__ import annotations

import asyncio

from netcheck.measure.record import Record
from netcheck.measure.way import address_towards
from netcheck.plan import Plan
from probes.local import interfaces, proxy
from probes.path import Path

FIRST_S = 0.1
"""A person sees the first fact within a third of a second.  It takes 40 ms, twice that if what
the server's search needs is loaded at the same time; a slow system must not hold up the check."""


class Surroundings:
    """``alone``: the server is this very program, and no gateway is in between."""

    def __init__(self, record: Record, plan: Plan, *, alone: bool) -> None:
        self._record = record
        self._told = asyncio.Event()
        self._outside = "nat" in plan.parts and plan.depth != "quick" and not alone

    async def look(self) -> None:
        """This computer first; its gateways and its resolver where NAT is asked about."""
        found = await asyncio.to_thread(interfaces.look, self._record.now(), proxy.proxies())
        self._record.observe(found)
        self._told.set()
        if self._outside:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._gateways(found.gateways))
                group.create_task(self._nat64())

    async def stood(self) -> None:
        """Wait until it is told where this computer stands, but no longer than FIRST_S."""
        try:
            async with asyncio.timeout(FIRST_S):
                await self._told.wait()
        except TimeoutError:
            pass

    async def _gateways(self, gateways: tuple[str, ...]) -> None:
        if gateways:
            way = Path(
                server_address=gateways[0],
                local_address=address_towards(gateways[0]),
                began=self._record.began,
            )
            from probes.local import port_mapping  # loaded when the first packets are out

            self._record.observe(await port_mapping.look(way, gateways))

    async def _nat64(self) -> None:
        from probes.local import nat64

        self._record.observe(await nat64.look(self._record.now))
