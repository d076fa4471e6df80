"""Voice and video: how unevenly each stream came and what of it was lost, over time."""

from __future__ import annotations

import math

import msgspec

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette
from netcheck.drawing.look import QT_TRANSLATE_NOOP, Look, filled, look_of
from netcheck.drawing.sheet import Sheet
from netcheck.report.model import Report, Stream
from probes.observation import MediaStream

WIDTH = 900.0
_LEFT, _RIGHT = 270.0, 840.0  # of time, the same for all streams
_HEAD, _ROW = 26.0, 112.0
_LINE, _BAR = 46.0, 26.0  # heights of the jitter's line and of the bars of what was lost
_WORDS, _WORDS_ROOM = 30.0, 225.0  # what is said beside them, behind its mark
_SCALE_ROOM = 50.0
_QUARTER_S = 0.25
"""What one number of an observation's ``losses`` and ``jitters_ms`` counts."""

GOOD_JITTER_MS, POOR_JITTER_MS = 30.0, 60.0
"""A common receiver evens out 30 ms; 60 ms is what the measurement itself counts as late."""
_MOST_JITTER_MS = 80.0  # where the line's room ends; what is above it is an arrow
_FEW_LOST = 0.01  # heard by nobody, with G.711's and G.723.1's concealment
_TICKS = 6
_STEPS_S = (0.25, 0.5, 1, 2, 5, 10, 20)

# A report that somebody made up may hold any number of these, and any numbers.
_MOST = 32
_MOST_QUARTERS = 480
_MOST_MS = 99_999.0

_NAMES = {
    ("audio", "outbound"): QT_TRANSLATE_NOOP("Drawing", "Audio to others"),
    ("audio", "inbound"): QT_TRANSLATE_NOOP("Drawing", "Audio to you"),
    ("video", "outbound"): QT_TRANSLATE_NOOP("Drawing", "Video to others"),
    ("video", "inbound"): QT_TRANSLATE_NOOP("Drawing", "Video to you"),
}
_MEANT = {
    "part": QT_TRANSLATE_NOOP(
        "Drawing", "more than the {limit} ms that a common receiver evens out"
    ),
    "bad": QT_TRANSLATE_NOOP("Drawing", "more than {limit} ms: too uneven for a common receiver"),
}
_LIMITS = {"part": GOOD_JITTER_MS, "bad": POOR_JITTER_MS}


class _Course(msgspec.Struct, frozen=True):
    """A stream, what each quarter second lost of it, and how uneven it was (None: unknown);
    empty where that is not known of any.  ``packets`` are those of a quarter; ``untested`` is
    why nothing is known at all."""

    stream: Stream
    losses: tuple[int, ...] = ()
    jitters_ms: tuple[float | None, ...] = ()
    packets: float = 1.0
    untested: str = ""

    @property
    def quarters(self) -> int:
        return max(len(self.losses), len(self.jitters_ms))

    @property
    def worst(self) -> tuple[int, float] | None:
        """The most uneven quarter and its jitter."""
        told = [(jitter, -n) for n, jitter in enumerate(self.jitters_ms) if jitter is not None]
        return (-max(told)[1], max(told)[0]) if told else None

    @property
    def evenness(self) -> str:
        """The kind of mark for its worst, which an end without jitter must not hide."""
        jitter_ms = self.worst[1] if self.worst else self.stream.jitter_ms
        if jitter_ms is None:
            return "open"
        if jitter_ms <= GOOD_JITTER_MS:
            return "good"
        return "part" if jitter_ms <= POOR_JITTER_MS else "bad"

    @property
    def wholeness(self) -> str:
        if self.stream.loss is None:
            return "open"
        if self.stream.received == 0:
            return "bad"
        return "good" if self.stream.loss <= _FEW_LOST else "part"


def draw(report: Report, look: Look | Palette) -> Drawing | None:
    """A row for each stream; None where none was tested."""
    streams = report.media[:_MOST]
    if not streams:
        return None
    look = look_of(look)
    seen = {o.id: o for o in report.observations if isinstance(o, MediaStream)}
    courses = [_course(s, seen.get(s.observation or "") or _of(s, seen)) for s in streams]
    quarters = max(course.quarters for course in courses)
    sheet = Sheet(look, WIDTH)
    head = look.translate("Drawing", "Over time: jitter (line) and packets lost (bars)")
    sheet.fit(_LEFT, 14, _RIGHT - _LEFT, head, sheet.colours.quiet, size=11)
    for number, course in enumerate(courses):
        top = _HEAD + _ROW * number
        name = look.translate("Drawing", _NAMES[course.stream.kind, course.stream.direction])
        sheet.part(name, _words(look, name, course), 0, top, WIDTH, _ROW - 6)
        sheet.fit(8, top + 14, _LEFT - 24, name, sheet.colours.text, size=13, bold=True)
        if course.untested:
            _add_untested(sheet, course, top)
            continue
        line_base = top + 6 + _LINE
        bar_base = line_base + 8 + _BAR
        _add_said(sheet, course, top + 34, bar_base - 8)
        _add_jitter(sheet, course, quarters, line_base)
        _add_losses(sheet, course, quarters, bar_base)
    said = ". ".join(part.words for part in sheet.parts)
    title = filled(look.translate("Drawing", "Voice and video. {said}"), said=said)
    return sheet.drawing(_HEAD + _ROW * len(streams), title)


