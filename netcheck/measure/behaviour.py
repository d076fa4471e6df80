"""How the NAT behaves: every question at once, each with sockets of its own (see netcheck.plan)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from netcheck.measure.record import Record
from netcheck.plan import Plan
from probes.nat import (
    filtering,
    fragments,
    hairpin,
    hops,
    icmp_errors,
    lifetime,
    mapping,
    path_mtu,
    ports,
    punch,
    tcp_filtering,
    tcp_lifetime,
    tcp_mapping,
)
from probes.observation import NatMapping, Observation
from probes.path import Path
from probes.session import Session
from probes.wire.frame import Endpoint

_BY_STUN: tuple[Callable[[Path], Awaitable[Observation]], ...] = (
    filtering.run,
    hairpin.run,
    ports.run,
)
_BY_SERVER: tuple[Callable[[Session], Awaitable[Observation]], ...] = (
    tcp_filtering.run,
    punch.run,
    path_mtu.run,
    icmp_errors.run,
)


DEEP_S = 300.0
"""The longest idle time that a deep check waits for: bindings that live for five minutes harm
no call, and with the second look between two times it ends within ten minutes."""


class Behaviour:
    """``await run()``, when all else is done ``await finish()``, and however it ends ``close()``.

    Where the path leads to a STUN server alone, what needs an echo server is left out.
    """

    def __init__(self, path: Path, plan: Plan, record: Record) -> None:
        self._path = path
        self._plan = plan
        self._record = record
        self._udp_binding = lifetime.Lifetime()
        self._tcp_binding = tcp_lifetime.Lifetime()
        self._waiting: list[Callable[[], Awaitable[Observation]]] = []

    async def run(self) -> None:
        """Everything but the lifetime that the length of the check allows for."""
        self._record.say("Asking how addresses are translated")
        async with asyncio.TaskGroup() as group:
            if self._path.stun is not None:
                group.create_task(self._mapping())
                for ask in _BY_STUN:
                    group.create_task(self._observe(ask(self._path)))
            if self._plan.depth == "quick":
                return
            if self._path.stun is not None:
                group.create_task(self._observe(tcp_mapping.run(self._path)))
                group.create_task(self._lifetimes())
                group.create_task(self._route())
            group.create_task(self._fragments())
            if isinstance(self._path, Session):
                session = self._path
                for question in _BY_SERVER:
                    group.create_task(self._observe(question(session)))
                group.create_task(self._tcp_lifetimes(session))

    async def finish(self) -> None:
        """See whether what was opened at the start, and left alone, is still alive."""
        if not self._waiting:
            return
        self._record.say("Seeing whether idle connections are still alive")
        async with asyncio.TaskGroup() as group:
            for finish in self._waiting:
                group.create_task(self._observe(finish()))

    async def close(self) -> None:
        self._udp_binding.close()
        await self._tcp_binding.close()

    async def _observe(self, probe: Awaitable[Observation]) -> None:
        self._record.observe(await probe)

    async def _mapping(self) -> None:
        found = await mapping.run(self._path)
        self._record.observe(found)
        if self._plan.depth != "quick":
            own = _public_address(found)
            if own is not None and hairpin.may_be_ours(own, self._path.server_address):
                self._record.observe(await hops.run(self._path, "own-address", "udp", own))

    async def _lifetimes(self) -> None:
        if self._plan.deep:
            self._record.observe(await lifetime.deep(self._path, DEEP_S))
        else:
            await self._udp_binding.begin(self._path)
            self._waiting.append(self._udp_binding.finish)

    async def _tcp_lifetimes(self, session: Session) -> None:
        if self._plan.deep:
            self._record.observe(await tcp_lifetime.deep(session, most_s=DEEP_S))
        else:
            await self._tcp_binding.begin(session)
            self._waiting.append(self._tcp_binding.finish)

    async def _route(self) -> None:
        server = self._path.stun
        assert server is not None
        found = await hops.run(self._path, "open", "udp", server.address, server.port)
        self._record.observe(found)

    async def _fragments(self) -> None:
        for found in await fragments.run(self._path):
            self._record.observe(found)


def _public_address(found: NatMapping) -> str | None:
    """The one that all destinations agree on, if it is not our own."""
    seen = {Endpoint.read(text).address for m in found.seen if (text := m.xored or m.plain)}
    translated = len(seen) == 1 and Endpoint.read(found.local).address not in seen
    return seen.pop() if translated else None
