"""A dialogue of another protocol, spoken with the echo server until it is over or given up.

Round trips, where nothing is lost: TCP takes one to connect; each message that waits for the
answer to the one before it takes one; then it takes one to learn that the server has told all.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from probes import heard, sockets, waiting
from probes.attempts import LAG_S, classify
from probes.connecting import connected
from probes.editors.contract import Dialogue
from probes.errors import WireError
from probes.exchange import ARRIVED_MAX, Exchange
from probes.observation import AttemptOutcome
from probes.path import cancelled_at_end
from probes.repeated import Datagrams
from probes.session import Session
from probes.silence import REFUSALS_ENOUGH
from probes.wire import messages

Aim = Literal["own-port", "control"]
Outcome = Literal[
    "talked", "broken-off", "refused", "unreachable", "silent", "local-error", "untested"
]

CONNECTIONS = 3
"""Connections on which a dialogue is tried that stops in the middle: one may be unlucky.  Each
begins when TCP has had the time to repeat what was lost on the one before: Linux's editor for
H.323 gives ports that lead nowhere to a second Setup that announces what another announced."""

TRANSMISSIONS = 3
"""TCP sends what is lost again by itself: a connection on which nothing came of that is dead."""

REPEAT_S = 0.2
"""How much later than its answer was due TCP sends something again (RFC 6298; Linux 0.2 s, others
up to 0.3 s), and it waits twice as long the second time."""

LONGEST_S = 12.0
LONGEST_ROUND_TRIPS = 24
"""However slowly a server speaks: sixteen tries to connect take six seconds where much is lost, a
dialogue has at most seven turns, and each may be repeated."""

TOLD_S = 5.0
"""A control connection on which so long nothing comes tells of nothing more (probes.control)."""

GOODBYE_S = 1.0
"""A server that does not end the connection after the goodbye is not waited for."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a dialogue is held: on ``port`` of the server's.  ``server`` is its address as it
    knows itself; ``same_version``: it is a netcheck of our own version."""

    protocol: str
    dialogue: Dialogue
    port: int
    aim: Aim
    server: str
    same_version: bool = False


class Speaking:
    """``await run()``, then look at what came of it; then ``close()``, whatever happened.

    ``failures``: of the tries to connect, or ICMP's word, where nothing was heard.  ``tries``:
    how often in vain, where it did not come to its end.  ``unread``: bytes of it that arrived
    at the server and made no whole message there.
    """

    def __init__(self, session: Session, place: Place, listening: int) -> None:
        self.exchanges: list[Exchange] = []
        self.failures: list[AttemptOutcome] = []
        self.tries = 0
        self.problem = ""
        self.unread = 0
        self._session = session
        self._place = place
        self._listening = listening
        self._news = asyncio.Event()

    def close(self) -> None:
        for exchange in self.exchanges:
            exchange.close()

    async def run(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        longest_s = LONGEST_S + LONGEST_ROUND_TRIPS * self._session.pace.rtt_s
        speak = self._over_tcp if self._place.dialogue.transport == "tcp" else self._over_udp
        async with cancelled_at_end(tasks):
            try:
                async with asyncio.timeout(longest_s):
                    await speak(tasks)
            except TimeoutError:
                pass
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.result()  # a fault of our own is not to be hidden
        if self.exchanges:
            await self._all_told(self.best)
            await self._ask_of_unread()

    @property
    def best(self) -> Exchange:
        """The one that came furthest, if there is any."""
        return max(self.exchanges, key=lambda exchange: exchange.progress)

    @property
    def cut(self) -> int:
        """Connections that were ended in the middle, and not by us."""
        tcp = self._place.dialogue.transport == "tcp"
        return sum(tcp and e.ended and not e.stranger for e in self.exchanges)

    @property
    def outcome(self) -> Outcome:
        if not self.exchanges or self.failures:
            for outcome in ("local-error", "refused", "unreachable"):
                if outcome in self.failures:
                    return outcome
            return "silent"
        return "talked" if self.best.over else "broken-off"

    async def goodbye(self) -> None:
        """The last word, once everybody has been where the messages said.  What the server says
        to it is heard by nobody: an editor may have shut by then what it opened.

        Over TCP the server's end is waited for, and then, as nothing is left to be read, the
        connection is reset by ``close()``: what a router opened for it ends with it, and Linux's
        forgets one that was reset after 10 s, but one that both ends have closed after 120 s."""
        exchange = self.best
        try:
            async with asyncio.timeout(GOODBYE_S):
                if self._place.dialogue.transport == "tcp":
                    await self._take_leave(exchange)
                else:
                    await self._take_leave_by_datagrams(exchange)
        except (OSError, WireError, TimeoutError):
            pass

    async def _take_leave(self, exchange: Exchange) -> None:
        """Who has no last word to say has nothing to wait for."""
        loop = asyncio.get_running_loop()
        said = exchange.finish()
        for data in said:
            await loop.sock_sendall(exchange.sock, data)
        left = ARRIVED_MAX if said else 0  # what has arrived is read without a pause
        async with asyncio.timeout(self._session.pace.patience_s):
            while left > 0 and (data := await loop.sock_recv(exchange.sock, 4096)):
                left -= len(data)

    async def _take_leave_by_datagrams(self, exchange: Exchange) -> None:
        """Again until it is answered: a router that has not seen it keeps open what it opened."""
        loop = asyncio.get_running_loop()
        session = self._session
        said = exchange.finish()
        left = ARRIVED_MAX
        for attempt in range(session.attempts_wanted("udp") if said else 0):
            for data in said:
                await loop.sock_sendall(exchange.sock, data)
            try:
                async with asyncio.timeout(session.pace.gap_s(attempt)):
                    while left > 0:
                        data = await loop.sock_recv(exchange.sock, 4096)
                        if data not in exchange.arrived:
                            return
                        left -= len(data)
                    return
            except TimeoutError:
                continue

    async def _until(self, enough: Callable[[], bool], left_s: Callable[[], float]) -> bool:
        def late(seconds: float) -> None:
            for exchange in self.exchanges:
                exchange.moved_at += seconds

        return await waiting.until(self._news, enough, left_s, late)

    def _stood_s(self, exchange: Exchange, most: float) -> float:
        """How long it may still stand, of ``most``."""
        return 0.0 if exchange.done else exchange.moved_at + most - time.monotonic()

    # over TCP

    async def _over_tcp(self, tasks: set[asyncio.Task[None]]) -> None:
        """On one connection; on a further one, beside it, where that stands or is ended."""
        session = self._session
        for _ in range(CONNECTIONS):
            exchange = await self._next_connection(tasks)
            if exchange is None:
                break
            tasks.add(asyncio.create_task(self._speak(exchange)))
            await self._until(
                lambda: exchange.done or self._settled,  # noqa: B023
                lambda: self._stood_s(
                    exchange,  # noqa: B023
                    REPEAT_S + session.pace.rtt_s + session.pace.patience_s,
                ),
            )
            if self._settled:
                return
        pace = session.pace
        dead_s = (2**TRANSMISSIONS // 2 - 1) * (REPEAT_S + pace.rtt_s) + pace.patience_s
        await self._until(
            lambda: self._settled or all(e.done for e in self.exchanges),
            lambda: max((self._stood_s(e, dead_s) for e in self.exchanges), default=0.0),
        )
        if self.exchanges and not self.best.over:
            self.tries = TRANSMISSIONS * sum(not e.ended for e in self.exchanges)

    @property
    def _settled(self) -> bool:
        ended = sum(exchange.ended for exchange in self.exchanges)
        return ended >= REFUSALS_ENOUGH or any(exchange.over for exchange in self.exchanges)

    async def _next_connection(self, tasks: set[asyncio.Task[None]]) -> Exchange | None:
        """A further one; None if none can be had, or none is needed any more."""
        before = len(self.exchanges)
        connecting = asyncio.create_task(self._connected())
        connecting.add_done_callback(lambda _: self._news.set())
        tasks.add(connecting)
        await self._until(lambda: connecting.done() or self._settled, lambda: LONGEST_S)
        if not connecting.done():
            connecting.cancel()
            return None
        connecting.result()
        return self.exchanges[-1] if len(self.exchanges) > before else None

    async def _connected(self) -> None:
        sock, tries = await connected(self._session, self._place.port)
        if sock is not None:
            self.exchanges.append(self._exchange(sock))
        elif not self.exchanges:
            self._fails([(this.outcome, this.detail) for this in tries])

    async def _speak(self, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        step = exchange.end.begin()
        try:
            while True:
                for data in step.send:
                    exchange.sent.append(data)
                    await loop.sock_sendall(exchange.sock, data)
                if step.over:
                    exchange.is_over()
                    return
                data = await loop.sock_recv(exchange.sock, 4096)
                if not data:
                    exchange.ends()
                    return
                step = exchange.receive(data)
        except OSError:
            exchange.ends()

    # over UDP

    async def _over_udp(self, tasks: set[asyncio.Task[None]]) -> None:
        session = self._session
        try:
            sock = sockets.udp(session.local_address)
            try:
                to = (session.server_address, self._place.port)
                await asyncio.get_running_loop().sock_connect(sock, to)
                exchange = self._exchange(sock)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            self._fails([classify(error)])
            return
        self.exchanges.append(exchange)
        datagrams = Datagrams(exchange, session, self._place.dialogue)
        tasks.add(asyncio.create_task(datagrams.listen()))
        datagrams.say(exchange.end.begin())
        while not datagrams.settled:
            await datagrams.send()
            await self._until(lambda: datagrams.settled or datagrams.new, datagrams.left_s)
        self.tries = datagrams.in_vain
        if not exchange.told and not exchange.arrived:
            self._fails(datagrams.refusals)
            exchange.over = False

    # either

    def _exchange(self, sock: socket.socket) -> Exchange:
        place = self._place
        try:
            return Exchange(
                self._session, place.dialogue, sock, place.port, self._listening, self._news
            )
        except BaseException:
            sock.close()
            raise

    def _fails(self, outcomes: list[tuple[AttemptOutcome, str]]) -> None:
        self.failures = [outcome for outcome, _ in outcomes] or ["silent"]
        self.tries = self.tries or len(outcomes)
        self.problem = next((why for outcome, why in outcomes if outcome == "local-error"), "")

    async def _all_told(self, exchange: Exchange) -> None:
        """Wait for what the server says of the messages: what it says of those that arrived
        is here before the answer to a heartbeat that left after them."""
        session = self._session
        since = time.monotonic()
        until = since + TOLD_S

        def enough() -> bool:
            answered = session.answered_until
            return (
                len(exchange.told) >= len(exchange.sent)
                or (answered is not None and answered > since)
                or not session.control.alive
            )

        await self._until(enough, lambda: min(LAG_S, until - time.monotonic()))

    async def _ask_of_unread(self) -> None:
        """Whether what the server does not tell of arrived as something else."""
        best = self.best
        session = self._session
        if best.over and len(best.told) >= len(best.sent):
            return
        for _ in range(2):
            lines = [line for line in await session.control.unread() if self._may_be_ours(line)]
            settled = [line for line in lines if self._has_settled(line)]
            self.unread = sum(line.size for line in settled)
            if settled or not lines:
                return
            await asyncio.sleep(session.pace.patience_s)

    def _may_be_ours(self, line: messages.UnreadLine) -> bool:
        place = self._place
        if (line.transport, line.port) != (place.dialogue.transport, place.port):
            return False
        if not line.rest and line.whole <= self._unlabelled:
            return False
        return any(
            line.number == exchange.number
            or (line.number is None and (not exchange.overheard or _is_from(exchange, line.source)))
            for exchange in self.exchanges
        )

    @property
    def _unlabelled(self) -> int:
        """How many of our messages come before the first that has a label: to the server they
        are nobody's until that comes."""
        read = [heard.read(self._place.dialogue, data).reading for data in self.best.sent]
        labelled = (at for at, reading in enumerate(read) if reading and reading.label)
        return next(labelled, len(read))

    def _has_settled(self, line: messages.UnreadLine) -> bool:
        """A connection of another dialogue may only not have had its label yet."""
        return line.number is not None or line.age_ms >= self._session.pace.patience_s * 1000


def _is_from(exchange: Exchange, source: str) -> bool:
    return any(said.source == source for said in exchange.overheard)
