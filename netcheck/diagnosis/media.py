"""What the streams mean: who hears and sees whom, and how well (pure; facts N5, N7, N8)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, get_args

from netcheck.diagnosis import emodel
from netcheck.diagnosis.clue import Clue, Parameter
from netcheck.diagnosis.dynamic_range import wilson
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Direction, Stream
from probes import silence
from probes.observation import MediaStream
from probes.pace import GAP_MIN_S

Kind = Literal["audio", "video"]
Outcome = Literal["met", "partly", "unmet", "unknown"]

MOS_PACKETS_MIN = 100
"""Fewer cannot tell a loss of 3 %, which costs speech half a mark, from none."""

CARRIED_SENT_MIN = 20
"""From fewer packets nothing is said about a direction: less than half a second of sound."""

CARRIED_SHARE = 0.5
"""Of less than this nobody understands anything: the E-model gives it the mark 1.1."""

POOR_MOS = 3.1
"""R below 60: nearly all users are dissatisfied (ITU-T G.109)."""

FAIR_MOS = 3.6
"""R of 70, below which many users are dissatisfied (ITU-T G.109): a stream is called poor
only if it stays below this even when its loss is at the low end of what is likely."""

POOR_LOSS = 0.05
"""G.723.1 loses nearly a mark of MOS at this; pictures fall apart sooner."""

GOOD_LOSS = 0.01
"""A path with less is a good one: it costs speech a fifth of a mark."""

QUARTER_S = 0.25  # MediaStream.losses counts by it
QUIET_MIN = 6  # of them hold 75 packets of speech: a loss of 5 % leaves none out in 98 of 100

MISSED_MIN = 3  # fewer lost packets are an accident


def judge(facts: Facts) -> list[Stream]:
    """Every stream that was tried, for the report."""
    return [
        Stream(
            kind=o.kind,
            direction=o.direction,
            sent=o.sent,
            received=o.received,
            loss=None if (loss := _loss(o)) is None else round(loss, 4),
            jitter_ms=o.jitter_ms,
            reordered=o.reordered,
            duplicates=o.duplicates,
            rtt_ms=o.rtt_ms,
            mos=None if (mark := _mos(facts, o)) is None else round(mark, 2),
            observation=o.id,
        )
        for o in facts.media
    ]


def met(kind: Kind, facts: Facts) -> tuple[Outcome, str, tuple[str, ...]]:
    """Whether ``kind`` flows both ways: the outcome, a clause that says it, and the
    observations that it rests on."""
    out, back = stream(facts, kind, "outbound"), stream(facts, kind, "inbound")
    used = tuple(o.id for o in (out, back) if o is not None)
    there, here = carried(facts, out), carried(facts, back)
    sense = "hear" if kind == "audio" else "see"
    what = "sound" if kind == "audio" else "picture"
    if there and here:
        return "met", "", used
    if there and here is False:
        return "partly", f"the others {sense} you, you do not {sense} them", used
    if here and there is False:
        return "partly", f"you {sense} the others, they do not {sense} you", used
    if there is False and here is False:
        return "unmet", f"{what} gets through in neither direction", used
    return "unknown", _why_unknown(facts, kind, out, back), used


def carried(facts: Facts, o: MediaStream | None) -> bool | None:
    """Whether a stream gets through, so that one could make something of it; None where
    that is not known."""
    if o is None or o.untested or o.received is None:
        return None
    return enough(facts, o.sent, o.received, o.packets_per_s)


def enough(
    facts: Facts, sent: int, received: int, packets_per_s: int, least: int = CARRIED_SENT_MIN
) -> bool | None:
    """The same of any stream, by its counts; ``least`` are the packets that say something."""
    if sent < least:
        return None
    if received >= CARRIED_SHARE * sent:
        return True
    if received > 0:
        # That much loss is a fact whatever causes it; but few packets may be a bad moment.
        return False if wilson(received, sent)[1] < CARRIED_SHARE else None
    certain = facts.trusted_silence and _silence_is_certain(facts, sent, packets_per_s)
    return False if certain else None


def shows_little_loss(facts: Facts, most: float) -> bool:
    """Whether the streams lost surely less than ``most`` of round trips.  TCP repeats what was
    but overtaken, too: its repeats alone do not tell reordering from loss."""
    worst = 0.0
    for direction in get_args(Direction):
        heard = [
            (o.sent, o.received)
            for o in facts.media
            if o.direction == direction and not o.untested and o.received is not None
        ]
        sent, received = (sum(counts) for counts in zip(*heard, strict=True)) if heard else (0, 0)
        worst += wilson(max(0, sent - received), sent)[1]
    return worst < most


def clues(facts: Facts) -> Iterator[Clue]:
    """One-way and poor media."""
    for kind in get_args(Kind):
        yield from _one_way(facts, kind)
    for o in facts.media:
        yield from _poor(facts, o)


def _one_way(facts: Facts, kind: Kind) -> Iterator[Clue]:
    out, back = stream(facts, kind, "outbound"), stream(facts, kind, "inbound")
    for bad, good in ((out, back), (back, out)):
        if bad and good and carried(facts, bad) is False and carried(facts, good):
            yield Clue(
                "one-way-media",
                (bad.id, good.id),
                None,
                {"kind": kind, "direction": bad.direction},
            )


def _poor(facts: Facts, o: MediaStream) -> Iterator[Clue]:
    if o.untested or o.received is None or not carried(facts, o):
        return
    loss, missed = _loss(o) or 0.0, _missed(o)
    if o.late < MISSED_MIN and _lost_beside_the_sample(facts, o):
        missed = 0
    least = wilson(missed, o.sent)[0]  # that much is lost or late even on a lucky day
    lossy = missed >= MISSED_MIN and missed / o.sent >= POOR_LOSS and least > GOOD_LOSS
    mark = _mos(facts, o, None if missed else 0.0)
    best = _mos(facts, o, least)
    bad = mark is not None and best is not None and mark < POOR_MOS and best < FAIR_MOS
    if not lossy and not bad:
        return
    parameters: dict[str, Parameter] = {
        "kind": o.kind,
        "direction": o.direction,
        "loss_percent": round(100 * loss),
        "jitter_ms": round(o.jitter_ms or 0),
        "mos": "" if mark is None else f"{mark:.1f}",
    }
    yield Clue("poor-media", (o.id,), None, parameters)


def _lost_beside_the_sample(facts: Facts, o: MediaStream) -> bool:
    """Whether packets were lost only while the dynamic ports were sampled: a router that lets so
    many a second pass has taken that for a flood, and a call alone would lose none."""
    busy_until_s = max((r.at_s + r.took_s for r in facts.dynamic_ranges), default=0.0)
    rtt_ms = facts.control.rtt_ms if facts.control else None
    began_s = o.at_s + (rtt_ms or 0.0) / 1000
    first = max(0, math.ceil((busy_until_s - began_s) / QUARTER_S) + 1)
    quiet = o.losses[first:]
    packets = len(quiet) * QUARTER_S * o.packets_per_s
    return len(quiet) >= QUIET_MIN and sum(quiet) < GOOD_LOSS * packets


def stream(facts: Facts, kind: Kind, direction: Direction) -> MediaStream | None:
    return next((o for o in facts.media if (o.kind, o.direction) == (kind, direction)), None)


def _silence_is_certain(facts: Facts, sent: int, packets_per_s: int) -> bool:
    """Whether loss cannot explain that nothing came.  Packets 20 ms apart fall into the same
    outage: what counts is how many spaced-out tries the stream lasted for."""
    seconds = sent / packets_per_s if packets_per_s > 0 else 0.0
    tries = min(sent, int(seconds / GAP_MIN_S + 1e-9))
    return silence.rules_out_loss(tries, facts.chance_of_silence("udp", tries))


def _loss(o: MediaStream) -> float | None:
    if o.untested or o.received is None or o.sent <= 0:
        return None
    return min(1.0, max(0.0, 1 - o.received / o.sent))


def _missed(o: MediaStream) -> int:
    """Packets of which the player has nothing: lost, or too late for it."""
    return min(o.sent, max(0, o.sent - (o.received or 0)) + max(0, o.late))


def _mos(facts: Facts, o: MediaStream, loss: float | None = None) -> float | None:
    """The E-model's mark, with the loss that was counted or another one."""
    rtt_ms = o.rtt_ms
    if rtt_ms is None and facts.control is not None:
        rtt_ms = facts.control.rtt_ms
    lost = _loss(o)
    if o.kind != "audio" or lost is None or not o.received or rtt_ms is None:
        return None
    if o.sent < MOS_PACKETS_MIN:
        return None
    missed = _missed(o)
    runs = emodel.burst_ratio(o.sent - o.received, o.gaps, o.sent)
    return emodel.mos(missed / o.sent if loss is None else loss, rtt_ms=rtt_ms, burst_ratio=runs)


def _why_unknown(
    facts: Facts, kind: Kind, out: MediaStream | None, back: MediaStream | None
) -> str:
    """The clause of a requirement that is not decided; empty where nothing was tried."""
    if out is None and back is None:
        return ""
    for o in (out, back):
        if o is not None and o.untested:
            return f"{kind} was not tested: {o.untested}"
    few = any(o is not None and o.sent < CARRIED_SENT_MIN for o in (out, back))
    if few:
        return f"too few packets of {kind} were sent to tell"
    if not facts.trusted_silence:
        return f"{kind} is undecided: the echo server did not answer to the end of the check"
    return f"{kind} is undecided: loss may explain why so little arrived"
