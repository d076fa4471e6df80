"""Who is on the way: packets that die after one hop, two hops and so on (RFC 1812 section 5.3.1).

Copies of a packet that passes show the routers that answer at all; copies of one that is lost
end at the last device that still has it; packets to our own public address end where it lives.

All hop limits are tried at once.  Where silence is to mean something, each copy has a twin
that passes, with the same hop limit in the same moment: routers answer only so many packets
in a second, and what keeps the twins' answers back is then known.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Literal

from probes import hop_errors, silence
from probes.binding import REQUEST_BYTES
from probes.hop_errors import Datagrams, Reaction, knock
from probes.observation import Hop, Hops, Transport
from probes.pace import GAP_BESIDE_S
from probes.path import Path, cancelled_at_end
from probes.session import Session
from probes.wire import frame, stun

__all__ = ["Aim", "Transport", "run"]

Aim = Literal["open", "blocked", "own-address"]

HOPS_MAX = 16
"""Hops looked at: most of the Internet is nearer, and what breaks connections is nearer still."""

OWN_HOPS_MAX = 8
"""A server could name any address as ours; no packet that believes it goes further than this."""

TRIES_MAX = 4
"""For a hop whose silence means nothing: where every fifth answer is lost, one hop in six
hundred that would answer stays unknown."""

SILENT_TRIES_MAX = 24
"""For a hop whose silence is to mean something: enough even where every fifth answer is lost."""

SPARE = 1
"""Tries beyond what chance asks for, so that a loss noticed later does not undo the answer."""

REPEAT_S = 1.15
"""A SYN that got no answer is repeated after 1 s (RFC 6298 section 2), and a busy kernel is
late; see ``hop_errors.repeats_kept_back``."""


class Distance:
    """One hop limit: what was sent with it, and what came of it.  Times are of the loop's clock."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.sent: list[float] = []
        self.reaction: Reaction | None = None
        self.rtt_s: float | None = None
        self.twins: list[float] = []
        self.twins_heard = 0  # answers of routers on the way
        self.twin_arrived = False  # at the server

    @property
    def ended(self) -> bool:
        return self.reaction is not None and self.reaction.kind != "time-exceeded"

    def stated(self) -> Hop:
        reaction = self.reaction
        return Hop(
            ttl=self.ttl,
            address=reaction.address if reaction else None,
            rtt_ms=round(self.rtt_s * 1000, 2) if self.rtt_s is not None else None,
            end=self.ended,
            sent=len(self.sent),
            control_sent=len(self.twins),
            control_answered=self.twins_heard,
            detail=reaction.detail if reaction else "",
        )


def questions(
    aim: Aim, distances: Sequence[Distance], before: float, path_loss: tuple[int, int]
) -> list[tuple[Distance, int]]:
    """The hop limits that still need an answer, each with how many tries it may have.

    Silence counts for tries made ``before`` that moment; ``path_loss`` is (sent, lost).
    """
    end = min((d.ttl for d in distances if d.ended), default=len(distances) + 1)
    if aim == "blocked":
        end = min((d.ttl for d in distances if d.twin_arrived), default=end)
    silent = [d for d in distances if d.reaction is None and d.ttl < end]
    if aim == "open":
        return [(d, TRIES_MAX) for d in silent]
    if aim == "own-address":
        first = distances[0]
        known = first.reaction is not None or _means_something(first, before, path_loss)
        return [
            (d, SILENT_TRIES_MAX if d is first else TRIES_MAX)
            for d in silent
            if not (known and d is first)
        ]
    last = max((d.ttl for d in distances if d.reaction is not None and not d.ended), default=0)
    behind = [d for d in silent if d.ttl > last]
    # Only the next one tells: if it had the packet and lost it, all behind it are silent as well.
    following = next((d for d in behind if d.twins_heard), None)
    if following is not None and _means_something(following, before, path_loss):
        return []
    return [(d, SILENT_TRIES_MAX if d is following else TRIES_MAX) for d in behind]


def _means_something(distance: Distance, before: float, path_loss: tuple[int, int]) -> bool:
    """Whether loss, as the twins had it, leaves the silence at this distance unexplained."""
    tries = sum(at < before for at in distance.sent) - SPARE
    twins = sum(at < before for at in distance.twins)
    # Answers are not told apart, so the younger twins' share of them is taken off.
    heard = max(0, distance.twins_heard - (len(distance.twins) - twins))
    chance = silence.chance_beside(tries, path_loss, (twins, twins - heard))
    return silence.rules_out_loss(tries, chance)


