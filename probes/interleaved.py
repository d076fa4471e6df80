"""Asking again and again whether something gets through, while ordinary round trips in the
same moments show that the path and the server are alive.

Because of these controls the tries can follow each other closely: a short outage that takes
all tries takes the controls too, and then counts as loss.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from probes.binding import Question
from probes.observation import Attempt
from probes.pace import GAP_BESIDE_S
from probes.path import Path

TRIES_MAX = 32
"""Twice as many as an ordinary probe makes: these are close together, and 32 decide even where
every fourth round trip is lost.  Beyond that loss the answer is unknown."""

SPARE, SPARE_LOSSY = 1, 8
"""Tries beyond what chance asks for, so that a loss noticed later does not undo the answer:
where some was noticed already, more will be."""

GRACE_S = 0.05
"""How long after the last control's answer the answer to the last try may come: both were
asked in one moment, and only a busy server or reordering sets them apart."""


class Interleaved(msgspec.Struct, frozen=True):
    """``answered`` is the first question that something came for; ``controls`` ordinary ones
    of which ``controls_heard`` were answered."""

    attempts: tuple[Attempt, ...]
    answered: Question | None
    controls: int
    controls_heard: int
    decided: bool  # something came, or loss does not explain that nothing did


class _Controls:
    """Ordinary questions, each counted as a sample of loss once it is answered or overdue."""

    def __init__(self, path: Path) -> None:
        self.sent = 0
        self.heard = 0
        self.waiting: list[Question] = []
        self._path = path

    def add(self, question: Question) -> None:
        self.sent += 1
        self.waiting.append(question)

    def settle(self) -> None:
        patience = self._path.pace.patience_s
        for question in list(self.waiting):
            answered = question.arrived.is_set() and question.outcome[0] == "answered"
            if answered or question.age_s > patience:
                self.waiting.remove(question)
                self.heard += answered
                self._path.tallies["udp"].add(1, int(not answered))


async def interleave(
    path: Path,
    ask: Callable[[], Question],
    control: Callable[[], Question] | None,
    *,
    tries_max: int = TRIES_MAX,
) -> Interleaved:
    """Until something comes for a question of ``ask``, or its absence means something.

    ``control`` asks an ordinary question from and to the same addresses.
    """
    asked: list[tuple[float, Question]] = []
    controls = _Controls(path)

    def answered() -> Question | None:
        return next((q for _, q in asked if q.arrived.is_set()), None)

    def decided(spare: int = 0) -> bool:
        return path.silence_means_blocked("udp", len(asked) - spare)

    async def ask_until_enough() -> None:
        due = time.monotonic()
        while answered() is None:
            asked.append((path.now(), ask()))
            if control is not None:
                controls.add(control())
            controls.settle()
            spare = SPARE_LOSSY if path.tallies["udp"].lost else SPARE
            if len(asked) >= tries_max or decided(spare):
                return
            due = max(due + GAP_BESIDE_S, time.monotonic() + GAP_BESIDE_S / 2)
            while answered() is None and (left := due - time.monotonic()) > 0:
                await _something([q for _, q in asked], left)

    while True:
        await ask_until_enough()
        await _tail(path, [q for _, q in asked], controls)
        # A loss that was noticed only now asks for more.
        if answered() is not None or len(asked) >= tries_max or decided():
            break
    first = answered()
    attempts = tuple(
        Attempt(
            at_s=at_s,
            outcome="answered" if q.message is not None else q.outcome[0],
            took_s=q.took_s,
            detail="" if q.message is not None else q.outcome[1],
        )
        for at_s, q in asked
    )
    return Interleaved(
        attempts=attempts,
        answered=first,
        controls=controls.sent,
        controls_heard=controls.heard,
        decided=first is not None or decided(),
    )


async def _tail(path: Path, asked: list[Question], controls: _Controls) -> None:
    """Give the last tries their time, and count every control."""
    end = time.monotonic() + path.pace.patience_s
    while controls.waiting and time.monotonic() < end:
        await _something(controls.waiting, end - time.monotonic(), every=True)
        controls.settle()
    controls.settle()
    if any(q.arrived.is_set() for q in asked):
        return
    late = path.pace.patience_s - asked[-1].age_s
    grace = max(GRACE_S, path.pace.rtt_s)
    left = min(late, grace) if controls.heard == controls.sent > 0 else late
    if left > 0:
        await _something(asked, left)


async def _something(questions: list[Question], seconds: float, *, every: bool = False) -> None:
    """Wait until something came for one of the questions, or for every one."""
    waits = [asyncio.ensure_future(q.arrived.wait()) for q in questions]
    try:
        when = asyncio.ALL_COMPLETED if every else asyncio.FIRST_COMPLETED
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=when)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
