"""How long idle bindings live, and what refreshes them (pure; RFC 4787 section 4.3, RFC 5382
section 5)."""

from __future__ import annotations

import msgspec

from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Direction
from probes.observation import LifetimeTrial, Transport


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """In seconds.  ``found_s``: bindings survived that long, and slightly more they did not.
    Else ``at_least_s`` or ``at_most_s`` may be known."""

    found_s: float | None = None
    at_least_s: float | None = None
    at_most_s: float | None = None
    refreshed_by: list[Direction] | None = None
    evidence: tuple[str, ...] = ()


def judge(facts: Facts, transport: Transport = "udp") -> Life:
    """Trials that contradict each other say nothing."""
    observations = [o for o in facts.lifetimes if o.transport == transport]
    trials = [t for o in observations for t in o.trials]
    idle = [t for t in trials if t.refreshed == "nothing"]
    alive = max((t.idle_s for t in idle if t.alive), default=None)
    dead = min((t.idle_s for t in idle if t.alive is False), default=None)
    if alive is not None and dead is not None and alive >= dead:
        return Life(evidence=tuple(o.id for o in observations))
    found = alive if dead is not None else None
    return Life(
        found_s=found,
        at_least_s=alive if dead is None else None,
        at_most_s=dead if alive is None else None,
        refreshed_by=_refreshed_by(trials, dead),
        evidence=tuple(o.id for o in observations),
    )


def _refreshed_by(trials: list[LifetimeTrial], dead: float | None) -> list[Direction] | None:
    """Directions in which a packet prolongs the life: a trial shows it that was longer than an
    idle binding lives.  None: nothing shows it for any, or for the other of one that does not."""
    if dead is None:
        return None
    both: tuple[Direction, ...] = ("outbound", "inbound")
    known = {
        way: [
            t.alive
            for t in trials
            if t.refreshed == way and t.idle_s > dead and t.alive is not None
        ]
        for way in both
    }
    prolonged = [way for way in both if known[way] and all(known[way])]
    return prolonged if prolonged or all(known.values()) else None
