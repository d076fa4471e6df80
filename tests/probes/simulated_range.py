"""A network that passes some ports and loses some packets, in simulated time: the sample is
taken from it as the probe does, without a socket or a clock."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Collection
from functools import partial

import msgspec

from probes.observation import PortSample
from probes.pace import Pace
from probes.path import Path
from probes.survey import Survey, suspect_after

PING_S = 0.04
OPEN_S = 30.0


class Taken(msgspec.Struct, frozen=True):
    """What came of a sample, how long it took and when each try was made."""

    samples: tuple[PortSample, ...]
    took_s: float
    tries: list[float]
    opened: int

    @property
    def known(self) -> dict[int, bool]:
        return {s.port: s.outcome == "open" for s in self.samples if s.outcome != "undecided"}


def take(
    passes: Callable[[int], bool],
    *,
    loss: float = 0.0,
    rtt_s: float = 0.05,
    strata: int = 72,
    within: int = 64,
    per_s: float = 190.0,
    budget_s: float = 10.0,
    unavailable: Collection[int] = (),
    seed: int = 0,
    began_s: float = 0.6,
) -> Taken:
    """Sample a network where ``passes(port)``, and each packet is lost with chance ``loss``.

    ``began_s``: how long the control connection has already been measuring the loss.
    """
    chance = random.Random(seed)

    def back() -> bool:
        return chance.random() > loss and chance.random() > loss

    path = Path(server_address="192.0.2.1", local_address="192.0.2.2", began=0.0)
    path.pace = Pace().measured(rtt_s)
    survey = Survey(strata=strata, within=within, per_s=per_s, choose=chance.randrange)
    numbers = itertools.count(1)
    events: list[tuple[float, int, Callable[[], None]]] = []
    order = itertools.count()
    now, tries = 0.0, []
    asking = False

    def at(when: float, do: Callable[[], None]) -> None:
        heapq.heappush(events, (when, next(order), do))

    def ping() -> None:
        path.control_tally.add(1, not back())
        at(now + PING_S, ping)

    for _ in range(int(began_s / PING_S)):
        path.control_tally.add(1, not back())
    at(0.0, ping)
    while now < budget_s:
        path.tallies["udp"].tried(*survey.age(now))
        enough = path.attempts_wanted("udp")
        suspect = suspect_after(partial(path.chance_of_silence, "udp"))
        asked = () if asking else survey.wanted(suspect)
        if asked:
            asking = True

            def opened(asked: tuple[int, ...] = asked, until: float = now + OPEN_S) -> None:
                nonlocal asking
                asking = False
                failed = set(asked) & set(unavailable)
                survey.opened(set(asked) - failed, failed, until, lambda: next(numbers))

            at(now + rtt_s, opened)
        while (found := survey.next_try(now, enough, path.pace)) is not None:
            probed, shot = found
            tries.append(now)
            if passes(probed.port) and back():

                def answer(probed=probed, shot=shot) -> None:  # type: ignore[no-untyped-def]
                    path.tallies["udp"].tried(*survey.answered(probed, shot))

                at(now + rtt_s, answer)
        due = survey.idle_until(now, enough, path.pace)
        if due is None and not asking:
            break
        now = events[0][0] if due is None else min(max(due, now), events[0][0])
        while events[0][0] <= now:
            heapq.heappop(events)[2]()
    samples = survey.samples(lambda n: path.silence_means_blocked("udp", n))
    return Taken(samples, now, tries, len(survey.probed))
