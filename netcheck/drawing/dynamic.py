"""The dynamic ports 1024 to 65535 as a strip: which ranges pass, and every port that was tried.

What passed stands above the line, what did not below it, so that nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette, Part
from netcheck.drawing.look import QT_TRANSLATE_NOOP, Look, filled, look_of
from netcheck.drawing.measure import fitted, width
from netcheck.drawing.sheet import Sheet
from netcheck.report.model import Dynamic, Report
from netcheck.report.verdicts import SAMPLES, Kind
from probes.observation import DynamicRange, PortSample

LOW, HIGH = 1024, 65535
WIDTH = 900.0
_LEFT, _RIGHT = 60.0, 886.0
_STRIP = 44.0  # half above the line, half below
_APART = 30.0  # with the numbers below it
_SCALE = (1024, 10000, 20000, 30000, 40000, 50000, 65535)

_LEGEND: dict[Kind, str] = {
    "good": QT_TRANSLATE_NOOP("Drawing", "passes (above the line)"),
    "part": QT_TRANSLATE_NOOP("Drawing", "arrives, the answer does not (below the line)"),
    "bad": QT_TRANSLATE_NOOP("Drawing", "does not pass (below the line)"),
    "open": QT_TRANSLATE_NOOP("Drawing", "not decided (below the line)"),
}
_ONE = {
    "refused": QT_TRANSLATE_NOOP("Drawing", "{ports}: refused"),
    "blocked": QT_TRANSLATE_NOOP("Drawing", "{ports}: blocked"),
    "altered": QT_TRANSLATE_NOOP("Drawing", "{ports}: altered"),
    "intercepted": QT_TRANSLATE_NOOP("Drawing", "{ports}: intercepted"),
    "reply-lost": QT_TRANSLATE_NOOP("Drawing", "{ports}: reply lost"),
    "undecided": QT_TRANSLATE_NOOP("Drawing", "{ports}: undecided"),
}
_SEVERAL = {
    "refused": QT_TRANSLATE_NOOP("Drawing", "{ports}: refused ({count} tried)"),
    "blocked": QT_TRANSLATE_NOOP("Drawing", "{ports}: blocked ({count} tried)"),
    "altered": QT_TRANSLATE_NOOP("Drawing", "{ports}: altered ({count} tried)"),
    "intercepted": QT_TRANSLATE_NOOP("Drawing", "{ports}: intercepted ({count} tried)"),
    "reply-lost": QT_TRANSLATE_NOOP("Drawing", "{ports}: reply lost ({count} tried)"),
    "undecided": QT_TRANSLATE_NOOP("Drawing", "{ports}: undecided ({count} tried)"),
}

# A report that somebody made up may hold any number of these.
_MOST = 4000


def draw(report: Report, look: Look | Palette) -> Drawing | None:
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
    sheet = Sheet(look_of(look), WIDTH)
    said = [_summary(sheet.look, name, found) for name, found, _ in rows]
    top = 8.0
    for (name, found, tried), summary in zip(rows, said, strict=True):
        top = _add_strip(sheet, name, found, tried[:_MOST], summary, top)
    shown = {SAMPLES[s.outcome].kind for _, _, tried in rows for s in tried} or {"good"}
    bottom = _add_legend(sheet, [kind for kind in _LEGEND if kind in shown], top)
    title = filled(
        sheet.look.translate("Drawing", "Dynamic ports. {summary}"), summary=". ".join(said)
    )
    return sheet.drawing(bottom + 6, title)


def _summary(look: Look, name: str, found: Dynamic) -> str:
    ranges = ", ".join("–".join(map(str, span)) for span in found.open_ranges[:6])
    said = (
        look.translate(
            "Drawing",
            "{transport}: {open} of {tried} ports that were tried pass; passing: {ranges}",
        )
        if ranges
        else look.translate("Drawing", "{transport}: {open} of {tried} ports that were tried pass")
    )
    return filled(said, transport=name, open=found.open, tried=found.sampled, ranges=ranges)


def _x(left: float, port: int) -> float:
    """Numbers grow to the right for every reader."""
    port = min(max(port, LOW), HIGH)
    return round(left + (_RIGHT - _LEFT) * (port - LOW) / (HIGH - LOW), 2)


def _add_strip(
    sheet: Sheet,
    name: str,
    found: Dynamic,
    tried: Sequence[PortSample],
    summary: str,
    top: float,
) -> float:
    """Where the next one may begin."""
    colours, left = sheet.colours, sheet.left(_LEFT, _RIGHT - _LEFT)
    room = _RIGHT - _LEFT
    under = sheet.fit(_LEFT, top + 12, room, summary, colours.quiet, most=2)
    middle = under - 9 + _STRIP / 2
    sheet.text(8, middle + 5, name, colours.text, size=14, bold=True)
    sheet.box(_LEFT, middle - _STRIP / 2, room, _STRIP, colours.base, colours.line, 3)
    for low, high in (span for span in found.open_ranges[:_MOST] if len(span) == 2):
        x, wide = _x(left, low), max(2.0, _x(left, high) - _x(left, low))
        # Half as thick as the ticks are high: a range is what was concluded, not what was seen.
        sheet.body.append(svg.box(x, middle - 6, wide, 6, colours.good, round_=0))
        words = filled(
            sheet.look.translate("Drawing", "{transport} ports {range} pass"),
            transport=name,
            range=f"{low}–{high}",
        )
        sheet.parts.append(
            Part(
                name=f"{name} {low}–{high}", words=words,
                x=x, y=middle - _STRIP / 2, width=wide, height=_STRIP / 2,
            )
        )  # fmt: skip
    for sample in tried:
        kind = SAMPLES[sample.outcome].kind
        end = middle - _STRIP / 2 + 3 if kind == "good" else middle + _STRIP / 2 - 3
        x, colour = _x(left, sample.port), getattr(colours, kind)
        dashed = kind in ("part", "open")
        sheet.body.append(svg.line(x, middle, x, end, colour, thick=1.6, dashed=dashed))
    sheet.body.append(svg.line(left, middle, left + room, middle, colours.quiet, thick=1))
    sheet.parts += _runs(sheet.look, name, tried, left, middle)
    for port in _SCALE:
        anchor = "start" if port == LOW else "end" if port == HIGH else "middle"
        below = middle + _STRIP / 2 + 14
        x = _x(left, port)
        sheet.body.append(svg.text(x, below, str(port), colours.quiet, size=11, anchor=anchor))
    return middle + _STRIP / 2 + _APART


def _runs(
    look: Look, name: str, tried: Sequence[PortSample], left: float, middle: float
) -> list[Part]:
    """Neighbours that fared the same are one part."""
    parts = []
    in_order = sorted(tried, key=lambda sample: sample.port)
    for outcome, run in groupby(in_order, key=lambda sample: sample.outcome):
        ports = [sample.port for sample in run]
        if outcome == "open":
            continue
        span = str(ports[0]) if len(ports) == 1 else f"{ports[0]}–{ports[-1]}"
        said = (_ONE if len(ports) == 1 else _SEVERAL)[outcome]
        words = filled(look.translate("Drawing", said), ports=f"{name} {span}", count=len(ports))
        x = _x(left, ports[0])
        parts.append(
            Part(
                name=f"{name} {span}", words=words,
                x=x - 1, y=middle, width=_x(left, ports[-1]) - x + 2, height=_STRIP / 2,
            )
        )  # fmt: skip
    return parts


def _add_legend(sheet: Sheet, kinds: list[Kind], top: float) -> float:
    """As many in a line as there is room for; where they end."""
    x, room = _LEFT, _RIGHT - _LEFT
    for kind in kinds:
        said = sheet.look.translate("Drawing", _LEGEND[kind])
        lines, size = fitted(said, room - 20, 12)
        wide = 20 + max(width(line, size) for line in lines) if lines else 20
        if x > _LEFT and x + wide > _RIGHT:
            x, top = _LEFT, top + 20
        sheet.mark(x + 7, top + 8, kind, 14)
        for line in lines:
            sheet.text(x + 20, top + 12, line, sheet.colours.text, size=size)
        x += wide + 26
    return top + 20
