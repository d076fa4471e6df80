"""Where packets get lost: copies of those that do, which die on the way and say where."""

from __future__ import annotations

import asyncio

from netcheck.measure.record import Record
from probes.nat import hops
from probes.observation import OutboundTcp, OutboundUdp, Transport
from probes.session import Session

PORTS_MAX = 2
"""Blocked ports of each transport that are followed: the lowest and the highest.  One device
stops them all nearly always, and each copy is a packet more."""


class Breaks:
    """``control_port``: a TCP port of the server's that passes."""

    def __init__(self, session: Session, control_port: int, record: Record) -> None:
        self._session = session
        self._control_port = control_port
        self._record = record
        self._followed: set[Transport] = set()

    async def look(self) -> None:
        """Of each transport, follow some ports that were tested by now and stayed silent,
        unless that was done before."""
        silent: dict[Transport, tuple[int, ...]] = {
            "tcp": self._silent(OutboundTcp),
            "udp": self._silent(OutboundUdp),
        }
        async with asyncio.TaskGroup() as group:
            for transport, ports in silent.items():
                if transport in self._followed:
                    continue
                if ports and not self._followed:
                    self._record.say("Looking where packets get lost")
                    group.create_task(self._follow("open", "tcp", self._control_port))
                if ports:
                    self._followed.add(transport)
                for port in ports:
                    group.create_task(self._follow("blocked", transport, port))

    def _silent(self, kind: type[OutboundTcp | OutboundUdp]) -> tuple[int, ...]:
        """The lowest and the highest port on which nothing came back."""
        silent = sorted(
            {
                o.port
                for o in self._record.observations
                if isinstance(o, kind)
                and o.attempts
                and all(a.outcome == "silent" for a in o.attempts)
            }
        )
        return tuple(dict.fromkeys((*silent[:1], *silent[-1:])))[:PORTS_MAX]

    async def _follow(self, aim: hops.Aim, transport: Transport, port: int) -> None:
        found = await hops.run(
            self._session,
            aim,
            transport,
            self._session.server_address,
            port,
            open_port=self._control_port if transport == "tcp" else None,
        )
        self._record.observe(found)
