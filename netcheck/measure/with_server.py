"""Measuring against a cooperating echo server: find it, open a session, run every part."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Literal

import msgspec

from netcheck import __version__
from netcheck.measure.ports import Ports
from netcheck.measure.record import Record
from netcheck.measure.way import address_towards, loss_of
from netcheck.plan import Plan
from probes.control.dial import Dialled, dial
from probes.control.line import Line, welcomed
from probes.control.resolve import resolve
from probes.errors import WireError
from probes.local import proxy
from probes.observation import (
    Arrival,
    Control,
    ControlAttempt,
    InboundTcp,
    InboundUdp,
    Ledger,
    OutboundTcp,
    OutboundUdp,
)
from probes.pace import Pace
from probes.path import StunServer
from probes.reach import portal
from probes.session import Session
from probes.wire import messages
from probes.wire.frame import Endpoint
from probes.wire.link import CONTROL_PORTS, Link

_SENT_MAX = 64  # as many as a ledger request may ask about
SOFTWARE = f"netcheck/{__version__}"

PORTAL_AFTER_S = 1.0
"""By then a server that is there has nearly always been found."""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Which server, and how to get to it; see netcheck.check.Options."""

    link: Link
    embedded: bool
    insecure: bool
    bind: str | None


class ServerCheck:
    """``await measure()``, however it ends ``conclude()``, then ``await close()``."""

    def __init__(self, where: Where, plan: Plan, record: Record) -> None:
        self._where = where
        self._plan = plan
        self._record = record
        self._attempts: tuple[ControlAttempt, ...] = ()
        self._dialled: Dialled | None = None
        self._line: Line | None = None
        self._session: Session | None = None
        self._confirmed = False
        self._refused = ""

    async def measure(self) -> None:
        """Find the server and run every probe of the plan."""
        loading = asyncio.create_task(asyncio.to_thread(_load, self._plan))
        try:
            await self._measure(loading)
        finally:
            await loading

    async def _measure(self, loading: asyncio.Task[None]) -> None:
        self._record.say("Looking for the echo server")
        link, addresses = await resolve(
            self._where.link,
            insecure=self._where.insecure,
            now=self._record.now,
            tell=self._record.observe,
        )
        through = None
        if not self._where.embedded:
            through = await asyncio.to_thread(proxy.system_proxy, link.host)
        looking = asyncio.create_task(self._look_for_a_portal(addresses))
        try:
            self._dialled, self._attempts = await dial(
                link,
                addresses,
                link.ports or CONTROL_PORTS,
                proxy=through,
                insecure=self._where.insecure,
                bind=self._where.bind,
            )
            if self._dialled is None:
                await looking
                return
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        greeted = await welcomed(self._dialled)
        if isinstance(greeted, str):
            self._refused = greeted
            return
        self._line = greeted
        target = (
            self._dialled.peer if self._dialled.via_proxy is None else next(iter(addresses), "")
        )
        if not target:
            self._refused = "its address is not known here, only to the proxy"
            return
        target = target.partition("%")[0]
        vouched = {*addresses, *link.also, *self._where.link.also}
        await asyncio.shield(loading)
        await self._probe(self._line, self._dialled, target, vouched)

    async def close(self) -> None:
        if self._line:
            await self._line.close()
        elif self._dialled:
            await self._dialled.close()

    async def _look_for_a_portal(self, addresses: tuple[str, ...]) -> None:
        """Only where the server is slow to be found: that is what a portal looks like."""
        if addresses and not self._where.embedded:
            await asyncio.sleep(PORTAL_AFTER_S)
            self._record.observe(await portal.look(addresses[0], now=self._record.now))

    async def _probe(self, line: Line, dialled: Dialled, target: str, vouched: set[str]) -> None:
        """Everything that needs the server: all at once, but for what the plan keeps apart."""
        welcome = line.welcome
        direct = dialled.via_proxy is None
        local = dialled.local.partition("%")[0] if direct else address_towards(target)
        session = self._session = Session(
            control=line,
            session_id=bytes.fromhex(welcome.session),
            secret=bytes.fromhex(welcome.secret),
            server_address=target,
            local_address=local,
            began=self._record.began,
            unavailable=frozenset(_unavailable(welcome, self._plan)),
            stun=_stun_server(welcome, target, vouched),
        )
        session.pace = Pace().measured(dialled.rtt_s)
        ports = Ports(session, self._plan, self._record)
        wanted = "ports" in self._plan.parts
        try:
            if wanted:
                await ports.open()
            line.start(
                session,
                messages.Hello(
                    software=SOFTWARE,
                    session=welcome.session,
                    direct=direct,
                    tcp_ports=ports.tcp,
                    udp_ports=ports.udp,
                ),
            )
            self._record.say("Testing the connections")
            own = _address(welcome.your_address) if direct else None
            await self._all_parts(session, ports if wanted else None, own, dialled.port)
        finally:
            await ports.close()
        await self._read_ledger(line, session)

    async def _all_parts(
        self, session: Session, ports: Ports | None, own: str | None, control_port: int
    ) -> None:
        tested = asyncio.Event()
        async with AsyncExitStack() as stack:
            async with asyncio.TaskGroup() as group:
                if ports is not None:
                    group.create_task(self._ports(ports, own, tested))
                    if not self._where.embedded:
                        group.create_task(self._breaks(session, ports, control_port, tested))
                else:
                    tested.set()
                if "nat" in self._plan.parts:
                    from netcheck.measure.behaviour import Behaviour

                    behaviour = Behaviour(session, self._plan, self._record)
                    stack.push_async_callback(behaviour.close)
                    group.create_task(behaviour.run())
                if "editors" in self._plan.parts:
                    group.create_task(self._editors(session, ports))
                if self._plan.parts & {"range", "media"}:
                    from netcheck.measure.voice import voice

                    group.create_task(voice(session, self._plan, self._record, tested))
            if "nat" in self._plan.parts:
                await behaviour.finish()

    async def _ports(self, ports: Ports, own: str | None, tested: asyncio.Event) -> None:
        try:
            await ports.run(own)
        finally:
            tested.set()

    async def _editors(self, session: Session, ports: Ports | None) -> None:
        from netcheck.measure import calls, editors, inviting

        assert self._line is not None
        offer = editors.Offer.of(self._line.welcome, SOFTWARE)
        if self._where.embedded:
            editors.untested(self._record, editors.EMBEDDED)
            inviting.untested(self._plan, self._record, editors.EMBEDDED)
            calls.untested(self._plan, self._record, editors.EMBEDDED)
            return
        tested = ports.inbound_tcp_tested if ports else asyncio.Event()
        if ports is None:
            tested.set()
        plan, record, announced = self._plan, self._record, asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(
                editors.editors(session, plan, record, offer, tested, announced=announced)
            )
            group.create_task(calls.call(session, plan, record, offer, tested, announced))
            group.create_task(inviting.invite(session, self._plan, self._record, offer, tested))

    async def _breaks(
        self, session: Session, ports: Ports, control_port: int, tested: asyncio.Event
    ) -> None:
        await ports.outbound_tested.wait()
        from netcheck.measure.breaks import Breaks  # the program waits less by now

        breaks = Breaks(session, control_port, self._record)
        await breaks.look()
        await tested.wait()
        await breaks.look()

    async def _read_ledger(self, line: Line, session: Session) -> None:
        """Unless every probe has its proof: then the server has nothing to add."""
        if not self._open_questions():
            self._confirmed = line.alive
            return
        began = self._record.now()
        self._record.say("Asking the echo server what arrived")
        sent = tuple(
            messages.Sent(port=port, frame=data.hex()) for port, data in session.unproved.items()
        )
        page = await line.ledger(sent[:_SENT_MAX])
        self._confirmed = page is not None
        if page is None:
            return
        asked = {getattr(o, "number", 0) for o in self._record.observations}
        self._record.observe(
            Ledger(
                id="ledger",
                at_s=began,
                took_s=round(self._record.now() - began, 4),
                complete=page.complete,
                arrivals=tuple(
                    msgspec.convert(entry, Arrival, from_attributes=True)
                    for entry in page.lines
                    if entry.number in asked  # the many samples speak for themselves
                ),
                accepted=page.accepted,
                garbled=page.garbled,
                proven_addresses=tuple(line.proven_addresses),
            )
        )

    def _open_questions(self) -> bool:
        for o in self._record.observations:
            if isinstance(o, (OutboundTcp, OutboundUdp)) and not o.untested:
                if not any(a.outcome == "answered" for a in o.attempts):
                    return True
            elif isinstance(o, (InboundTcp, InboundUdp)) and not (o.untested or o.heard):
                return True
        return False

    def conclude(self) -> None:
        """State what the control connection was and how much the path lost."""
        line, dialled, session = self._line, self._dialled, self._session
        if session is None and "editors" in self._plan.parts:
            from netcheck.measure import calls, editors, inviting

            editors.untested(self._record, editors.NO_SERVER)
            inviting.untested(self._plan, self._record, editors.NO_SERVER)
            calls.untested(self._plan, self._record, editors.NO_SERVER)
        welcome = line.welcome if line else None
        self._record.observe(
            Control(
                id="control",
                at_s=0.0,
                took_s=self._record.now(),
                host=self._where.link.host,
                attempts=self._attempts,
                connected=line is not None and not self._refused,
                server_address=(
                    session.server_address if session else dialled.peer if dialled else None
                ),
                local_address=session.local_address if session else None,
                observed_address=welcome.your_address if welcome else None,
                via_proxy=(
                    proxy.without_credentials(dialled.via_proxy)
                    if dialled and dialled.via_proxy
                    else None
                ),
                certificate=self._certificate(),
                fingerprint=dialled.fingerprint if dialled else None,
                software=welcome.software if welcome else "",
                rtt_ms=(
                    round(min(dialled.rtt_s, line.rtt_min_s or dialled.rtt_s) * 1000, 2)
                    if dialled and line
                    else None
                ),
                alive_until_s=round(line.last_heard - self._record.began, 4) if line else None,
                confirmed_at_end=self._confirmed,
                lost_reason=self._refused or (line.lost_reason if line else ""),
                unavailable_tcp=_numbers(session, "tcp"),
                unavailable_udp=_numbers(session, "udp"),
                server_addresses=welcome.addresses if welcome else (),
            )
        )
        if session:
            self._record.observe(loss_of(session, self._record.now()))

    def _certificate(self) -> Literal["pinned", "authority", "unchecked", "none"]:
        if self._dialled is None:
            return "none"
        if self._where.link.fingerprint:
            return "pinned"
        return "unchecked" if self._where.insecure else "authority"


