"""All probes over time, as in the network panel of a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette, Part
from netcheck.report.model import Report
from probes.observation import AnyObservation, Attempt

Fared = Literal["good", "part", "bad", "open"]

WIDTH = 900.0
ROWS = 200
"""Probes in one drawing; what comes later is counted.  A page of print holds about fifty."""
_LEFT, _RIGHT = 250.0, 780.0
_TOP, _ROW = 30.0, 18.0
_LETTERS = 34  # of an id, in the room that is left of the bars
_TICKS = 6
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)

_GOOD = frozenset({"answered", "connected", "resolved", "talked", "found"})
_WANTED = {"icmp-errors": "refused"}
"""What a probe is there to provoke."""

_SILENT = frozenset({"silent", "none", "untested", "failed"})


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: from ``start_s`` to ``end_s`` after the check began, the moments of its
    attempts, and how it fared in a word."""

    observation: str
    probe: str
    start_s: float
    end_s: float
    fared: Fared
    word: str
    attempts_s: tuple[float, ...] = ()


def bars(observations: Sequence[AnyObservation]) -> list[Bar]:
    """All of them, in the order in which they began."""
    return sorted(map(_bar, observations), key=lambda bar: (bar.start_s, bar.end_s))


def _bar(observation: AnyObservation) -> Bar:
    fared, word = _fared(observation)
    start = max(0.0, observation.at_s)
    return Bar(
        observation=observation.id,
        probe=str(observation.__struct_config__.tag),
        start_s=start,
        end_s=start + max(0.0, observation.took_s),
        fared=fared,
        word=word,
        attempts_s=tuple(attempt.at_s for attempt in _attempts(observation)),
    )


def _attempts(observation: AnyObservation) -> tuple[Attempt, ...]:
    tried: Any = getattr(observation, "attempts", None) or getattr(observation, "calls", ())
    return tuple(each for each in tried if isinstance(each, Attempt))


def _fared(observation: AnyObservation) -> tuple[Fared, str]:
    """By what all probes have in common, so that a new one needs nothing here."""
    if getattr(observation, "untested", ""):
        return "open", "not tested"
    if getattr(observation, "busy", False):
        return "part", "port in use"
    outcome = getattr(observation, "outcome", None)
    said = [outcome] if isinstance(outcome, str) else [a.outcome for a in _attempts(observation)]
    if not said:
        connected = getattr(observation, "connected", None)
        if connected is not None:
            return ("good", "connected") if connected else ("bad", "not connected")
        return "good", "measured"
    wanted = _WANTED.get(str(observation.__struct_config__.tag))
    best = next((each for each in said if each in _GOOD or each == wanted), said[-1])
    fared: Fared = "open" if best in _SILENT else "bad"
    if best in _GOOD or best == wanted:
        fared = "good"
    return fared, best.replace("-", " ")


def draw(report: Report, colours: Palette, first: int = 0, rows: int = ROWS) -> Drawing | None:
    """The bars from number `first` on, `rows` of them at most; None where there are none."""
    every = bars(report.observations)
    shown = every[first : first + rows]
    if not shown:
        return None
    whole = max(bar.end_s for bar in every) or 1.0
    left = len(every) - first - len(shown)
    height = _TOP + _ROW * (len(shown) + bool(left)) + 8
    body = _scale(whole, height - 8, colours)
    parts: list[Part] = []
    for number, bar in enumerate(shown):
        _add_row(body, parts, bar, _TOP + _ROW * number, whole, colours)
    if left:
        y = _TOP + _ROW * len(shown) + 13
        body.append(svg.text(8, y, f"and {left} more", colours.quiet))
    title = f"Timeline: {len(every)} probes in {whole:.1f} s"
    return Drawing(
        svg=svg.document(WIDTH, height, title, body),
        width=WIDTH,
        height=height,
        parts=tuple(parts),
    )


def _x(seconds: float, whole: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * min(max(seconds / whole, 0.0), 1.0), 2)


def _scale(whole: float, bottom: float, colours: Palette) -> list[str]:
    step = next((s for s in _STEPS if whole / s <= _TICKS), whole / _TICKS)
    drawn = []
    for number in range(int(whole / step) + 1):
        x = _x(number * step, whole)
        drawn.append(svg.line(x, _TOP - 6, x, bottom, colours.line, thick=1))
        words = f"{number * step:g} s"
        drawn.append(svg.text(x, _TOP - 12, words, colours.quiet, size=11, anchor="middle"))
    return drawn


def _add_row(
    body: list[str], parts: list[Part], bar: Bar, top: float, whole: float, colours: Palette
) -> None:
    colour = getattr(colours, bar.fared)
    start, end = _x(bar.start_s, whole), _x(bar.end_s, whole)
    name = svg.lines_of(bar.observation, _LETTERS, 1) or ["?"]
    body.append(svg.mark(14, top + 9, bar.fared, colours, 12))
    body.append(svg.text(26, top + 13, name[0], colours.text, size=11))
    body.append(svg.box(start, top + 5, max(2.0, end - start), 8, colour, round_=2))
    for moment in bar.attempts_s[1:40]:
        x = _x(moment, whole)
        body.append(svg.line(x, top + 3, x, top + 15, colours.text, thick=1))
    word = svg.lines_of(bar.word, 18, 1) or [""]
    body.append(svg.text(_RIGHT + 10, top + 13, word[0], colours.quiet, size=11))
    took = bar.end_s - bar.start_s
    parts.append(
        Part(
            name=bar.observation.strip() or bar.probe,
            words=f"{bar.probe}: {bar.word}, at {bar.start_s:.2f} s, took {took:.2f} s",
            x=0, y=top, width=WIDTH, height=_ROW,
        )
    )  # fmt: skip
