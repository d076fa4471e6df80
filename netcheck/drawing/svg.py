"""Elements of SVG Tiny, all text escaped: whatever a report says, it stays text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

from netcheck.drawing.drawing import Palette

FONT = "Noto Sans, Segoe UI, Helvetica, Arial, sans-serif"

_PILED_MOST = 3


def document(width: float, height: float, title: str, body: Sequence[str]) -> str:
    """A whole document.  ``title`` says what it shows to who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" font-family="{FONT}">'
        f"<title>{escaped(title)}</title>{''.join(body)}</svg>"
    )


def printable(text: str) -> str:
    """Text, without characters that no XML may hold and those that turn the line's direction;
    and with no more marks on one letter than any language needs, for they would pile up."""
    kept: list[str] = []
    piled = 0
    for letter in text:
        piled = piled + 1 if unicodedata.combining(letter) else 0
        if piled <= _PILED_MOST:
            kept.append(letter if letter.isprintable() else "�")
    return "".join(kept)


def escaped(text: str) -> str:
    """Text as SVG holds it."""
    return escape(printable(text))


def text(
    x: float,
    y: float,
    words: str,
    colour: str,
    *,
    size: float = 12,
    bold: bool = False,
    anchor: str = "start",
) -> str:
    """One line whose baseline is ``y``; ``anchor`` is start, middle or end."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{weight} fill="{colour}" '
        f'text-anchor="{anchor}">{escaped(words)}</text>'
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    line: str = "none",
    round_: float = 6,
) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_:g}" '
        f'fill="{fill}" stroke="{line}" stroke-width="1.5"/>'
    )


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    *,
    thick: float = 2,
    dashed: bool = False,
) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" '
        f'stroke-width="{thick:g}"{dashes}/>'
    )


def mark(x: float, y: float, kind: str, colours: Palette, size: float = 16) -> str:
    """The shape of a verdict (good, part, bad, open) with its middle at ``x``, ``y``."""
    colour = getattr(colours, kind)
    scale = size / 24
    return (
        f'<g transform="translate({x - size / 2:g} {y - size / 2:g}) scale({scale:g})">'
        f"{SHAPES[kind].format(c=colour, b=colours.base)}</g>"
    )


SHAPES: dict[str, str] = {
    "good": '<circle cx="12" cy="12" r="10" fill="{c}"/>'
    '<path d="M7 12.5l3.4 3.4L17 9" stroke="{b}" stroke-width="2.4" fill="none"/>',
    "part": '<path d="M12 2L23 21H1z" fill="{c}"/>'
    '<path d="M12 9v6" stroke="{b}" stroke-width="2.4"/>'
    '<circle cx="12" cy="18" r="1.4" fill="{b}"/>',
    "bad": '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8z" fill="{c}"/>'
    '<path d="M8.5 8.5l7 7m0-7l-7 7" stroke="{b}" stroke-width="2.4"/>',
    "open": '<circle cx="12" cy="12" r="9" fill="none" stroke="{c}" stroke-width="2"/>'
    '<path d="M9.3 9.5a2.8 2.8 0 1 1 4 2.6c-.9.5-1.3 1-1.3 2" stroke="{c}" stroke-width="2"'
    ' fill="none"/><circle cx="12" cy="17.2" r="1.3" fill="{c}"/>',
}
"""In a box of 24 units: {c} is the verdict's colour, {b} what it stands on."""