def _load(plan: Plan) -> None:
    """What is not needed before the server is found; meanwhile the program waits anyway."""
    if "nat" in plan.parts:
        import_module("netcheck.measure.behaviour")
    if "editors" in plan.parts:
        import_module("netcheck.measure.editors").spoken()
        import_module("netcheck.measure.inviting")
        import_module("netcheck.measure.calls")
    if plan.parts & {"range", "media"}:
        import_module("netcheck.measure.voice")


def _stun_server(welcome: messages.Welcome, target: str, vouched: set[str]) -> StunServer | None:
    """Where to ask by STUN.  The other address counts only if the user or his resolver named
    it as well: nothing is sent to an address that only the server names."""
    offer = welcome.stun
    if offer is None:
        return None
    other = offer.other_address
    usable = other in vouched and other != target and (":" in (other or "")) == (":" in target)
    return StunServer(
        address=target,
        port=offer.port,
        other_port=offer.other_port,
        other_address=other if usable else None,
    )


def _address(told: str) -> str | None:
    """The address of an endpoint that the server names, if it is one."""
    try:
        return Endpoint.read(told).address
    except WireError:
        return None


def _unavailable(welcome: messages.Welcome, wanted: Plan) -> set[tuple[str, int]]:
    """The ports of the plan that this server does not offer."""
    return {("tcp", p) for p in wanted.tcp_ports if p not in welcome.tcp_ports} | {
        ("udp", p) for p in wanted.udp_ports if p not in welcome.udp_ports
    }


def _numbers(session: Session | None, transport: str) -> tuple[int, ...]:
    return tuple(sorted(p for t, p in session.unavailable if t == transport)) if session else ()
