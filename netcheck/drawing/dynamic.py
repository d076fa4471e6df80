"""The dynamic ports 1024 to 65535 as a strip: which ranges pass, and every port that was tried.

What passed stands above the line, what did not below it, so that nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette, Part
from netcheck.report.model import Dynamic, Report
from probes.observation import DynamicRange, PortSample

LOW, HIGH = 1024, 65535
WIDTH = 900.0
_LEFT, _RIGHT = 60.0, 886.0
_STRIP = 44.0  # half above the line, half below
_ROW = 92.0  # with its words and its distance from the next
_SCALE = (1024, 10000, 20000, 30000, 40000, 50000, 65535)

_Kind = Literal["good", "part", "bad", "open"]
_KINDS: dict[str, _Kind] = {
    "open": "good",
    "refused": "bad",
    "blocked": "bad",
    "altered": "bad",
    "intercepted": "bad",
    "reply-lost": "part",
    "undecided": "open",
}
_WORDS: dict[_Kind, str] = {
    "good": "passes",
    "part": "arrives, the answer does not",
    "bad": "does not pass",
    "open": "not decided",
}

# A report that somebody made up may hold any number of these.
_MOST = 4000


def draw(report: Report, colours: Palette) -> Drawing | None:
    """A strip for UDP and one for TCP; None where no dynamic port was tried."""
    samples: dict[str, tuple[PortSample, ...]] = {
        found.transport: found.samples
        for found in report.observations
        if isinstance(found, DynamicRange) and found.samples
    }
    rows = [
        (name, found, samples.get(transport, ()))
        for name, transport, found in (
            ("UDP", "udp", report.dynamic_udp),
            ("TCP", "tcp", report.dynamic_tcp),
        )
        if found is not None and found.sampled
    ]
    if not rows:
        return None
    body: list[str] = []
    parts: list[Part] = []
    for number, (name, found, tried) in enumerate(rows):
        _add_strip(body, parts, name, found, tried[:_MOST], 8 + _ROW * number, colours)
    bottom = 8 + _ROW * len(rows)
    shown = {_KINDS[s.outcome] for _, _, tried in rows for s in tried} or {"good"}
    _add_legend(body, [kind for kind in _WORDS if kind in shown], bottom, colours)
    said = ". ".join(_summary(name, found) for name, found, _ in rows)
    height = bottom + 26
    return Drawing(
        svg=svg.document(WIDTH, height, f"Dynamic ports. {said}", body),
        width=WIDTH,
        height=height,
        parts=tuple(parts),
    )


def _summary(name: str, found: Dynamic) -> str:
    ranges = ", ".join("–".join(map(str, span)) for span in found.open_ranges[:6])
    passing = f"; passing: {ranges}" if ranges else ""
    return f"{name}: {found.open} of {found.sampled} ports that were tried pass{passing}"


def _x(port: int) -> float:
    port = min(max(port, LOW), HIGH)
    return round(_LEFT + (_RIGHT - _LEFT) * (port - LOW) / (HIGH - LOW), 2)


def _add_strip(
    body: list[str],
    parts: list[Part],
    name: str,
    found: Dynamic,
    tried: Sequence[PortSample],
    top: float,
    colours: Palette,
) -> None:
    middle = top + 18 + _STRIP / 2
    body.append(svg.text(8, middle + 5, name, colours.text, size=14, bold=True))
    body.append(svg.text(_LEFT, top + 12, _summary(name, found), colours.quiet))
    strip = svg.box(
        _LEFT, middle - _STRIP / 2, _RIGHT - _LEFT, _STRIP, colours.base, colours.line, 3
    )
    body.append(strip)
    for low, high in (span for span in found.open_ranges[:_MOST] if len(span) == 2):
        width = max(2.0, _x(high) - _x(low))
        # Half as thick as the ticks are high: a range is what was concluded, not what was seen.
        body.append(svg.box(_x(low), middle - 6, width, 6, colours.good, round_=0))
        parts.append(
            Part(
                name=f"{name} {low}–{high}", words=f"{name} ports {low}–{high} pass",
                x=_x(low), y=middle - _STRIP / 2, width=width, height=_STRIP / 2,
            )
        )  # fmt: skip
    for sample in tried:
        kind = _KINDS[sample.outcome]
        end = middle - _STRIP / 2 + 3 if kind == "good" else middle + _STRIP / 2 - 3
        x, colour = _x(sample.port), getattr(colours, kind)
        body.append(svg.line(x, middle, x, end, colour, thick=1.6, dashed=kind in ("part", "open")))
    body.append(svg.line(_LEFT, middle, _RIGHT, middle, colours.quiet, thick=1))
    parts += _runs(name, tried, middle)
    for port in _SCALE:
        anchor = "start" if port == LOW else "end" if port == HIGH else "middle"
        below = middle + _STRIP / 2 + 14
        body.append(svg.text(_x(port), below, str(port), colours.quiet, size=11, anchor=anchor))


def _runs(name: str, tried: Sequence[PortSample], middle: float) -> list[Part]:
    """Neighbours that fared the same are one part."""
    parts = []
    in_order = sorted(tried, key=lambda sample: sample.port)
    for outcome, run in groupby(in_order, key=lambda sample: sample.outcome):
        ports = [sample.port for sample in run]
        if outcome == "open":
            continue
        span = str(ports[0]) if len(ports) == 1 else f"{ports[0]}–{ports[-1]}"
        tries = f" ({len(ports)} tried)" if len(ports) > 1 else ""
        parts.append(
            Part(
                name=f"{name} {span}", words=f"{name} {span}: {outcome.replace('-', ' ')}{tries}",
                x=_x(ports[0]) - 1, y=middle, width=_x(ports[-1]) - _x(ports[0]) + 2,
                height=_STRIP / 2,
            )
        )  # fmt: skip
    return parts


def _add_legend(body: list[str], kinds: list[_Kind], top: float, colours: Palette) -> None:
    x = _LEFT
    for kind in kinds:
        where = "above the line" if kind == "good" else "below the line"
        words = f"{_WORDS[kind]} ({where})"
        body.append(svg.mark(x + 7, top + 8, kind, colours, 14))
        body.append(svg.text(x + 20, top + 12, words, colours.text))
        x += 46 + 6.6 * len(words)
