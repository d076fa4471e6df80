"""The dynamic ports 1024-65535, client to server: how many pass, and where (fact N5).

Ports are opened by the server on demand, a random sample first and then what narrows the
edges (see probes.sampling and probes.survey).  The time is bounded, not the number of ports,
and the pace stays far below what a firewall would take for a flood or a scan of its own.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

import msgspec

from probes import sockets
from probes.attempts import LAG_S, classify
from probes.observation import DynamicRange, PortSample, Transport
from probes.path import cancelled_at_end
from probes.proof import read_proof
from probes.session import ControlLost, Session
from probes.survey import Final, Probed, Shot, Survey, suspect_after
from probes.wire import frame, messages

STRATA: dict[Transport, int] = {"udp": 72, "tcp": 36}
"""Parts of 896 UDP ports, so that no range of 1791 ports or more is missed, and of twice as
many for TCP: fewer tries a second are made there.  Together they take 108 of the 256 ports
that a server opens for one check; the rest is for the edges."""

STRATA_MIN = 8
"""With fewer parts than these a sample says nothing."""

PER_S: dict[Transport, float] = {"udp": 190.0, "tcp": 95.0}
"""Datagrams and new connections a second: under the 200 and 100 at which home routers and
intrusion detection begin to call it a flood, and no more than a call with picture sends."""

WITHIN, WITHIN_DEEP = 64, 0
"""How closely the ends of a range are looked for, in ports."""


async def run(
    session: Session,
    transport: Transport,
    *,
    deep: bool = False,
    budget_s: float,
    choose: Callable[[int], int] = secrets.randbelow,
) -> DynamicRange:
    """Sample the range for at most ``budget_s`` seconds, and a round trip for the ledger.

    ``deep`` finds the ends of ranges exactly.  What the time did not suffice for is
    ``undecided``.  Raises nothing for what the network does.
    """
    began = session.now()
    probing = _Probing(session, transport, WITHIN_DEEP if deep else WITHIN, choose)
    await probing.run(time.monotonic() + budget_s)
    samples = await probing.samples()
    first = sum(probed.first for probed in probing.survey.probed.values())
    return DynamicRange(
        id=f"dynamic-{transport}",
        at_s=began,
        took_s=round(session.now() - began, 4),
        transport=transport,
        strata=probing.survey.strata,
        first=first,
        samples=samples,
        unavailable=tuple(sorted(probing.survey.unavailable)),
        untested="" if first else probing.problem or "the time did not suffice",
    )


class _Way(Protocol):
    """How one transport tries a port."""

    async def fire(self, probed: Probed, shot: Shot) -> None: ...

    def tidy(self, enough: int) -> None: ...

    async def close(self) -> None: ...


class _Probing:
    """One sample being taken."""

    def __init__(
        self, session: Session, transport: Transport, within: int, choose: Callable[[int], int]
    ) -> None:
        self.session = session
        self.transport: Transport = transport
        self.problem = ""
        self.news = asyncio.Event()
        self._within = within
        self._choose = choose
        self._asked: tuple[int, ...] = ()
        self._asked_at = 0.0
        self._again_at = 0.0
        self.survey = self._survey(STRATA[transport])

    def _survey(self, strata: int) -> Survey:
        return Survey(
            strata=strata, within=self._within, per_s=PER_S[self.transport], choose=self._choose
        )

    async def run(self, end: float) -> None:
        """Open, try, listen, until nothing is left to find or ``end`` has come."""
        way: _Way = _Udp(self) if self.transport == "udp" else _Tcp(self)
        asking: set[asyncio.Task[None]] = set()
        try:
            async with cancelled_at_end(asking):
                while time.monotonic() < end and self.session.control.alive:
                    self.news.clear()
                    await self._turn(way, asking, end)
                    wake = self._wake(asking, end)
                    if wake is None and not self.news.is_set():
                        return
                    await self._wait(wake or end)
        finally:
            await way.close()

    async def _turn(self, way: _Way, asking: set[asyncio.Task[None]], end: float) -> None:
        survey, pace = self.survey, self.session.pace
        self.session.tallies[self.transport].tried(*survey.age(time.monotonic()))
        enough = self.session.attempts_wanted(self.transport)
        asking -= {task for task in asking if task.done()}
        if not asking and time.monotonic() >= self._again_at:
            chance = partial(self.session.chance_of_silence, self.transport)
            self._asked = survey.wanted(suspect_after(chance))
            if self._asked:
                asking.add(asyncio.create_task(self._open(end)))
        while (found := survey.next_try(time.monotonic(), enough, pace)) is not None:
            await way.fire(*found)
        way.tidy(enough)

    def _wake(self, asking: set[asyncio.Task[None]], end: float) -> float | None:
        """When to look again; None: there is nothing left to do."""
        now = time.monotonic()
        enough = self.session.attempts_wanted(self.transport)
        due = self.survey.idle_until(now, enough, self.session.pace)
        if asking:
            return min(end, end if due is None else due)
        if self._again_at > now:
            return min(end, self._again_at if due is None else min(due, self._again_at))
        return None if due is None else min(end, due)

    async def _wait(self, wake: float) -> None:
        seconds = wake - time.monotonic()
        if seconds <= 0:
            await asyncio.sleep(0)  # what has arrived is read first
            return
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            lag = time.monotonic() - wake
            if lag > LAG_S:
                self.survey.postpone(lag)

    async def _open(self, end: float) -> None:
        """Have the server open what was asked for."""
        asked_at = time.monotonic()
        try:
            reply = await self.session.control.open_ports(self.transport, ports=self._asked)
        except ControlLost as error:
            self.problem = f"the control connection was lost: {error}"
            self.survey.closed_to_more = True
        else:
            if isinstance(reply, messages.Refusal):
                self._refused(reply, end)
            else:
                self._opened(reply, asked_at)
        self.news.set()

    def _opened(self, reply: messages.Opened, asked_at: float) -> None:
        opened = set(reply.ports) & set(self._asked)
        until = asked_at + reply.for_s
        self.survey.opened(opened, set(self._asked) - opened, until, self.session.number)

    def _refused(self, refusal: messages.Refusal, end: float) -> None:
        """Too many are open: a smaller sample must do, or what is open now has to close."""
        survey = self.survey
        now = time.monotonic()
        closing = min((t.until for t in survey.probed.values() if t.until > now), default=end)
        if refusal.reason != "limit":
            survey.closed_to_more = True
        elif not survey.probed and survey.strata // 2 >= STRATA_MIN:
            self.survey = self._survey(survey.strata // 2)
        elif closing < end:
            self._again_at = closing + self.session.pace.patience_s
        else:
            survey.closed_to_more = True
        if not survey.probed:
            self.problem = f"the echo server opened no port: {refusal.detail or refusal.reason}"

    # what a try brought

    def answered(self, probed: Probed, shot: Shot, sent: bytes, got: bytes) -> None:
        verdict = read_proof(sent, got, self.session)
        final: Final = "open"
        if isinstance(verdict, tuple):
            final = "altered" if verdict[0] == "altered" else "intercepted"
        self.session.tallies[self.transport].tried(*self.survey.answered(probed, shot, final))
        self.news.set()

    def failed(self, probed: Probed, shot: Shot, error: OSError) -> None:
        outcome, _ = classify(error)
        own_firewall = error.errno in (errno.EPERM, errno.EACCES)
        if outcome in ("refused", "unreachable") or own_firewall:
            self.survey.refused(probed, shot)
        elif outcome == "local-error":
            self.survey.failed(probed, shot)
        self.news.set()

    # what it all shows

    async def samples(self) -> tuple[PortSample, ...]:
        """Every port with its outcome.  The ledger tells where the answer was lost, not the
        question."""

        def blocked(silences: int) -> bool:
            return self.session.silence_means_blocked(self.transport, silences)

        alive = self.session.control.alive
        samples = self.survey.samples(blocked if alive else lambda _: False)
        if self.transport == "tcp" or not any(s.outcome == "blocked" for s in samples):
            return samples
        page = await self.session.control.ledger()
        if page is None:
            return samples if self.session.control.alive else self.survey.samples(lambda _: False)
        if not page.complete:  # the server passed over packets because of limits of its own
            return self.survey.samples(lambda _: False)
        arrived = {line.number for line in page.lines if line.transport == "udp"}
        numbers = {probed.port: probed.number for probed in self.survey.probed.values()}
        return tuple(
            msgspec.structs.replace(s, outcome="reply-lost")
            if s.outcome == "blocked" and numbers[s.port] in arrived
            else s
            for s in samples
        )


class _Udp:
    """A socket for each port, so that an ICMP error finds its port."""

    def __init__(self, probing: _Probing) -> None:
        self._probing = probing
        self._sockets: dict[int, _Datagrams] = {}

    async def fire(self, probed: Probed, shot: Shot) -> None:
        session = self._probing.session
        try:
            datagrams = self._sockets.get(probed.port)
            if datagrams is None:
                _, datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self._probing, probed),
                    local_addr=(session.local_address, 0),
                    remote_addr=(session.server_address, probed.port),
                )
                self._sockets[probed.port] = datagrams
            sent = session.probe_frame("udp", probed.port, probed.number, datagrams.own)
            datagrams.send(sent, shot)
        except OSError as error:
            self._probing.failed(probed, shot, error)

    def tidy(self, enough: int) -> None:
        """What is known needs no socket any more; some systems have few."""
        for port, datagrams in tuple(self._sockets.items()):
            if datagrams.probed.final is not None and not datagrams.probed.pending:
                datagrams.end()
                del self._sockets[port]

    async def close(self) -> None:
        for datagrams in self._sockets.values():
            datagrams.end()
        self._sockets.clear()


class _Datagrams(asyncio.DatagramProtocol):
    """A UDP socket connected to one port.  Answers find their try by the nonce."""

    def __init__(self, probing: _Probing, probed: Probed) -> None:
        self._probing = probing
        self.probed = probed
        self._sent: dict[bytes, tuple[Shot, bytes]] = {}  # by nonce
        self._transport: asyncio.DatagramTransport | None = None
        self._last: Shot | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def own(self) -> frame.Endpoint:
        name = self._transport.get_extra_info("sockname") if self._transport else None
        return frame.Endpoint(name[0], name[1]) if name else frame.Endpoint("0.0.0.0", 0)

    def send(self, data: bytes, shot: Shot) -> None:
        self._sent[data[16:32]] = (shot, data)
        self._last = shot
        if self._transport:
            self._transport.sendto(data)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        found = self._sent.get(data[16:32])
        if found is None:  # not ours, or its nonce was changed: what it answers is not known
            found = next(reversed(self._sent.values()), None)
        if found is not None:
            self._probing.answered(self.probed, found[0], found[1], data[: frame.SIZE + 1])

    def error_received(self, exc: Exception) -> None:
        """ICMP says that a datagram did not arrive: the last one, most likely."""
        if self._last is not None and isinstance(exc, OSError):
            self._probing.failed(self.probed, self._last, exc)

    def end(self) -> None:
        if self._transport:
            self._transport.abort()


class _Tcp:
    """A connection for each try.  One that is silent ends when its time is over; one that
    was let through is kept while its port is looked at, since TCP repeats what is lost."""

    def __init__(self, probing: _Probing) -> None:
        self._probing = probing
        self._tasks: dict[Shot, tuple[Probed, asyncio.Task[None]]] = {}
        self._connected: set[Shot] = set()

    async def fire(self, probed: Probed, shot: Shot) -> None:
        task = asyncio.create_task(self._try(probed, shot))
        self._tasks[shot] = probed, task
        task.add_done_callback(lambda _: self._tasks.pop(shot, None))

    def tidy(self, enough: int) -> None:
        for shot, (probed, task) in tuple(self._tasks.items()):
            if shot.ended and (probed.settled(enough) or shot not in self._connected):
                task.cancel()

    async def close(self) -> None:
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _try(self, probed: Probed, shot: Shot) -> None:
        probing, loop = self._probing, asyncio.get_running_loop()
        session = probing.session
        try:
            with sockets.tcp(session.local_address) as sock:
                await loop.sock_connect(sock, (session.server_address, probed.port))
                self._connected.add(shot)
                probing.survey.connected(shot, time.monotonic(), session.pace)
                name = sock.getsockname()
                own = frame.Endpoint(name[0], name[1])
                sent = session.probe_frame("tcp", probed.port, probed.number, own)
                await loop.sock_sendall(sock, sent)
                got = await _read(sock)
                if got:
                    probing.answered(probed, shot, sent, got)
                else:
                    probing.failed(probed, shot, ConnectionResetError(errno.ECONNRESET, "closed"))
        except OSError as error:
            probing.failed(probed, shot, error)


async def _read(sock: socket.socket) -> bytes:
    """A frame; less if the connection ended, or if it begins as no frame does."""
    got = b""
    while len(got) < frame.SIZE and frame.MAGIC.startswith(got[:4]):
        more = await asyncio.get_running_loop().sock_recv(sock, frame.SIZE - len(got))
        if not more:
            break
        got += more
    return got
