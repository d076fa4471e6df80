"""Can two peers behind NATs open a TCP connection to each other?  (RFC 5382 REQ-2, RFC 5128)

The server is the peer: it connects from a new port to the mapped endpoint of a local port while
that local port connects to the new port.  Neither end listens, so a connection comes about only
if both SYN find each other.  Each try has a local port of its own, for one that failed leaves
entries in the NAT.

The NAT sees our SYN first, and then the server's SYN and its acknowledgement of ours; one that
lets in only the latter passes too.  Where a NAT lets in connections that nobody asked for, no
peer needs this, and a mapping that depends on the port may then open or not.
"""

from __future__ import annotations

import asyncio
import time

from probes.attempts import Try, classify
from probes.endpoint import PORTS_MAX, Held, echo_ports, hold, next_frame, shared
from probes.observation import Punched
from probes.path import cancelled_at_end
from probes.proof import read_call
from probes.session import ControlLost, Session
from probes.wire import frame
from probes.wire.messages import Called, CallsDone, Punching, PunchRequest, Refusal

GAP_S = 0.08
"""Between two tries, as between the calls that test filtering; they overlap."""

AT_ONCE = 10
"""Connects in one try, each when the one before it was reset: the server's own may have been
reset too.  Where a round trip takes no time at all, only many of them meet."""

LATER = 6
PAUSE_S = 0.01
"""Further ones, with a pause doubled after each: a busy server may begin late."""

MEET_S = 0.02
"""From this round trip on both SYN are surely on their way at the same time, though either
computer be late by a few milliseconds."""

PATIENCE_MIN_S = 0.05
PATIENCE_MAX_S = 5.0
"""What a request may ask for."""

ANSWER_S = 5.0
"""Beyond the patience asked for; a server that says nothing by then never will."""

_REFUSALS_ENOUGH = 2
"""Whole tries that ended in resets only."""


async def run(session: Session, ports: tuple[int, ...] = ()) -> Punched:
    """Try until one opens or chance does not explain that none did; the mapped endpoints are
    proved at one of the server's echo ``ports``, or at a dynamic one.

    ``opened`` is None where loss may explain it.
    """
    began = session.now()
    round_of = _Round(session, ports)
    await round_of.run()
    tries = round_of.tries
    opened: bool | None = None
    if any(t.outcome == "answered" for t in tries):
        opened = True
    elif round_of.refused or (
        not round_of.untested and session.silence_means_blocked("tcp", round_of.failed)
    ):
        opened = False
    return Punched(
        id="tcp-simultaneous-open",
        at_s=began,
        took_s=round(session.now() - began, 4),
        mapped=round_of.mapped,
        attempts=tuple(t.stated() for t in tries),
        opened=opened,
        untested="" if opened is not None else round_of.why_unknown,
    )


