"""The check: plan, run, diagnose.  The one object that every face of netcheck calls."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from netcheck import __version__, plan
from netcheck.profile import Profile
from netcheck.report.model import Report, Tool
from probes.control.dial import Dialled, dial
from probes.control.line import Line, welcomed
from probes.control.resolve import resolve
from probes.local import interfaces, port_owner, proxy
from probes.observation import (
    AnyObservation,
    Arrival,
    AtOnce,
    Control,
    ControlAttempt,
    InboundTcp,
    InboundUdp,
    Ledger,
    Loss,
    Observation,
    OutboundTcp,
    OutboundUdp,
)
from probes.pace import Pace
from probes.reach import inbound_tcp, inbound_udp, outbound_tcp, outbound_udp, portal
from probes.session import Session
from probes.wire import messages
from probes.wire.link import CONTROL_PORTS, Link

_SENT_MAX = 64  # as many as a ledger request may ask about
SOFTWARE = f"netcheck/{__version__}"


PORTAL_AFTER_S = 1.0
"""By then a server that is there has nearly always been found."""


LOCAL_AFTER_S = 0.03
"""The server is looked for first; this computer's settings do not run away."""


_Reached = TypeVar("_Reached", OutboundTcp, OutboundUdp, InboundTcp, InboundUdp)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to check and against which server.

    ``embedded``: the server is this very program.  ``bind``: the local address to
    test from.  ``insecure``: take any certificate; the report says so.
    """

    link: Link
    profiles: tuple[Profile, ...]
    embedded: bool = False
    insecure: bool = False
    bind: str | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far the check is: ``done`` of ``total`` probes, and what is under way, in words."""

    done: int
    total: int
    doing: str


class Observed(msgspec.Struct, frozen=True):
    """A probe has stated a fact."""

    observation: AnyObservation


Event = Progress | Observed