def _of(stream: Stream, seen: dict[str, MediaStream]) -> MediaStream | None:
    same = (o for o in seen.values() if (o.kind, o.direction) == (stream.kind, stream.direction))
    return next(same, None)


def _course(stream: Stream, seen: MediaStream | None) -> _Course:
    if seen is None:
        return _Course(stream)
    if stream.loss is None:
        return _Course(stream, untested=" ".join(seen.untested.split()))
    return _Course(
        stream,
        tuple(max(0, lost) for lost in seen.losses[:_MOST_QUARTERS]),
        tuple(
            max(0.0, jitter) if jitter is not None and math.isfinite(jitter) else None
            for jitter in seen.jitters_ms[:_MOST_QUARTERS]
        ),
        max(1.0, seen.packets_per_s * _QUARTER_S),
    )


# ---- in words ----


def _words(look: Look, name: str, course: _Course) -> str:
    if course.untested:
        return filled(
            look.translate("Drawing", "{stream}: not tested: {reason}"),
            stream=name,
            reason=course.untested,
        )
    said = [_lost(look, course.stream), _most_lost(look, course), _jitter(look, course)]
    said += [_most_uneven(look, course)]
    if meant := _MEANT.get(course.evenness):
        said.append(filled(look.translate("Drawing", meant), limit=f"{_LIMITS[course.evenness]:g}"))
    facts = ", ".join(each for each in said if each)
    return filled(look.translate("Drawing", "{stream}: {facts}"), stream=name, facts=facts)


def _lost(look: Look, stream: Stream) -> str:
    if stream.loss is None or stream.received is None:
        return look.translate("Drawing", "loss not known")
    if stream.received == 0:
        return filled(look.translate("Drawing", "none of {sent} arrived"), sent=stream.sent)
    if not stream.loss:
        return look.translate("Drawing", "nothing lost")
    return filled(look.translate("Drawing", "{percent} % lost"), percent=f"{100 * stream.loss:.1f}")


def _most_lost(look: Look, course: _Course) -> str:
    if not any(course.losses) or course.stream.received == 0:
        return ""
    at = course.losses.index(max(course.losses))
    return filled(look.translate("Drawing", "most at {seconds} s"), seconds=_seconds(at))


def _jitter(look: Look, course: _Course) -> str:
    jitter_ms = course.stream.jitter_ms
    if jitter_ms is None:
        return look.translate("Drawing", "jitter not known")
    number = f"{_bounded(jitter_ms):.1f}"
    if course.worst is None:
        return filled(look.translate("Drawing", "jitter {number} ms"), number=number)
    return filled(look.translate("Drawing", "jitter {number} ms at the end"), number=number)


def _most_uneven(look: Look, course: _Course) -> str:
    if course.worst is None:
        return ""
    quarter, worst_ms = course.worst
    if worst_ms < 1:
        return look.translate("Drawing", "even all the time")
    return filled(
        look.translate("Drawing", "most uneven at {seconds} s: {number} ms"),
        seconds=_seconds(quarter),
        number=f"{_bounded(worst_ms):.0f}",
    )


def _seconds(quarter: int) -> str:
    return f"{quarter * _QUARTER_S:g}"


def _bounded(milliseconds: float) -> float:
    return min(max(milliseconds, 0.0), _MOST_MS)


def _add_untested(sheet: Sheet, course: _Course, top: float) -> None:
    quiet = sheet.colours.quiet
    sheet.mark(16, top + 30, "open", 14)
    words = sheet.look.translate("Drawing", "not tested")
    sheet.fit(_WORDS, top + 34, _WORDS_ROOM, words, quiet, size=11)
    room = _RIGHT - _LEFT
    sheet.fit(_LEFT, top + 34, room, course.untested, quiet, size=11, most=4)


def _add_said(sheet: Sheet, course: _Course, line_y: float, bar_y: float) -> None:
    """Beside the line what it says, and beside the bars what they say, each with its mark."""
    look, quiet = sheet.look, sheet.colours.quiet

    def say(y: float, words: str, most: int = 1) -> float:
        return sheet.fit(_WORDS, y, _WORDS_ROOM, words, quiet, size=11, most=most, lead=13)

    sheet.mark(16, line_y - 4, course.evenness, 14)
    say(say(line_y, _jitter(look, course)), _most_uneven(look, course), 2)
    sheet.mark(16, bar_y - 4, course.wholeness, 14)
    say(say(bar_y, _lost(look, course.stream)), _most_lost(look, course))


# ---- over time ----