class _Round:
    """Tries that overlap, each from a local port of its own."""

    def __init__(self, session: Session, ports: tuple[int, ...]) -> None:
        self.tries: list[Try] = []  # those that came to their end
        self.mapped: str | None = None
        self.untested = ""
        self.failed = 0  # tries that would have opened where a NAT lets them
        self._refused = 0  # of those, the ones where our own SYN were reset
        self._session = session
        self._ports = ports
        self._news = asyncio.Event()

    @property
    def why_unknown(self) -> str:
        if self.untested:
            return self.untested
        if self.failed < len(self.tries):
            return "each end was refused while the other was not connecting"
        return "the loss of the path may explain that nothing came about"

    @property
    def refused(self) -> bool:
        return self._refused >= _REFUSALS_ENOUGH

    @property
    def _known(self) -> bool:
        opened = any(t.outcome == "answered" for t in self.tries)
        return opened or self.refused or bool(self.untested)

    async def run(self) -> None:
        session = self._session
        if not self._ports:
            opened = await echo_ports(session, PORTS_MAX)
            if isinstance(opened, str):
                self.untested = opened
                return
            self._ports = opened
        tasks: set[asyncio.Task[None]] = set()
        async with cancelled_at_end(tasks):
            while not self._known and len(tasks) < session.attempts_wanted("tcp"):
                tasks.add(asyncio.create_task(self._one()))
                await self._wait(max(GAP_S, session.pace.rtt_s))
            while not self._known and any(not task.done() for task in tasks):
                await self._wait(None)

    async def _wait(self, seconds: float | None) -> None:
        """Until the round is known, at most for ``seconds``, or else for the next news."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._known:
            self._news.clear()
            try:
                async with asyncio.timeout(None if end is None else end - time.monotonic()):
                    await self._news.wait()
            except TimeoutError:
                return
            if end is None:
                return

    async def _one(self) -> None:
        session = self._session
        try:
            async with hold(session, self._ports) as held:
                if isinstance(held, str):
                    self.untested = self.untested or held
                    return
                self._ports = (held.port,)
                self.mapped = str(held.mapped)
                await self._punch(held, Try(session.now()))
        except ControlLost as error:
            self.untested = f"the control connection was lost: {error}"
        finally:
            self._news.set()

    async def _punch(self, held: Held, this: Try) -> None:
        """One try; ``this`` is told how it went."""
        session = self._session
        patience = min(PATIENCE_MAX_S, max(PATIENCE_MIN_S, session.pace.patience_s))
        number = session.number()

        def request(request_id: int) -> PunchRequest:
            return PunchRequest(
                id=request_id,
                address=held.mapped.address,
                port=held.mapped.port,
                number=number,
                patience_ms=round(patience * 1000),
                # Then both SYN are on their way at the same time.
                after_ms=min(1000, round(session.pace.rtt_s * 500)),
            )

        connecting: set[asyncio.Task[None]] = set()
        met = session.pace.rtt_s >= MEET_S
        waited = late = False
        asked = time.monotonic()
        try:
            async with asyncio.timeout(2 * patience + session.pace.rtt_s + ANSWER_S):
                async with cancelled_at_end(connecting):
                    async for said in session.control.ask(request):
                        if isinstance(said, Refusal):
                            why = said.detail or said.reason
                            self.untested = f"the echo server did not connect: {why}"
                            return
                        if isinstance(said, Punching) and not connecting:
                            lag = time.monotonic() - asked - session.pace.rtt_s
                            late = lag > patience / 2  # the server may be through before us
                            connect = self._connect(held, said.port, number, this, patience)
                            connecting.add(asyncio.create_task(connect))
                        if isinstance(said, Called) and said.outcome == "silent":
                            waited = True  # it was connecting all the time
                        if isinstance(said, CallsDone):
                            break
                    if connecting:  # the last that the server sent may still be on its way
                        await asyncio.wait(connecting, timeout=session.pace.rtt_s)
        except TimeoutError:
            self.untested = "the echo server did not say what became of its tries"
        if this.outcome == "answered":
            return
        self.tries.append(this)
        self.failed += not late and (met or waited)
        self._refused += not late and waited and this.outcome == "refused"

    async def _connect(
        self, held: Held, port: int, number: int, this: Try, patience: float
    ) -> None:
        """Connect to the server's new ``port`` again and again, as the server does to us."""
        session, loop = self._session, asyncio.get_running_loop()
        end = time.monotonic() + patience + session.pace.rtt_s
        still_there = time.monotonic() + patience - session.pace.rtt_s  # and connecting
        for index in range(AT_ONCE + LATER):
            this.begin_again()  # what the one before met says nothing of this one
            try:
                async with asyncio.timeout(end - time.monotonic()):
                    with shared(session.local_address, held.local.port) as sock:
                        await loop.sock_connect(sock, (session.server_address, port))
                        this.outcome = "mute"
                        data = await next_frame(sock)
                        got = read_call(data, session, number)
                        if got is None:
                            this.ended("foreign" if data else "closed")
                            return
                        await loop.sock_sendall(sock, frame.reply_to(data, got, session.secret))
                        this.ended("answered")
                        self.tries.append(this)
                        self._news.set()
                        await next_frame(sock)  # the server ends it when it has read the reply
                        return
            except TimeoutError:
                return
            except OSError as error:
                if this.outcome == "answered":
                    return
                if time.monotonic() > still_there:
                    return  # whatever came, it may be the system's word after the server's end
                this.ended(*classify(error))
                if this.outcome != "refused":
                    return
            pause = PAUSE_S * 2 ** (index - AT_ONCE) if index >= AT_ONCE else 0.0
            if time.monotonic() + pause > end:
                return
            await asyncio.sleep(pause)
