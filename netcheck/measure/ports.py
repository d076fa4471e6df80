"""The ports that the profiles need: all at once, but for what the plan keeps apart."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from netcheck.measure.record import Record
from netcheck.plan import Plan
from probes.local import port_owner
from probes.observation import InboundTcp, InboundUdp, OutboundTcp, OutboundUdp
from probes.reach import inbound_tcp, inbound_udp, outbound_tcp, outbound_udp
from probes.session import Session
from probes.wire import messages

_Reached = TypeVar("_Reached", OutboundTcp, OutboundUdp, InboundTcp, InboundUdp)


class Ports:
    """``await open()``, tell the server of ``tcp`` and ``udp``, ``run()``, and then ``close()``."""

    def __init__(self, session: Session, plan: Plan, record: Record) -> None:
        self._session = session
        self._plan = plan
        self._record = record
        self.outbound_tested = asyncio.Event()  # but for what waits for an inbound test
        self.inbound_tcp_tested = asyncio.Event()  # and its local ports are free again
        self._listeners = inbound_tcp.Listeners(plan.inbound_tcp)
        self._called = [inbound_udp.Receiver(entry.port) for entry in plan.udp]
        self._called_from = [
            inbound_udp.Receiver(0, remote_port=entry.port)
            for entry in plan.udp
            if ("udp", entry.port) not in session.unavailable
        ]

    @property
    def tcp(self) -> tuple[int, ...]:
        """The local TCP ports that were opened."""
        return self._listeners.open

    @property
    def udp(self) -> tuple[int, ...]:
        return tuple(r.port for r in (*self._called, *self._called_from) if r.open)

    async def open(self) -> None:
        """Open the local ports that are to be called; what fails is noted, not raised."""
        await self._listeners.bind(self._session.local_address)
        for receiver in (*self._called, *self._called_from):
            await receiver.bind(self._session.local_address)

    async def close(self) -> None:
        await self._listeners.close()
        for receiver in (*self._called, *self._called_from):
            receiver.close()

    async def run(self, own: str | None) -> None:
        """Every port.  ``own``: our address as the server saw it, if it is ours."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._outbound())
            group.create_task(self._inbound_tcp(own))
            for receiver in self._called:
                group.create_task(self._udp_in_then_out(receiver, own))
            for receiver in self._called_from:
                group.create_task(self._inbound_udp(receiver, own))

    async def _outbound(self) -> None:
        plan = self._plan
        grouped = {port for group in plan.groups for port in group}
        single = [(port,) for port in plan.outbound_tcp if port not in grouped]
        async with asyncio.TaskGroup() as group:
            for ports in (*single, *plan.groups):
                group.create_task(outbound_tcp.at_once(self._session, ports, self._record.observe))
            for port, local_port in plan.from_local:
                group.create_task(self._from_local(port, local_port))
            for entry in plan.udp:
                group.create_task(self._outbound_udp(None, outbound_udp.Destination(entry.port)))
        self.outbound_tested.set()

    async def _from_local(self, port: int, local_port: int) -> None:
        reach = outbound_tcp.Reach(self._session, port, local_port)
        try:
            found = await reach.run()
        finally:
            if reach.connection:
                reach.connection.end()
        self._record.observe(await self._with_holder(found, "tcp", local_port))

    async def _inbound_tcp(self, own: str | None) -> None:
        try:
            tested = await self._listeners.run(self._session, own)
        finally:
            await self._listeners.close()
            self.inbound_tcp_tested.set()
        for found in tested:
            self._record.observe(await self._with_holder(found, "tcp", found.port))

    async def _udp_in_then_out(self, receiver: inbound_udp.Receiver, own: str | None) -> None:
        """See netcheck.plan for why these two must not overlap."""
        port = asyncio.create_task(outbound_udp.any_port(self._session, receiver.wanted))
        try:
            await self._inbound_udp(receiver, own)
            await self._outbound_udp(receiver.wanted, await port)
        finally:
            port.cancel()
            await asyncio.gather(port, return_exceptions=True)

    async def _inbound_udp(self, receiver: inbound_udp.Receiver, own: str | None) -> None:
        found = await receiver.run(self._session, own)
        self._record.observe(await self._with_holder(found, "udp", found.port))

    async def _outbound_udp(self, local_port: int | None, to: outbound_udp.Destination) -> None:
        found = await outbound_udp.run(self._session, to, local_port)
        self._record.observe(await self._with_holder(found, "udp", local_port))

    async def _with_holder(
        self, found: _Reached, transport: messages.TransportName, port: int | None
    ) -> _Reached:
        """The same, with the program that holds our local ``port`` if that is taken."""
        if not (found.busy and port):
            return found
        owner = await asyncio.to_thread(
            port_owner.owner_of, transport, self._session.local_address, port
        )
        return msgspec.structs.replace(found, busy_by=owner.program if owner else None)
