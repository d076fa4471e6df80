"""How long does an idle UDP binding live, and what refreshes it?  (RFC 4787 section 4.3)

The sockets of these trials belong to them alone: any packet may refresh the binding under
test, and an answer that the server sent to a dead one may leave an entry in the NAT.  The
trials need nothing but a server, so all other probes may run meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from probes.bindings import Binding, Bindings, Outcome
from probes.observation import BindingLifetime, LifetimeTrial
from probes.path import Path, cancelled_at_end

FIRST_S = 2.0
"""The shortest idle time of the ladder.  No NAT forgets sooner and works at all."""

LADDER_STEP = 1.5
"""From one idle time to the next: a few sockets reach ten minutes, and the last one that was
alive, refreshed half way, outlives the first one that was dead."""

BETWEEN = 8
"""Trials at once between the longest alive and the shortest dead: each round divides by nine."""

NEAR_S, NEAR = 1.0, 0.05
"""Near enough: systems count seconds, and nobody chooses a refresh time to a twentieth."""

AGAIN_MAX_S = 6.0
"""One that died within so short a time is made once more: few NATs forget so soon, and one that
was restarted during the check forgets everything once."""

_SAFE = 0.9
"""Of the longest idle time that a binding survived: by then it is refreshed."""


class Lifetime:
    """The default trial: a binding made at the start of the check is tested at its end.

    ``await begin(path)``, then ``await finish()``; ``close()`` if there is no end.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._bindings: Bindings | None = None
        self._binding: Binding | str = "it was not begun"
        self._began = 0.0

    async def begin(self, path: Path) -> None:
        """Make the binding, and leave it alone."""
        self._path = path
        self._began = path.now()
        self._bindings = Bindings(path)
        self._binding = await self._bindings.make()

    def close(self) -> None:
        if self._bindings is not None:
            self._bindings.close()

    async def finish(self) -> BindingLifetime:
        """One trial, of as many seconds as went by since ``begin``; another one like it where
        the binding died soon."""
        try:
            if isinstance(self._binding, str) or self._bindings is None:
                return self._stated((), str(self._binding))
            outcome = await self._bindings.trial(self._binding)
            outcomes = [outcome]
            if outcome.alive is False and outcome.idle_s <= AGAIN_MAX_S:
                outcomes += await self._again(self._bindings, outcome.idle_s)
        finally:
            self.close()
        trials = tuple(_stated(each, "nothing") for each in outcomes if not each.untested)
        return self._stated(trials, outcome.untested)

    async def _again(self, bindings: Bindings, idle_s: float) -> list[Outcome]:
        binding = await bindings.make()
        if isinstance(binding, str):
            return []
        await asyncio.sleep(idle_s - binding.age_s)
        return [await bindings.trial(binding)]

    def _stated(self, trials: tuple[LifetimeTrial, ...], untested: str) -> BindingLifetime:
        return _observation(self._path, self._began, trials, deep=False, untested=untested)


async def deep(path: Path, most_s: float = 600.0, *, first_s: float = FIRST_S) -> BindingLifetime:
    """Find the lifetime, up to ``most_s``: a ladder of idle times at once, then as many between
    the longest alive and the shortest dead until they are near; beside that, what refreshes.

    Takes up to about three times the lifetime.
    """
    began = path.now()
    with Bindings(path) as bindings:
        search = _Search(path, bindings)
        await search.round(_ladder(first_s, most_s))
        refreshed = False
        while search.bracketed and not search.untested and not search.near:
            low, high = search.low, search.high
            step = (high - low) / (BETWEEN + 1)
            times = [low + step * (i + 1) for i in range(BETWEEN)]
            if refreshed:
                await search.round(times)
            else:
                await asyncio.gather(search.round(times), search.refreshes(low))
                refreshed = True
            if (search.low, search.high) == (low, high):
                break  # loss hid every answer
        if search.bracketed and not refreshed:
            await search.refreshes(search.low)
    trials = tuple(sorted(search.trials, key=lambda t: (t.refreshed, t.idle_s)))
    untested = "" if trials else search.untested
    return _observation(path, began, trials, deep=True, untested=untested)


