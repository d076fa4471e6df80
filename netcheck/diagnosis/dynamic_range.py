"""How many of the dynamic ports pass, and which (pure).

The share comes from the first sample alone, which is random; the ranges from every port that
was looked at.  Nothing is said where silence may be loss, or the server may be the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import get_args

from netcheck.cause import Cause
from netcheck.diagnosis.clue import Clue, Parameter
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Dynamic
from probes import sampling
from probes.observation import DynamicRange, PortSample, Transport

Z_95 = 1.959964
"""The normal deviate of a two-sided interval of 95 %."""

UNDECIDED_MAX = 0.1
"""If more of the first sample than this part is undecided, its share says nothing: open ports
are known at once, and those left over are not a random part of it."""

_CLOSED = ("refused", "reply-lost", "blocked")
"""What a firewall that lets in only part of the range looks like."""

_CAUSES: dict[Transport, Cause] = {"udp": "udp-range-limited", "tcp": "tcp-range-limited"}


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The score interval of 95 % for a share (Wilson 1927).  For a stratified sample it is
    a little wider than needed.  No trials: everything is possible."""
    if trials <= 0:
        return 0.0, 1.0
    share, spread = successes / trials, Z_95**2 / trials
    centre = share + spread / 2
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4)
    low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
    return (
        0.0 if successes <= 0 else max(0.0, low),
        1.0 if successes >= trials else min(1.0, high),
    )


def judge(facts: Facts, transport: Transport) -> Dynamic | None:
    """The share of open ports and the ranges; None if that was not tested, or not decided.

    Where open and closed ports lie mixed, ``open_ranges`` is empty though ``open`` is not.
    """
    seen = _seen(facts, transport)
    if seen is None:
        return None
    first = [_is_open(facts, sample) for sample in seen.samples[: seen.first]]
    decided = [state for state in first if state is not None]
    undecided = len(first) - len(decided)
    if not decided or undecided > UNDECIDED_MAX * len(first):
        return None
    known = _known(facts, seen)
    shown = sampling.Ranges((), None)
    if not sampling.scattered(known, seen.strata):
        shown = sampling.ranges(known)
    low, _ = wilson(sum(decided), len(first))
    _, high = wilson(sum(decided) + undecided, len(first))
    return Dynamic(
        sampled=len(decided),
        open=sum(decided),
        fraction=round(sum(decided) / len(decided), 4),
        ci95=[round(low, 4), round(high, 4)],
        open_ranges=[list(pair) for pair in shown.open],
        edges_within=shown.edges_within,
        observation=seen.id,
    )


def clues(facts: Facts) -> Iterator[Clue]:
    """A range that passes only in part.  Where nothing passes, the range is not the reason."""
    for transport in get_args(Transport):
        seen, judged = _seen(facts, transport), judge(facts, transport)
        if seen is None or judged is None:
            continue
        known = _known(facts, seen)
        closed = any(s.outcome in _CLOSED and s.port in known for s in seen.samples)
        if not closed or not any(known.values()):
            continue
        parameters: dict[str, Parameter] = {"percent": _percent(judged.fraction)}
        if judged.open_ranges:
            parameters["open_ranges"] = [f"{low}–{high}" for low, high in judged.open_ranges]
        yield Clue(_CAUSES[transport], (seen.id,), None, parameters)


def _seen(facts: Facts, transport: Transport) -> DynamicRange | None:
    found = (o for o in facts.dynamic_ranges if o.transport == transport and not o.untested)
    return next(found, None)


def _known(facts: Facts, seen: DynamicRange) -> dict[int, bool]:
    states = ((sample.port, _is_open(facts, sample)) for sample in seen.samples)
    return {port: state for port, state in states if state is not None}


def _is_open(facts: Facts, sample: PortSample) -> bool | None:
    """Whether a port passes both ways, unchanged; None if that is not known."""
    match sample.outcome:
        case "open":
            return True
        case "altered" | "intercepted":
            return False
        case "refused" | "reply-lost" | "blocked" if facts.trusted_silence:
            return False
        case _:
            return None


def _percent(fraction: float) -> int:
    """Never 0 or 100 where some pass and some do not."""
    return min(99, max(1, round(fraction * 100)))
