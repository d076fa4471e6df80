"""Trying again until the answer is known: tries race each other, spaced by the measured
round trip, and end as soon as their outcomes settle the matter."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable

from probes import silence
from probes.observation import Attempt, AttemptOutcome, Transport
from probes.pace import GAP_BESIDE_S, PATIENCE_MAX_S
from probes.path import Path, cancelled_at_end

LAG_S = 0.02
"""A timer that fires later than this says that this computer was too busy to listen, and
that answers may be waiting to be read: they are read before their absence is believed."""

CATCH_UPS_MAX = 4
"""A computer that never catches up is tested all the same, as well as it can."""

ALONE = 1.5
"""Tries that end the one before them are further apart: an answer may be on its way."""

QUEUE_MAX_S = PATIENCE_MAX_S
"""A queue longer than this carries no call: whoever is behind it waits no further."""

_LATE = 1.5
"""A try that is older than this many of the answered try's times was lost, not slow."""


class Try:
    """One try under way.  Its job changes ``outcome`` as things happen; a try that is cut
    short keeps what it had."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.outcome: AttemptOutcome = "silent"
        self.took_s: float | None = None
        self.detail = ""
        self._began = self._asked = time.monotonic()

    def connected(self) -> None:
        """It is answered so far, and asks its question now."""
        self.outcome = "mute"
        self._asked = time.monotonic()

    def is_queued(self, path: Path) -> bool:
        """Whether a heartbeat that left after it is not answered either: a slow link whose
        queue fills up makes round trips longer than any that was measured before."""
        until = path.answered_until
        if until is None or until >= self._asked:
            return False
        return time.monotonic() - self._asked < QUEUE_MAX_S

    def ended(self, outcome: AttemptOutcome, detail: str = "") -> None:
        self.outcome = outcome
        self.detail = detail
        self.took_s = round(time.monotonic() - self._began, 5)

    def begin_again(self) -> None:
        """Forget what came of it so far."""
        self.outcome, self.took_s, self.detail = "silent", None, ""

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def stated(self) -> Attempt:
        return Attempt(at_s=self.at_s, outcome=self.outcome, took_s=self.took_s, detail=self.detail)


def settled(tries: list[Try]) -> bool:
    """Whether the outcomes so far decide, so that no more tries are needed."""
    outcomes = [t.outcome for t in tries]
    if any(o in ("answered", "altered", "foreign", "local-error") for o in outcomes):
        return True
    refusals = sum(o in ("refused", "unreachable", "closed") for o in outcomes)
    return refusals >= silence.REFUSALS_ENOUGH


async def race(
    path: Path,
    transport: Transport,
    job: Callable[[Try], Awaitable[None]],
    *,
    one_at_a_time: bool = False,
) -> list[Try]:
    """Start ``job`` again and again until the tries are settled or silence means something.

    ``one_at_a_time``: a new try ends the one before it; for sockets that cannot share
    their local port.
    """
    tries: list[Try] = []
    tasks: set[asyncio.Task[None]] = set()
    started: list[asyncio.Task[None]] = []
    news = asyncio.Event()

    async def run(this: Try) -> None:
        try:
            await job(this)
        finally:
            news.set()

    async def wait_for_news(seconds: float) -> None:
        news.clear()
        if seconds > 0 and not settled(tries):
            try:
                async with asyncio.timeout(seconds):
                    await news.wait()
            except TimeoutError:
                pass

    def enough() -> bool:
        made = len(tries)
        return settled(tries) or (
            made >= silence.ATTEMPTS_MIN and made >= path.attempts_wanted(transport)
        )

    async with cancelled_at_end(tasks):
        due = time.monotonic()
        catch_ups = 0
        last: asyncio.Task[None] | None = None
        while not enough():
            await wait_for_news(due - time.monotonic())
            lag = time.monotonic() - due
            if lag < 0:
                continue
            if lag > LAG_S and catch_ups < CATCH_UPS_MAX:
                catch_ups += 1
                due = time.monotonic() + max(path.pace.gap_s(len(tries)), 2 * lag)
                continue
            if tries and tries[-1].outcome == "mute" and tries[-1].age_s < path.pace.patience_s:
                # It is connected and asks already: a further try would only repeat it.
                due = time.monotonic() + max(0.0, path.pace.patience_s - tries[-1].age_s)
                continue
            if one_at_a_time and last is not None:
                if tries[-1].is_queued(path) and not last.done():
                    due = time.monotonic() + GAP_BESIDE_S
                    continue
                last.cancel()
                await asyncio.gather(last, return_exceptions=True)
                if settled(tries):
                    break
            this = Try(path.now())
            tries.append(this)
            last = asyncio.create_task(run(this))
            tasks.add(last)
            started.append(last)
            gap = path.pace.gap_s(len(tries) - 1)
            due = time.monotonic() + gap * (ALONE if one_at_a_time else 1)
        end = time.monotonic() + path.pace.patience_s
        while not settled(tries) and any(not t.done() for t in tasks) and time.monotonic() < end:
            await wait_for_news(end - time.monotonic())
            if time.monotonic() - end > LAG_S:
                await wait_for_news(2 * (time.monotonic() - end))
        while not settled(tries) and any(
            this.is_queued(path) and not task.done()
            for this, task in zip(tries, started, strict=True)
        ):
            await wait_for_news(GAP_BESIDE_S)
    _count(path, transport, tries)
    return tries


def _count(path: Path, transport: Transport, tries: list[Try]) -> None:
    """Where an answer came, the tries that got none are a sample of the path's loss."""
    answered = [t.took_s for t in tries if t.outcome == "answered" and t.took_s is not None]
    if answered:
        long_ago = _LATE * min(answered) + 0.02  # and what a busy computer adds
        lost = sum(t.outcome == "silent" and t.age_s > long_ago for t in tries)
        path.tallies[transport].tried(len(answered), lost)


_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})

_ON_WINDOWS: dict[int | None, AttemptOutcome] = {
    64: "refused",  # ERROR_NETNAME_DELETED: a reset
    121: "silent",  # ERROR_SEM_TIMEOUT: a connection that nobody answered
    1225: "refused",  # ERROR_CONNECTION_REFUSED
    1231: "unreachable",  # ERROR_NETWORK_UNREACHABLE
    1232: "unreachable",  # ERROR_HOST_UNREACHABLE
    1234: "refused",  # ERROR_PORT_UNREACHABLE: ICMP about a datagram
    1236: "refused",  # ERROR_CONNECTION_ABORTED
}
"""asyncio's event loop there gives these (winerror.h) as they are, with an errno that says
nothing and, for some, a class that does."""


def classify(error: OSError) -> tuple[AttemptOutcome, str]:
    """What an operating system's error says of the network."""
    detail = error.strerror or type(error).__name__
    if isinstance(error, ConnectionError):
        return "refused", detail
    if isinstance(error, TimeoutError):
        return "silent", detail
    if error.errno in _UNREACHABLE:
        return "unreachable", detail
    return _ON_WINDOWS.get(getattr(error, "winerror", None), "local-error"), detail
