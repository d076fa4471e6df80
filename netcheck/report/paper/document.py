"""The report as one long strip of text, laid out for the width of a page."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QSizeF
from PySide6.QtGui import (
    QFont,
    QFontDatabase,
    QFontMetricsF,
    QPagedPaintDevice,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextImageFormat,
    QTextLength,
    QTextOption,
    QTextTable,
)

from netcheck.drawing.drawing import LIGHT, Drawing
from netcheck.report import html
from netcheck.report.model import Report
from netcheck.report.paper.content import content

if TYPE_CHECKING:
    from jinja2 import Template

PROSE = ("Noto Sans", "Segoe UI", "Helvetica Neue", "Helvetica", "Arial", "DejaVu Sans")
CODE = ("Noto Sans Mono", "Consolas", "Menlo", "DejaVu Sans Mono", "Courier New")
"""Whichever is there first; without any, what the system takes for such a font."""

COMMAND_POINTS = (8.0, 6.0)
"""The size of commands, and how small they may be for the sake of a word longer than a line."""
_HANGING = 24.0  # units by which a command goes on further right, so that it is seen to be one
_INDENT = 24.0  # units of a list
_PADDING = 3.0  # units round a table's cell
_ROUND = 20.0  # units that a line may be higher than the drawing in it

_STYLE = """
    h1 {{ font-size: 12.5pt; font-weight: normal; margin-top: 2px; margin-bottom: 8px; }}
    h2 {{ font-size: 14pt; margin-top: 22px; margin-bottom: 8px; }}
    h3 {{ font-size: 11pt; margin-top: 14px; margin-bottom: 6px; }}
    h4, h5, h6 {{ font-size: 9.5pt; margin-top: 10px; margin-bottom: 4px; }}
    p, li {{ margin-top: 4px; margin-bottom: 4px; }}
    ul, ol {{ margin-top: 4px; margin-bottom: 4px; }}
    th {{ text-align: left; }}
    pre {{ margin-top: 4px; margin-bottom: 6px; }}
    code {{ font-family: "{code}"; font-size: 8pt; }}
    a {{ color: {text}; text-decoration: none; }}
    .small, .small td {{ font-size: 7.5pt; }}
"""


class Strip:
    """The text, which must live as long as its blocks are drawn, and the drawings, each by the
    number of the block that it stands in."""

    def __init__(self, text: QTextDocument, drawings: Mapping[int, Drawing]) -> None:
        self.text = text
        self.drawings = drawings


def strip(
    report: Report, device: QPagedPaintDevice, size: QSizeF, titles: Mapping[str, str] | None
) -> Strip:
    """`size` is that of a page, in the device's units; `titles` are of profiles not built in."""
    said, drawings = content(report, titles)
    text = QTextDocument()
    text.setUndoRedoEnabled(False)
    text.documentLayout().setPaintDevice(device)
    text.setDefaultFont(font(9))
    text.setDocumentMargin(0)
    text.setIndentWidth(_INDENT)
    wrapping = QTextOption()
    wrapping.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    text.setDefaultTextOption(wrapping)
    text.setDefaultStyleSheet(_STYLE.format(code=family(CODE), text=LIGHT.text))
    text.setHtml(_template().render(**said))
    text.setUseDesignMetrics(True)
    editing = QTextCursor(text)
    editing.beginEditBlock()  # nothing is laid out before the end of it
    _set_headings(text)
    _set_tables(text)
    _set_commands(text, size.width(), device)
    placed = _set_drawings(text, drawings, size)
    editing.endEditBlock()
    text.setTextWidth(size.width())
    return Strip(text, placed)


def font(points: float) -> QFont:
    """For prose.  Without ligatures: text that is searched for has none."""
    chosen = QFont(family(PROSE))
    chosen.setStyleHint(QFont.StyleHint.SansSerif)
    return _plain(chosen, points)


def _code(points: float) -> QFont:
    chosen = QFont(family(CODE))
    chosen.setStyleHint(QFont.StyleHint.Monospace)
    chosen.setFixedPitch(True)
    return _plain(chosen, points)


def _plain(chosen: QFont, points: float) -> QFont:
    chosen.setPointSizeF(points)
    for feature in ("liga", "clig", "dlig"):
        chosen.setFeature(QFont.Tag(feature), 0)
    return chosen


@cache
def family(names: tuple[str, ...]) -> str:
    """The first of these fonts that this computer has."""
    there = set(QFontDatabase.families())
    systems = QFontDatabase.SystemFont
    own = QFontDatabase.systemFont(systems.FixedFont if names is CODE else systems.GeneralFont)
    return next((each for each in names if each in there), own.family())