def _ladder(first_s: float, most_s: float) -> list[float]:
    times = [min(first_s, most_s)]
    while times[-1] < most_s:
        times.append(min(most_s, times[-1] * LADDER_STEP))
    return times


class _Search:
    """What the trials so far say."""

    def __init__(self, path: Path, bindings: Bindings) -> None:
        self.trials: list[LifetimeTrial] = []
        self.untested = ""
        self._path = path
        self._bindings = bindings

    @property
    def high(self) -> float:
        """The shortest idle time that a binding did not survive."""
        idle = [t.idle_s for t in self.trials if t.refreshed == "nothing" and t.alive is False]
        return min(idle, default=float("inf"))

    @property
    def low(self) -> float:
        """The longest that one survived."""
        idle = [t.idle_s for t in self.trials if t.refreshed == "nothing" and t.alive]
        return max((i for i in idle if i < self.high), default=0.0)

    @property
    def bracketed(self) -> bool:
        return 0.0 < self.low < self.high < float("inf")

    @property
    def near(self) -> bool:
        return self.high - self.low <= max(NEAR_S, NEAR * self.high)

    async def round(self, times: list[float]) -> None:
        """Trials of all these idle times at once.  Once one is dead, longer ones tell nothing."""
        tasks = {asyncio.create_task(self._idle(seconds)): seconds for seconds in times}
        async with cancelled_at_end(set(tasks)):
            waiting = set(tasks)
            while any(tasks[t] < self.high for t in waiting):
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()

    async def _idle(self, seconds: float) -> None:
        binding = await self._make()
        if binding is not None:
            await asyncio.sleep(seconds - binding.age_s)
            self._note(await self._bindings.trial(binding), "nothing")

    async def _make(self) -> Binding | None:
        binding = await self._bindings.make()
        if isinstance(binding, str):
            self.untested = binding
            return None
        return binding

    def _note(self, outcome: Outcome, refreshed: Literal["nothing", "outbound", "inbound"]) -> None:
        if outcome.untested:
            self.untested = outcome.untested
        else:
            self.trials.append(_stated(outcome, refreshed))

    async def refreshes(self, survived_s: float) -> None:
        """A packet in one direction half way: does the binding then live longer?"""
        await asyncio.gather(self._outbound(survived_s), self._inbound(survived_s))

    async def _outbound(self, survived_s: float) -> None:
        binding = await self._make()
        if binding is None:
            return
        await asyncio.sleep(_SAFE * survived_s - binding.age_s)
        for n in range(self._path.attempts_wanted("udp")):
            if n:
                await asyncio.sleep(self._path.pace.gap_s(0))
            # Nobody answers an indication, so nothing comes in.
            binding.sock.tell(self._bindings.to)
        await asyncio.sleep(_SAFE * survived_s)
        self._note(await self._bindings.trial(binding), "outbound")

    async def _inbound(self, survived_s: float) -> None:
        binding = await self._make()
        if binding is None:
            return
        await asyncio.sleep(_SAFE * survived_s - binding.age_s)
        half_way = await self._bindings.trial(binding)
        if half_way.alive:  # so a packet came in
            await asyncio.sleep(_SAFE * survived_s)
            self._note(await self._bindings.trial(binding), "inbound")


def _stated(
    outcome: Outcome, refreshed: Literal["nothing", "outbound", "inbound"]
) -> LifetimeTrial:
    return LifetimeTrial(idle_s=outcome.idle_s, alive=outcome.alive, refreshed=refreshed)


def _observation(
    path: Path | None,
    began: float,
    trials: tuple[LifetimeTrial, ...],
    *,
    deep: bool,
    untested: str,
) -> BindingLifetime:
    return BindingLifetime(
        id="binding-lifetime-udp",
        at_s=began,
        took_s=round(path.now() - began, 4) if path else 0.0,
        transport="udp",
        trials=trials,
        deep=deep,
        untested=untested,
    )