async def run(
    path: Path,
    aim: Aim,
    transport: Transport,
    destination: str,
    port: int | None = None,
    *,
    open_port: int | None = None,
    hops_max: int | None = None,
) -> Hops:
    """Send copies to ``port`` of ``destination`` with every hop limit up to ``hops_max``.

    ``open_port``: a port of the server's that passes, for the twins; where none is given, the
    STUN port if there is one.  Without a ``port`` the packets go to one that nobody listens on: for
    "own-address" that is best, since a router may lead other ports somewhere.
    """
    began = path.now()
    found: tuple[Hop, ...] = ()
    untested = "" if hop_errors.available() else hop_errors.UNAVAILABLE
    most = hops_max or (OWN_HOPS_MAX if aim == "own-address" else HOPS_MAX)
    look = _Look(path, aim, transport, min(most, HOPS_MAX))
    if not untested:
        try:
            found = await look.run(destination, port, open_port)
        except OSError as error:
            untested = f"this computer: {error.strerror or error}"
        else:
            untested = look.spoilt
    where = f"-{port}" if aim == "blocked" else ""
    return Hops(
        id=f"hops-{aim}-{transport}{where}",
        at_s=began,
        took_s=round(path.now() - began, 4),
        aim=aim,
        transport=transport,
        destination=destination,
        port=port,
        hops=() if untested else found,
        kept_back=look.kept_back,
        untested=untested,
    )