class Check:
    """One check.  ``await run()`` gives the report, whatever the network does."""

    def __init__(self, options: Options, tell: Callable[[Event], None] = lambda _: None) -> None:
        self._options = options
        self._plan = plan.make(options.profiles)
        self._tell = tell
        self._cancelled = asyncio.Event()
        self._began = time.monotonic()
        self._observations: list[AnyObservation] = []
        self._attempts: tuple[ControlAttempt, ...] = ()
        self._dialled: Dialled | None = None
        self._line: Line | None = None
        self._session: Session | None = None
        self._confirmed = False
        self._refused = ""
        self._done = 0
        self._doing = ""

    def cancel(self) -> None:
        """End the check now; ``run`` then gives what was found so far."""
        self._cancelled.set()

    async def run(self) -> Report:
        """Measure and diagnose.  Raises nothing for what the network does."""
        self._began = time.monotonic()
        started_at = datetime.now(UTC)
        measuring = asyncio.create_task(self._measure())
        stop = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({measuring, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            complete = measuring.done()
            measuring.cancel()
            await asyncio.gather(stop, measuring, return_exceptions=True)
        if complete:
            measuring.result()  # a fault of our own is not to be hidden
        return self._report(started_at, complete)

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 4)

    def _observe(self, observation: Observation) -> None:
        assert isinstance(observation, AnyObservation)
        self._observations.append(observation)
        if isinstance(observation, (OutboundTcp, OutboundUdp, AtOnce, InboundTcp, InboundUdp)):
            self._done += 1
        self._tell(Observed(observation))
        self._say(self._doing)

    def _say(self, doing: str) -> None:
        self._doing = doing
        self._tell(Progress(min(self._done, self._plan.steps), self._plan.steps, doing))

    async def _measure(self) -> None:
        self._say("Looking at this computer's network settings")
        facts = asyncio.create_task(self._local_facts())
        try:
            await self._with_server()
            await facts  # a fault of our own in it is not to be hidden
        finally:
            facts.cancel()
            try:
                await asyncio.gather(facts, return_exceptions=True)
            finally:
                self._conclude()
                if self._line:
                    await self._line.close()
                elif self._dialled:
                    await self._dialled.close()

    async def _local_facts(self) -> None:
        # After the first packet to the server is out: what is loaded and asked for here
        # takes as long as a round trip or two, and nothing waits for it.
        await asyncio.sleep(LOCAL_AFTER_S)
        found = await asyncio.to_thread(interfaces.look, self._now(), proxy.proxies())
        self._observe(found)

    async def _with_server(self) -> None:
        self._say("Looking for the echo server")
        link, addresses = await resolve(
            self._options.link, insecure=self._options.insecure, now=self._now, tell=self._observe
        )
        through = None
        if not self._options.embedded:
            through = await asyncio.to_thread(proxy.system_proxy, link.host)
        looking = asyncio.create_task(self._look_for_a_portal(addresses))
        try:
            self._dialled, self._attempts = await dial(
                link,
                addresses,
                link.ports or CONTROL_PORTS,
                proxy=through,
                insecure=self._options.insecure,
                bind=self._options.bind,
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
        await self._probe(self._line, self._dialled, target.partition("%")[0])

    async def _look_for_a_portal(self, addresses: tuple[str, ...]) -> None:
        """Only where the server is slow to be found: that is what a portal looks like."""
        if addresses and not self._options.embedded:
            await asyncio.sleep(PORTAL_AFTER_S)
            self._observe(await portal.look(addresses[0], now=self._now))

    async def _probe(self, line: Line, dialled: Dialled, target: str) -> None:
        """Everything that needs the server: all at once, but for what the plan keeps apart."""
        welcome = line.welcome
        direct = dialled.via_proxy is None
        local = dialled.local.partition("%")[0] if direct else _address_towards(target)
        session = self._session = Session(
            control=line,
            session_id=bytes.fromhex(welcome.session),
            secret=bytes.fromhex(welcome.secret),
            server_address=target,
            local_address=local,
            began=self._began,
            unavailable=frozenset(_unavailable(welcome, self._plan)),
        )
        session.pace = Pace().measured(dialled.rtt_s)
        listeners = inbound_tcp.Listeners(self._plan.inbound_tcp)
        called = [inbound_udp.Receiver(entry.port) for entry in self._plan.udp]
        called_from = [
            inbound_udp.Receiver(0, remote_port=entry.port)
            for entry in self._plan.udp
            if ("udp", entry.port) not in session.unavailable
        ]
        try:
            await listeners.bind(local)
            for receiver in (*called, *called_from):
                await receiver.bind(local)
            line.start(
                session,
                messages.Hello(
                    software=SOFTWARE,
                    session=welcome.session,
                    direct=direct,
                    tcp_ports=listeners.open,
                    udp_ports=tuple(r.port for r in (*called, *called_from) if r.open),
                ),
            )
            self._say("Testing the connections")
            own = welcome.your_address.rpartition(":")[0].strip("[]") if direct else None
            await self._all_probes(session, listeners, called, called_from, own)
        finally:
            await listeners.close()
            for receiver in (*called, *called_from):
                receiver.close()
        await self._read_ledger(line, session)

    async def _all_probes(
        self,
        session: Session,
        listeners: inbound_tcp.Listeners,
        called: list[inbound_udp.Receiver],
        called_from: list[inbound_udp.Receiver],
        own: str | None,
    ) -> None:
        grouped = {port for group in self._plan.groups for port in group}
        single = [(port,) for port in self._plan.outbound_tcp if port not in grouped]
        async with asyncio.TaskGroup() as group:
            for ports in (*single, *self._plan.groups):
                group.create_task(outbound_tcp.at_once(session, ports, self._observe))
            for port, local_port in self._plan.from_local:
                group.create_task(self._from_local(session, port, local_port))
            group.create_task(self._inbound_tcp(session, listeners, own))
            for receiver in called:
                group.create_task(self._udp_in_then_out(session, receiver, own))
            for receiver in called_from:
                group.create_task(self._inbound_udp(session, receiver, own))
            for entry in self._plan.udp:
                to = outbound_udp.Destination(entry.port)
                group.create_task(self._outbound_udp(session, None, to))

    async def _from_local(self, session: Session, port: int, local_port: int) -> None:
        reach = outbound_tcp.Reach(session, port, local_port)
        try:
            found = await reach.run()
        finally:
            if reach.connection:
                reach.connection.end()
        self._observe(await self._with_holder(found, "tcp", session, local_port))

    async def _inbound_tcp(
        self, session: Session, listeners: inbound_tcp.Listeners, own: str | None
    ) -> None:
        for found in await listeners.run(session, own):
            self._observe(await self._with_holder(found, "tcp", session, found.port))

    async def _udp_in_then_out(
        self, session: Session, receiver: inbound_udp.Receiver, own: str | None
    ) -> None:
        """See netcheck.plan for why these two must not overlap."""
        port = asyncio.create_task(outbound_udp.any_port(session, receiver.wanted))
        try:
            await self._inbound_udp(session, receiver, own)
            await self._outbound_udp(session, receiver.wanted, await port)
        finally:
            port.cancel()
            await asyncio.gather(port, return_exceptions=True)

    async def _inbound_udp(
        self, session: Session, receiver: inbound_udp.Receiver, own: str | None
    ) -> None:
        found = await receiver.run(session, own)
        self._observe(await self._with_holder(found, "udp", session, found.port))

    async def _outbound_udp(
        self, session: Session, local_port: int | None, to: outbound_udp.Destination
    ) -> None:
        found = await outbound_udp.run(session, to, local_port)
        self._observe(await self._with_holder(found, "udp", session, local_port))

    async def _with_holder(
        self,
        found: _Reached,
        transport: messages.TransportName,
        session: Session,
        port: int | None,
    ) -> _Reached:
        """The same, with the program that holds our local ``port`` if that is taken."""
        if not (found.busy and port):
            return found
        owner = await asyncio.to_thread(port_owner.owner_of, transport, session.local_address, port)
        return msgspec.structs.replace(found, busy_by=owner.program if owner else None)

    async def _read_ledger(self, line: Line, session: Session) -> None:
        """Unless every probe has its proof: then the server has nothing to add."""
        if not self._open_questions():
            self._confirmed = line.alive
            return
        began = self._now()
        self._say("Asking the echo server what arrived")
        sent = tuple(
            messages.Sent(port=port, frame=data.hex()) for port, data in session.unproved.items()
        )
        page = await line.ledger(sent[:_SENT_MAX])
        self._confirmed = page is not None
        if page is None:
            return
        self._observe(
            Ledger(
                id="ledger",
                at_s=began,
                took_s=round(self._now() - began, 4),
                complete=page.complete,
                arrivals=tuple(
                    msgspec.convert(entry, Arrival, from_attributes=True) for entry in page.lines
                ),
                accepted=page.accepted,
                garbled=page.garbled,
                proven_addresses=tuple(line.proven_addresses),
            )
        )

    def _open_questions(self) -> bool:
        for o in self._observations:
            if isinstance(o, (OutboundTcp, OutboundUdp)) and not o.untested:
                if not any(a.outcome == "answered" for a in o.attempts):
                    return True
            elif isinstance(o, (InboundTcp, InboundUdp)) and not (o.untested or o.heard):
                return True
        return False

    def _conclude(self) -> None:
        """State what the control connection was and how much the path lost."""
        line, dialled, session = self._line, self._dialled, self._session
        welcome = line.welcome if line else None
        self._observe(
            Control(
                id="control",
                at_s=0.0,
                took_s=self._now(),
                host=self._options.link.host,
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
                alive_until_s=round(line.last_heard - self._began, 4) if line else None,
                confirmed_at_end=self._confirmed,
                lost_reason=self._refused or (line.lost_reason if line else ""),
                unavailable_tcp=_numbers(session, "tcp"),
                unavailable_udp=_numbers(session, "udp"),
                server_addresses=welcome.addresses if welcome else (),
            )
        )
        if session:
            tcp, udp = session.tallies["tcp"], session.tallies["udp"]
            self._observe(
                Loss(
                    id="loss",
                    at_s=0.0,
                    took_s=self._now(),
                    control_sent=session.control_tally.sent,
                    control_lost=session.control_tally.lost,
                    tcp_sent=tcp.sent,
                    tcp_lost=tcp.lost,
                    udp_sent=udp.sent,
                    udp_lost=udp.lost,
                )
            )

    def _certificate(self) -> Literal["pinned", "authority", "unchecked", "none"]:
        if self._dialled is None:
            return "none"
        if self._options.link.fingerprint:
            return "pinned"
        return "unchecked" if self._options.insecure else "authority"

    def _report(self, started_at: datetime, complete: bool) -> Report:
        # Loaded here: while a check starts, every import delays its first packet.
        from netcheck import diagnosis

        found = diagnosis.diagnose(
            self._options.profiles, self._plan, self._observations, cancelled=not complete
        )
        note = ""
        if not complete:
            note = "The check was cancelled; what was not reached is unknown."
        return Report(
            id=secrets.token_hex(8),
            started_at=started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            duration_s=round(time.monotonic() - self._began, 3),
            tool=Tool(name="netcheck", version=__version__),
            host=found.host,
            server=msgspec.structs.replace(found.server, embedded=self._options.embedded),
            overall=found.overall,
            complete=complete,
            note=note,
            features=found.features,
            ports=found.ports,
            nat=found.nat,
            findings=found.findings,
            observations=list(self._observations),
        )


def _unavailable(welcome: messages.Welcome, wanted: plan.Plan) -> set[tuple[str, int]]:
    """The ports of the plan that this server does not offer."""
    return {("tcp", p) for p in wanted.tcp_ports if p not in welcome.tcp_ports} | {
        ("udp", p) for p in wanted.udp_ports if p not in welcome.udp_ports
    }


def _numbers(session: Session | None, transport: str) -> tuple[int, ...]:
    return tuple(sorted(p for t, p in session.unavailable if t == transport)) if session else ()


def _address_towards(target: str) -> str:
    """The local address from which packets to ``target`` leave; nothing is sent."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((target, 9))  # UDP "connects" without a packet
        except OSError:
            return "::" if family is socket.AF_INET6 else "0.0.0.0"
        address: str = sock.getsockname()[0]
        return address
