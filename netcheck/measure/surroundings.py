"""What this computer and its gateways say of themselves."""

from __future__ import annotations

import asyncio

from netcheck.measure.record import Record
from netcheck.measure.way import address_towards
from netcheck.plan import Plan
from probes.local import interfaces, proxy
from probes.path import Path


class Surroundings:
    """``alone``: the server is this very program, and no gateway is in between."""

    def __init__(self, record: Record, plan: Plan, *, alone: bool) -> None:
        self._record = record
        self._outside = "nat" in plan.parts and plan.depth != "quick" and not alone

    async def look(self) -> None:
        """This computer first; its gateways and its resolver where NAT is asked about."""
        found = await asyncio.to_thread(interfaces.look, self._record.now(), proxy.proxies())
        self._record.observe(found)
        if self._outside:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._gateways(found.gateways))
                group.create_task(self._nat64())

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