def _x(sheet: Sheet, quarter: float, quarters: int) -> float:
    """Time grows to the right for every reader."""
    wide = _RIGHT - _LEFT
    return round(sheet.left(_LEFT, wide) + wide * quarter / max(quarters, 1), 2)


def _add_jitter(sheet: Sheet, course: _Course, quarters: int, base: float) -> None:
    """A line through the middle of each quarter second, broken where nothing is known."""
    colours = sheet.colours
    sheet.line(_LEFT, base, _RIGHT, base, colours.quiet, thick=1)
    if course.worst is None:
        room = _RIGHT - _LEFT - 8
        sheet.fit(
            _LEFT + 8, base - 16, room, _why_no_line(sheet.look, course), colours.quiet, size=11
        )
        return
    for limit in (GOOD_JITTER_MS, POOR_JITTER_MS):
        y = base - _height(limit)
        sheet.line(_LEFT, y, _RIGHT, y, colours.line, thick=1, dashed=True)
        words = filled(sheet.look.translate("Drawing", "{number} ms"), number=f"{limit:g}")
        sheet.fit(_RIGHT + 6, y + 4, _SCALE_ROOM, words, colours.quiet, size=10)
    steps, dots = [], []
    before = False
    for number, jitter in enumerate(course.jitters_ms):
        if jitter is not None:
            x = _x(sheet, number + 0.5, quarters)
            steps.append(f"{'L' if before else 'M'}{x:g} {base - _height(jitter):g}")
            dots.append(_dot(x, base, jitter, number == course.worst[0], colours))
        before = jitter is not None
    sheet.body.append(
        f'<path d="{"".join(steps)}" stroke="{colours.accent}" stroke-width="2" fill="none"/>'
    )
    sheet.body += dots


def _why_no_line(look: Look, course: _Course) -> str:
    if course.stream.received == 0:
        return look.translate("Drawing", "nothing arrived")
    if course.stream.jitter_ms is None:
        return look.translate("Drawing", "not known")
    return look.translate("Drawing", "when it was uneven is not known")


def _height(jitter_ms: float) -> float:
    return round(_LINE * min(jitter_ms, _MOST_JITTER_MS) / _MOST_JITTER_MS, 2)


def _dot(x: float, base: float, jitter_ms: float, worst: bool, colours: Palette) -> str:
    """Larger where it is the worst; an arrow where the line leaves its room."""
    y = base - _height(jitter_ms)
    if jitter_ms > _MOST_JITTER_MS:
        return f'<path d="M{x:g} {y - 5:g}l5 8h-10z" fill="{colours.accent}"/>'
    return f'<circle cx="{x:g}" cy="{y:g}" r="{4 if worst else 2}" fill="{colours.accent}"/>'


def _add_losses(sheet: Sheet, course: _Course, quarters: int, base: float) -> None:
    """A bar for each quarter of a second, as high as the part of its packets that was lost."""
    colours = sheet.colours
    sheet.line(_LEFT, base, _RIGHT, base, colours.quiet, thick=1)
    if quarters:
        _add_times(sheet, quarters, base)
    if not any(course.losses):
        room = _RIGHT - _LEFT - 8
        sheet.fit(
            _LEFT + 8, base - 8, room, _why_no_bars(sheet.look, course), colours.quiet, size=11
        )
        return
    top = base - _BAR
    sheet.line(_LEFT, top, _RIGHT, top, colours.line, thick=1, dashed=True)
    words = sheet.look.translate("Drawing", "all lost")
    sheet.fit(_RIGHT + 6, top + 4, _SCALE_ROOM, words, colours.quiet, size=10)
    most = max(course.packets, max(course.losses))
    width = round(max(1.0, (_RIGHT - _LEFT) / quarters - 1), 2)
    for number, count in enumerate(course.losses):
        if count > 0:
            height = max(3.0, round(_BAR * count / most, 2))
            x = _x(sheet, number, quarters)
            sheet.body.append(svg.box(x, base - height, width, height, colours.bad, round_=0))


def _why_no_bars(look: Look, course: _Course) -> str:
    if course.stream.loss is None:
        return look.translate("Drawing", "not known")
    if not course.stream.loss:
        return look.translate("Drawing", "nothing lost")
    return look.translate("Drawing", "when packets were lost is not known")


def _add_times(sheet: Sheet, quarters: int, base: float) -> None:
    quiet = sheet.colours.quiet
    whole_s = quarters * _QUARTER_S
    step = next((s for s in _STEPS_S if whole_s / s <= _TICKS), _STEPS_S[-1])
    for number in range(int(whole_s / step) + 1):
        x = _x(sheet, number * step / _QUARTER_S, quarters)
        sheet.body.append(svg.line(x, base, x, base + 4, quiet, thick=1))
        words = filled(sheet.look.translate("Drawing", "{number} s"), number=f"{number * step:g}")
        sheet.body.append(svg.text(x, base + 14, words, quiet, size=10, anchor="middle"))
