"""Measuring with STUN servers alone: how the NAT behaves, without any echo server of ours."""

from __future__ import annotations

import asyncio

import msgspec

from netcheck.measure.behaviour import Behaviour
from netcheck.measure.record import Record
from netcheck.measure.way import address_towards, loss_of
from netcheck.plan import Plan
from probes.errors import SetupError
from probes.local import dns
from probes.nat import presence
from probes.path import Path, StunServer
from probes.wire import stun
from probes.wire.link import Link, is_address


class StunCheck:
    """``servers`` are names or addresses of one server: an address beyond the first counts as
    its other one (RFC 5780 section 3.1), because the user named it or his resolver did."""

    def __init__(
        self, servers: tuple[Link, ...], bind: str | None, plan: Plan, record: Record
    ) -> None:
        self._servers = servers
        self._bind = bind
        self._plan = plan
        self._record = record
        self._path: Path | None = None

    async def measure(self) -> None:
        """Find the server and run every probe that a STUN server serves for.  Raises SetupError
        if the address to test from cannot send to it."""
        self._record.say("Looking for the STUN server")
        addresses = await self._addresses()
        if not addresses:
            return
        bind = self._bind
        if bind:
            addresses = tuple(a for a in addresses if (":" in a) == (":" in bind))
            if not addresses:
                version = 6 if ":" in bind else 4
                raise SetupError(
                    f"From --bind {bind} there is no way to {self._servers[0].host}: it has no "
                    f"IPv{version} address."
                )
        first = addresses[0]
        same = [a for a in addresses[1:] if (":" in a) == (":" in first)]
        path = self._path = Path(
            server_address=first,
            local_address=self._bind or address_towards(first),
            began=self._record.began,
            stun=StunServer(
                address=first,
                port=self._servers[0].ports[0] if self._servers[0].ports else stun.PORT,
                other_address=same[0] if same else None,
            ),
        )
        seen = await presence.look(path)
        self._record.observe(seen)
        if any(attempt.outcome == "answered" for attempt in seen.attempts):
            behaviour = Behaviour(path, self._plan, self._record)
            try:
                await behaviour.run()
                await behaviour.finish()
            finally:
                await behaviour.close()

    def conclude(self) -> None:
        """State how much the path lost; a STUN server keeps no record that could be asked for."""
        if self._path is not None:
            self._record.observe(loss_of(self._path, self._record.now()))

    async def close(self) -> None:
        """Nothing is held open."""

    async def _addresses(self) -> tuple[str, ...]:
        """What the servers' names stand for, in order, each once."""
        found = await asyncio.gather(
            *(self._resolved(number, server.host) for number, server in enumerate(self._servers))
        )
        return tuple(dict.fromkeys(address for each in found for address in each))

    async def _resolved(self, number: int, host: str) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        looked_up = await dns.look_up(host, at_s=self._record.now)
        self._record.observe(msgspec.structs.replace(looked_up, id=f"dns-{number + 1}"))
        return looked_up.addresses
