"""All probes over time, as in the network panel of a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette
from netcheck.drawing.look import QT_TRANSLATE_NOOP, Look, filled, look_of
from netcheck.drawing.measure import fitted
from netcheck.drawing.sheet import Sheet
from netcheck.report.model import Report
from netcheck.report.verdicts import Kind
from probes.observation import AnyObservation, Attempt

WIDTH = 900.0
ROWS = 200
"""Probes in one drawing; what comes later is counted.  A page of print holds about fifty."""
_LEFT, _RIGHT = 250.0, 780.0
_TOP, _ROW = 30.0, 18.0
_NAME = 26.0  # where the id begins, beside the mark
_TICKS = 6
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)

_GOOD = frozenset({"answered", "connected", "resolved", "talked", "found"})
_WANTED = {"icmp-errors": "refused"}
"""What a probe is there to provoke."""

_WORDS = {
    "answered": QT_TRANSLATE_NOOP("Drawing", "answered"),
    "refused": QT_TRANSLATE_NOOP("Drawing", "refused"),
    "unreachable": QT_TRANSLATE_NOOP("Drawing", "unreachable"),
    "closed": QT_TRANSLATE_NOOP("Drawing", "closed"),
    "mute": QT_TRANSLATE_NOOP("Drawing", "mute"),
    "foreign": QT_TRANSLATE_NOOP("Drawing", "foreign"),
    "altered": QT_TRANSLATE_NOOP("Drawing", "altered"),
    "silent": QT_TRANSLATE_NOOP("Drawing", "silent"),
    "local error": QT_TRANSLATE_NOOP("Drawing", "local error"),
    "connected": QT_TRANSLATE_NOOP("Drawing", "connected"),
    "not connected": QT_TRANSLATE_NOOP("Drawing", "not connected"),
    "measured": QT_TRANSLATE_NOOP("Drawing", "measured"),
    "not tested": QT_TRANSLATE_NOOP("Drawing", "not tested"),
    "port in use": QT_TRANSLATE_NOOP("Drawing", "port in use"),
    "talked": QT_TRANSLATE_NOOP("Drawing", "talked"),
    "broken off": QT_TRANSLATE_NOOP("Drawing", "broken off"),
    "untested": QT_TRANSLATE_NOOP("Drawing", "not tested"),
    "found": QT_TRANSLATE_NOOP("Drawing", "found"),
    "none": QT_TRANSLATE_NOOP("Drawing", "none"),
    "resolved": QT_TRANSLATE_NOOP("Drawing", "resolved"),
    "failed": QT_TRANSLATE_NOOP("Drawing", "failed"),
    "no such name": QT_TRANSLATE_NOOP("Drawing", "no such name"),
    "no address": QT_TRANSLATE_NOOP("Drawing", "no address"),
    "redirected": QT_TRANSLATE_NOOP("Drawing", "redirected"),
    "login required": QT_TRANSLATE_NOOP("Drawing", "login required"),
}
"""How a probe fared, in a reader's language.  What is not here is shown as it is."""

_SILENT = frozenset({"silent", "none", "untested", "failed"})


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: from ``start_s`` to ``end_s`` after the check began, the moments of its
    attempts, and how it fared in a word."""

    observation: str
    probe: str
    start_s: float
    end_s: float
    fared: Kind
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


def _fared(observation: AnyObservation) -> tuple[Kind, str]:
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
    fared: Kind = "open" if best in _SILENT else "bad"
    if best in _GOOD or best == wanted:
        fared = "good"
    return fared, best.replace("-", " ")


def draw(
    report: Report, look: Look | Palette, first: int = 0, rows: int = ROWS, *, rest: bool = True
) -> Drawing | None:
    """The bars from number `first` on, `rows` of them at most; None where there are none.
    `rest`: whether what comes later is counted in a last line."""
    every = bars(report.observations)
    shown = every[first : first + rows]
    if not shown:
        return None
    sheet = Sheet(look_of(look), WIDTH)
    whole = max(bar.end_s for bar in every) or 1.0
    left = len(every) - first - len(shown) if rest else 0
    height = _TOP + _ROW * (len(shown) + bool(left)) + 8
    axis = sheet.left(_LEFT, _RIGHT - _LEFT)
    _add_scale(sheet, axis, whole, height - 8)
    for number, bar in enumerate(shown):
        _add_row(sheet, axis, bar, _TOP + _ROW * number, whole)
    translate = sheet.look.translate
    if left:
        more = filled(translate("Drawing", "and {count} more"), count=left)
        y = _TOP + _ROW * len(shown) + 13
        sheet.fit(8, y, _LEFT - 16, more, sheet.colours.quiet)
    title = translate("Drawing", "Timeline: {count} probes in {seconds} s")
    title = filled(title, count=len(every), seconds=f"{whole:.1f}")
    return sheet.drawing(height, title)


def _x(axis: float, seconds: float, whole: float) -> float:
    """Time runs to the right for every reader."""
    return round(axis + (_RIGHT - _LEFT) * min(max(seconds / whole, 0.0), 1.0), 2)


def _add_scale(sheet: Sheet, axis: float, whole: float, bottom: float) -> None:
    step = next((s for s in _STEPS if whole / s <= _TICKS), whole / _TICKS)
    room = (_RIGHT - _LEFT) / max(1, int(whole / step)) - 8
    for number in range(int(whole / step) + 1):
        x = _x(axis, number * step, whole)
        sheet.body.append(svg.line(x, _TOP - 6, x, bottom, sheet.colours.line, thick=1))
        words = filled(sheet.look.translate("Drawing", "{seconds} s"), seconds=f"{number * step:g}")
        lines, size = fitted(words, room, 11)
        quiet = sheet.colours.quiet
        sheet.body.append(svg.text(x, _TOP - 12, lines[0], quiet, size=size, anchor="middle"))


def _add_row(sheet: Sheet, axis: float, bar: Bar, top: float, whole: float) -> None:
    colours, translate = sheet.colours, sheet.look.translate
    colour = getattr(colours, bar.fared)
    start, end = _x(axis, bar.start_s, whole), _x(axis, bar.end_s, whole)
    sheet.mark(14, top + 9, bar.fared, 12)
    name = bar.observation.strip() or "?"
    sheet.fit(_NAME, top + 13, _LEFT - _NAME - 8, name, colours.text, size=11)
    sheet.body.append(svg.box(start, top + 5, max(2.0, end - start), 8, colour, round_=2))
    for moment in bar.attempts_s[1:40]:
        x = _x(axis, moment, whole)
        sheet.body.append(svg.line(x, top + 3, x, top + 15, colours.text, thick=1))
    word = translate("Drawing", _WORDS[bar.word]) if bar.word in _WORDS else bar.word
    sheet.fit(_RIGHT + 10, top + 13, WIDTH - _RIGHT - 14, word, colours.quiet, size=11)
    words = filled(
        translate("Drawing", "{probe}: {fared}, at {at} s, took {took} s"),
        probe=bar.probe,
        fared=word,
        at=f"{bar.start_s:.2f}",
        took=f"{bar.end_s - bar.start_s:.2f}",
    )
    name = bar.observation.strip() or bar.probe
    sheet.part(name, words, 0, top, WIDTH, _ROW, bar.observation)
