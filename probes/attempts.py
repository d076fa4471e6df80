"""Trying again until the answer is known: tries race each other, spaced by the measured
round trip, and end as soon as their outcomes settle the matter."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable

from probes.observation import Attempt, AttemptOutcome, Transport
from probes.session import Session, cancelled_at_end

_REFUSALS_ENOUGH = 2
"""One reset may be a passing overload; two, a round trip apart, are an answer."""

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
        self._began = time.monotonic()

    def ended(self, outcome: AttemptOutcome, detail: str = "") -> None:
        self.outcome = outcome
        self.detail = detail
        self.took_s = round(time.monotonic() - self._began, 5)

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
    return sum(o in ("refused", "unreachable", "closed") for o in outcomes) >= _REFUSALS_ENOUGH


async def race(
    session: Session,
    transport: Transport,
    job: Callable[[Try], Awaitable[None]],
    *,
    one_at_a_time: bool = False,
) -> list[Try]:
    """Start ``job`` again and again until the tries are settled or silence means something.

    ``one_at_a_time``: a new try ends the one before it, unless that has got beyond
    silence; for sockets that cannot share their local port.
    """
    tries: list[Try] = []
    tasks: set[asyncio.Task[None]] = set()
    news = asyncio.Event()

    async def run(this: Try) -> None:
        try:
            await job(this)
        finally:
            news.set()

    async def wait_for_news(seconds: float) -> None:
        news.clear()
        if not settled(tries):
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    await news.wait()
            except TimeoutError:
                pass

    async with cancelled_at_end(tasks):
        due = time.monotonic()
        attempt = 0
        last: asyncio.Task[None] | None = None
        while attempt < session.attempts_wanted(transport) and not settled(tries):
            wait = due - time.monotonic()
            if wait > 0:
                await wait_for_news(wait)
                continue
            under_way = last is not None and not last.done() and tries[-1].outcome != "silent"
            if not (one_at_a_time and under_way):
                if one_at_a_time and last is not None:
                    last.cancel()
                    await asyncio.gather(last, return_exceptions=True)
                this = Try(session.now())
                tries.append(this)
                last = asyncio.create_task(run(this))
                tasks.add(last)
                # Let it begin, so that a first round trip may be known for the next pause.
                await asyncio.sleep(0)
            due += session.pace.gap_s(attempt) * (1.5 if one_at_a_time else 1)
            attempt += 1
        end = time.monotonic() + session.pace.patience_s
        while not settled(tries) and any(not t.done() for t in tasks) and time.monotonic() < end:
            await wait_for_news(end - time.monotonic())
    _count(session, transport, tries)
    return tries


def _count(session: Session, transport: Transport, tries: list[Try]) -> None:
    """Where an answer came, the tries that got none are a sample of the path's loss."""
    answered = [t.took_s for t in tries if t.outcome == "answered" and t.took_s is not None]
    if answered:
        long_ago = _LATE * min(answered) + 0.02  # and what a busy computer adds
        lost = sum(t.outcome == "silent" and t.age_s > long_ago for t in tries)
        session.tallies[transport].add(len(answered) + lost, lost)


def classify(error: OSError) -> tuple[AttemptOutcome, str]:
    """What an operating system's error says of the network."""
    detail = error.strerror or type(error).__name__
    match error.errno:
        case errno.ECONNREFUSED | errno.ECONNRESET | errno.ECONNABORTED | errno.EPIPE:
            return "refused", detail
        case errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EHOSTDOWN | errno.ENETDOWN:
            return "unreachable", detail
        case errno.ETIMEDOUT:
            return "silent", detail
        case _:
            return "local-error", detail