def _set_headings(text: QTextDocument) -> None:
    """Of the size that the style says, beside which that of HTML must not stand."""
    block = text.begin()
    while block.isValid():
        pieces = iter(block.begin()) if block.blockFormat().headingLevel() else ()
        for piece in [each.fragment() for each in pieces]:
            shape = piece.charFormat()
            shape.clearProperty(QTextFormat.Property.FontSizeAdjustment)
            cursor = QTextCursor(text)
            cursor.setPosition(piece.position())
            end = piece.position() + piece.length()
            cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            cursor.setCharFormat(shape)
        block = block.next()


# ---- tables ----


def tables(text: QTextDocument) -> list[QTextTable]:
    """All of them; none is inside another."""
    return [each for each in text.rootFrame().childFrames() if isinstance(each, QTextTable)]


def _set_tables(text: QTextDocument) -> None:
    for table in tables(text):
        shape = table.format()
        shape.setBorder(0)
        shape.setCellPadding(_PADDING)
        shape.setCellSpacing(0)
        shape.setTopMargin(2)
        shape.setBottomMargin(6)
        shape.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
        table.setFormat(shape)


# ---- commands ----


def _set_commands(text: QTextDocument, width: float, device: QPagedPaintDevice) -> None:
    """Nothing of a command is cut off: a long one goes on in the next line, at a blank."""
    block = text.begin()
    while block.isValid():
        if block.blockFormat().nonBreakableLines():
            room = width - text.indentWidth() * (1 + block.blockFormat().indent())
            _set_command(block, room, device)
        block = block.next()


def _set_command(block: QTextBlock, room: float, device: QPagedPaintDevice) -> None:
    def measured(points: float) -> Callable[[str], float]:
        return QFontMetricsF(_code(points), device).horizontalAdvance

    further = room - _HANGING
    longest = max(map(measured(COMMAND_POINTS[0]), block.text().split()), default=1.0)
    points = max(COMMAND_POINTS[1], COMMAND_POINTS[0] * min(1.0, further / longest))
    lines = broken(block.text(), measured(points), room, further)
    cursor = QTextCursor(block)
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    shape = QTextCharFormat()
    shape.setFont(_code(points))
    cursor.insertText(chr(0x2028).join(lines), shape)
    whole = block.blockFormat()
    whole.setNonBreakableLines(False)  # should a strange letter be wider than measured
    whole.setLeftMargin(_HANGING)
    whole.setTextIndent(-_HANGING)
    whole.setProperty(COMMAND, True)
    cursor.setBlockFormat(whole)


COMMAND = QTextFormat.Property.UserProperty + 1
"""Marks the blocks that are a command each."""


def broken(line: str, measure: Callable[[str], float], first: float, further: float) -> list[str]:
    """`line` in pieces no wider than `first`, and `further` from the second on.

    It breaks at blanks, which the break stands for, and inside a word only where that alone is
    wider.  No other character is lost.
    """
    pieces: list[str] = []
    rest = line
    room = first
    while measure(rest) > room:
        wider = range(1, len(rest))  # a single letter is never broken
        fits = 1 + bisect_right(wider, room, key=lambda end: measure(rest[: end + 1]))
        blank = rest.rfind(" ", len(rest) - len(rest.lstrip()), fits + 1)
        if blank > 0:
            pieces.append(rest[:blank])
            rest = rest[blank + 1 :]
        else:
            pieces.append(rest[:fits])
            rest = rest[fits:]
        room = further
    return [*pieces, rest]


# ---- drawings ----


def _set_drawings(
    text: QTextDocument, drawings: Mapping[str, Drawing], size: QSizeF
) -> dict[int, Drawing]:
    """Room for each: an image, which nobody draws, alone in its line."""
    placed = {}
    left = dict(drawings)
    block = text.begin()
    while block.isValid():
        drawing = left.pop(block.text(), None)
        if drawing is not None:
            most = (size.height() - _ROUND) / drawing.height
            scale = min(1.0, size.width() / drawing.width, most)
            cursor = QTextCursor(block)
            cursor.movePosition(
                QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor
            )
            room = QTextImageFormat()
            room.setWidth(drawing.width * scale)
            room.setHeight(drawing.height * scale)
            cursor.insertText(chr(0xFFFC), room)
            placed[block.blockNumber()] = drawing
        block = block.next()
    return placed


@cache
def _template() -> Template:
    return html.environment().get_template("paper.html.j2")
