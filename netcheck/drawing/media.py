"""Voice and video: what each stream lost over time, and how unevenly it came."""

from __future__ import annotations

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette, Part
from netcheck.report.model import Report, Stream
from probes.observation import MediaStream

WIDTH = 900.0
_LEFT, _RIGHT = 170.0, 640.0
_ROW, _BAR = 66.0, 36.0
_QUARTER_S = 0.25
"""What one number of an observation's ``losses`` counts."""

GOOD_JITTER_MS, POOR_JITTER_MS = 30.0, 60.0
"""A common receiver evens out 30 ms; 60 ms is what the measurement itself counts as late."""
_MOST_JITTER_MS = 80.0
_GAUGE_LEFT, _GAUGE_RIGHT = 690.0, 880.0
_FEW_LOST = 0.01  # heard by nobody, with G.711's and G.723.1's concealment

# A report that somebody made up may hold any number of these.
_MOST = 32
_MOST_QUARTERS = 2400


def draw(report: Report, colours: Palette) -> Drawing | None:
    """A row for each stream; None where none was tested."""
    streams = report.media[:_MOST]
    if not streams:
        return None
    seen = {o.id: o for o in report.observations if isinstance(o, MediaStream)}
    body: list[str] = [
        svg.text(_LEFT, 14, "Packets lost, over time", colours.quiet),
        svg.text(_GAUGE_LEFT, 14, "Jitter", colours.quiet),
    ]
    parts: list[Part] = []
    for number, stream in enumerate(streams):
        observation = seen.get(stream.observation or "") or _of(stream, seen)
        top = 22 + _ROW * number
        _add_stream(body, parts, stream, observation, top, colours)
    height = 22 + _ROW * len(streams) + 4
    said = ". ".join(part.words for part in parts)
    return Drawing(
        svg=svg.document(WIDTH, height, f"Voice and video. {said}", body),
        width=WIDTH,
        height=height,
        parts=tuple(parts),
    )


def _of(stream: Stream, seen: dict[str, MediaStream]) -> MediaStream | None:
    same = (o for o in seen.values() if (o.kind, o.direction) == (stream.kind, stream.direction))
    return next(same, None)


def _kind(stream: Stream) -> str:
    if stream.loss is None:
        return "open"
    if stream.received == 0:
        return "bad"
    return "good" if stream.loss <= _FEW_LOST else "part"


def _add_stream(
    body: list[str],
    parts: list[Part],
    stream: Stream,
    observation: MediaStream | None,
    top: float,
    colours: Palette,
) -> None:
    name = (
        f"{stream.kind.capitalize()} {'to others' if stream.direction == 'outbound' else 'to you'}"
    )
    lost = _lost(stream)
    base = top + 12 + _BAR
    body.append(svg.mark(16, top + 20, _kind(stream), colours, 16))
    body.append(svg.text(32, top + 25, name, colours.text, size=13, bold=True))
    body.append(svg.text(32, top + 42, lost, colours.quiet, size=11))
    losses = observation.losses[:_MOST_QUARTERS] if observation else ()
    body.append(svg.line(_LEFT, base, _RIGHT, base, colours.quiet, thick=1))
    if losses and observation:
        _add_bars(body, losses, observation.packets_per_s * _QUARTER_S, base, colours)
        seconds = f"{len(losses) * _QUARTER_S:g} s"
        body.append(svg.text(_LEFT, base + 12, "0", colours.quiet, size=10))
        body.append(svg.text(_RIGHT, base + 12, seconds, colours.quiet, size=10, anchor="end"))
    elif stream.loss is not None:
        words = "nothing lost" if not stream.loss else "when is not known"
        body.append(svg.text(_LEFT + 8, base - 8, words, colours.quiet, size=11))
    jitter = "jitter not known"
    if stream.jitter_ms is not None:
        jitter = f"jitter {stream.jitter_ms:.1f} ms"
        _add_gauge(body, stream.jitter_ms, top + 14, colours)
    parts.append(
        Part(name=name, words=f"{name}: {lost}, {jitter}", x=0, y=top, width=WIDTH, height=_ROW - 4)
    )


def _lost(stream: Stream) -> str:
    if stream.loss is None or stream.received is None:
        return "loss not known"
    if stream.received == 0:
        return f"none of {stream.sent} arrived"
    return f"{100 * stream.loss:.1f} % lost" if stream.loss else "nothing lost"


def _add_bars(
    body: list[str], losses: tuple[int, ...], sent: float, base: float, colours: Palette
) -> None:
    """A bar for each quarter of a second, as high as the part of its packets that was lost."""
    most = max(sent, max(losses), 1)
    step = (_RIGHT - _LEFT) / len(losses)
    for number, count in enumerate(losses):
        if count > 0:
            height = max(3.0, round(_BAR * count / most, 2))
            x = round(_LEFT + step * number, 2)
            width = max(1.0, round(step - 1, 2))
            body.append(svg.box(x, base - height, width, height, colours.bad, round_=0))
    if not any(losses):
        body.append(svg.text(_LEFT + 8, base - 8, "nothing lost", colours.quiet, size=11))


def _add_gauge(body: list[str], jitter_ms: float, top: float, colours: Palette) -> None:
    """Where the jitter lies between even and too uneven for a conversation."""
    room = _GAUGE_RIGHT - _GAUGE_LEFT
    middle = top + 20
    body.append(svg.line(_GAUGE_LEFT, middle, _GAUGE_RIGHT, middle, colours.line, thick=4))
    for limit in (GOOD_JITTER_MS, POOR_JITTER_MS):
        x = _GAUGE_LEFT + room * limit / _MOST_JITTER_MS
        body.append(svg.line(x, middle - 6, x, middle + 6, colours.quiet, thick=1))
        body.append(
            svg.text(x, middle + 18, f"{limit:g} ms", colours.quiet, size=10, anchor="middle")
        )
    kind = (
        "good" if jitter_ms <= GOOD_JITTER_MS else "part" if jitter_ms <= POOR_JITTER_MS else "bad"
    )
    x = _GAUGE_LEFT + room * min(max(jitter_ms, 0), _MOST_JITTER_MS) / _MOST_JITTER_MS
    body.append(svg.mark(x, middle, kind, colours, 14))
    anchor = "end" if jitter_ms > POOR_JITTER_MS else "start"
    body.append(
        svg.text(x, middle - 11, f"{jitter_ms:.1f} ms", colours.text, size=11, anchor=anchor)
    )