class _Look:
    """One run: sockets, and what was heard on them."""

    def __init__(self, path: Path, aim: Aim, transport: Transport, most: int) -> None:
        self.kept_back = ""
        self.spoilt = ""
        self._path = path
        self._aim = aim
        self._transport: Transport = transport
        self._distances = [Distance(ttl) for ttl in range(1, most + 1)]
        self._kept = 0
        self._why = ""
        self._news = asyncio.Event()
        self._knocks: set[asyncio.Task[None]] = set()
        self._sockets: list[Datagrams] = []
        self._copies: dict[int, Callable[[], None]] = {}
        self._twins: dict[int, Callable[[], None]] = {}

    async def run(
        self, destination: str, port: int | None, open_port: int | None
    ) -> tuple[Hop, ...]:
        path = self._path
        kept_back_before = hop_errors.repeats_kept_back()
        async with cancelled_at_end(self._knocks):
            listener: _Listener | None = None
            try:
                if self._aim == "own-address":
                    listener = await _Listener.open(path.local_address, self._came_back)
                await self._open(
                    (destination, port or (listener.port if listener else 9)), open_port
                )
                await self._ask()
                if self._transport == "tcp":
                    await self._ask_this_computer(kept_back_before)
            finally:
                for each in self._sockets:
                    each.close()
                if listener is not None:
                    listener.close()
        return self._stated()

    async def _open(self, to: tuple[str, int], open_port: int | None) -> None:
        path = self._path
        number = path.number() if self._aim == "blocked" and isinstance(path, Session) else 0
        server = path.server_address
        if open_port is None and path.stun is not None:
            open_port, server = path.stun.port, path.stun.address
        for distance in self._distances:
            ttl = distance.ttl

            def payload(own: frame.Endpoint, to: tuple[str, int] = to) -> bytes:
                if self._aim == "own-address":
                    return _Listener.TOKEN + secrets.token_bytes(8)
                if self._aim == "blocked" and isinstance(path, Session):
                    return path.probe_frame("udp", to[1], number, own)
                return binding_request(own)

            self._copies[ttl] = await self._sender(to, ttl, payload, partial(self._heard, distance))
            if self._aim != "open" and open_port is not None:
                self._twins[ttl] = await self._sender(
                    (server, open_port),
                    ttl,
                    binding_request,
                    partial(self._heard_twin, distance),
                )

    async def _sender(
        self,
        to: tuple[str, int],
        ttl: int,
        payload: Callable[[frame.Endpoint], bytes],
        hear: Callable[[Reaction, float | None], None],
    ) -> Callable[[], None]:
        """What sends one packet; ``hear`` is told the reaction, and when the packet was sent
        if that is known."""
        if self._transport == "udp":
            datagrams = await Datagrams.open(
                self._path.local_address,
                to,
                lambda reaction: hear(reaction, None),
                lambda sock: hop_errors.limit_hops(sock, ttl),
            )
            self._sockets.append(datagrams)
            own = frame.Endpoint.of(datagrams.sock.getsockname())
            return lambda: datagrams.send(payload(own))

        async def one() -> None:
            sent_at = time.monotonic()
            hear(await knock(self._path.local_address, to, ttl), sent_at)

        return lambda: self._start(one())

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        self._knocks.add(asyncio.create_task(job))

    def _heard(self, distance: Distance, reaction: Reaction, sent_at: float | None) -> None:
        if reaction.kind in ("local-error", "too-big"):
            if reaction.error in (errno.EPERM, errno.EACCES):
                self._kept += 1
                self._why = f"this computer's own firewall: {reaction.detail}"
        elif distance.reaction is None:
            distance.reaction = reaction
            if sent_at is None and len(distance.sent) == 1:
                sent_at = distance.sent[0]
            if sent_at is not None:
                distance.rtt_s = time.monotonic() - sent_at
        self._news.set()

    def _heard_twin(self, distance: Distance, reaction: Reaction, _: float | None) -> None:
        if reaction.kind == "time-exceeded":
            distance.twins_heard += 1
        elif reaction.kind == "answered":
            distance.twin_arrived = True
        self._news.set()

    def _came_back(self) -> None:
        self.spoilt = "what is sent to the public address comes back to this computer"
        self._news.set()

    def _questions(self) -> list[tuple[Distance, int]]:
        before = time.monotonic() - self._path.pace.patience_s
        return questions(self._aim, self._distances, before, self._path.loss)

    async def _ask(self) -> None:
        """Until every question is answered, or has had its tries and their time."""
        pace = self._path.pace
        due = last = time.monotonic()
        moment = 0
        while not (self.kept_back or self.spoilt):
            asked = self._questions()
            now = time.monotonic()
            wanted = [d for d, tries in asked if len(d.sent) < tries]
            if not asked or (not wanted and now >= last + pace.patience_s):
                return
            if wanted and now >= due:
                for distance in wanted:
                    self._send(distance, now)
                sent = sum(len(d.sent) for d in self._distances)
                if self._kept == sent > 1:  # one may be an accident
                    self.kept_back = self._why
                last = now
                # The first answers show what need not be asked again.
                gap = pace.gap_s(moment) if not self._twins else GAP_BESIDE_S
                due = now + (max(gap, 1.25 * pace.rtt_s) if moment == 0 else gap)
                moment += 1
                continue
            self._news.clear()
            end = due if wanted else last + pace.patience_s
            try:
                async with asyncio.timeout(max(0.0, end - now)):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _send(self, distance: Distance, now: float) -> None:
        # The copy goes first: where a router has one answer left, its silence proves nothing.
        distance.sent.append(now)
        self._copies[distance.ttl]()
        if distance.ttl in self._twins:
            distance.twins.append(now)
            self._twins[distance.ttl]()

    async def _ask_this_computer(self, before: int | None) -> None:
        """Whether this computer keeps back what not even the first router answered."""
        first = self._distances[0]
        heard = any(d.reaction for d in self._distances)
        if heard or self.kept_back or not first.twins_heard or before is None:
            return
        volley = [d for d in self._distances if d.sent]
        await asyncio.sleep(max(0.0, first.sent[0] + REPEAT_S - time.monotonic()))
        after = hop_errors.repeats_kept_back()
        if after is not None and len(volley) > 1 and after - before >= len(volley):
            self.kept_back = "this computer's own firewall does not let it out"

    def _stated(self) -> tuple[Hop, ...]:
        """The hops up to the end, or to the last one that said anything."""
        end = min((d.ttl for d in self._distances if d.ended), default=0)
        last = max((d.ttl for d in self._distances if d.reaction or d.twins_heard), default=0)
        return tuple(d.stated() for d in self._distances[: end or last])


def binding_request(_: frame.Endpoint) -> bytes:
    """A STUN binding request, so long that no answer to it is longer."""
    transaction = stun.transaction(secrets.token_bytes(stun.IDENTIFIER_SIZE))
    request = stun.Message(kind="request", transaction=transaction)
    return stun.write(request, at_least=REQUEST_BYTES)


class _Listener(asyncio.DatagramProtocol):
    """A port of ours to which we send by way of our public address.  Where a router leads
    everything from outside to this computer, it all comes back, and shows nothing of hops."""

    TOKEN = secrets.token_bytes(16)

    def __init__(self, came_back: Callable[[], None]) -> None:
        self.port = 0
        self._came_back = came_back
        self._transport: asyncio.BaseTransport | None = None

    @classmethod
    async def open(cls, local_address: str, came_back: Callable[[], None]) -> _Listener:
        loop = asyncio.get_running_loop()
        _, this = await loop.create_datagram_endpoint(
            lambda: cls(came_back), local_addr=(local_address, 0)
        )
        return this

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if data.startswith(self.TOKEN):
            self._came_back()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
