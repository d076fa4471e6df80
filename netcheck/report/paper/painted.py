"""The strip's pages in a PDF: selectable text, drawings as they are, on every page its number."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import (
    QBuffer,
    QByteArray,
    QIODevice,
    QMarginsF,
    QPointF,
    QRectF,
    QSizeF,
    Qt,
)
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QGuiApplication,
    QPageLayout,
    QPageSize,
    QPainter,
    QPdfWriter,
    QPen,
    QTextListFormat,
)
from PySide6.QtSvg import QSvgRenderer

from netcheck.drawing.drawing import LIGHT
from netcheck.report.model import Report
from netcheck.report.page import clean
from netcheck.report.paper import document, pages
from netcheck.report.paper.content import WHOLE
from netcheck.report.paper.document import COMMAND, Strip
from netcheck.report.paper.measured import Measured, Piece, measure
from netcheck.report.paper.pages import Page, Span

DOTS_PER_INCH = 96
"""So that a unit of a drawing, a CSS pixel, is one here."""

MOST_PAGES = 150
"""However much a report says; a deep check's takes about forty."""

_MARGIN_MM = 15.0
_FOOT = 30.0  # units below the text for the page's number
_GAP = 8.0  # units between a list's number and its text
_SIGNS = {
    QTextListFormat.Style.ListDisc: "•",
    QTextListFormat.Style.ListCircle: "◦",
    QTextListFormat.Style.ListSquare: "▪",
}


def painted(report: Report, titles: Mapping[str, str] | None = None) -> bytes:
    """The whole file.  ``titles`` are the names of profiles that are not built in."""
    _application()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    device = writer(report, buffer)
    size = size_of(device)
    strip = document.strip(report, device, size, titles)
    measured = measure(strip)
    cut = pages.cut(measured.strip, size.height(), MOST_PAGES)
    painter = QPainter(device)
    shown = cut[:MOST_PAGES]
    for number, page in enumerate(shown, 1):
        if number > 1:
            device.newPage()
        _paint_page(painter, strip, measured, page)
        missing = len(cut) > len(shown) and number in (1, len(shown))
        foot = QRectF(0, size.height(), size.width(), _FOOT)
        _paint_foot(painter, report, foot, f"{number} / {len(shown)}", missing=missing)
    painter.end()
    return bytes(buffer.data().data())


def writer(report: Report, buffer: QBuffer) -> QPdfWriter:
    """What is drawn on it gets into the buffer."""
    device = QPdfWriter(buffer)
    device.setResolution(DOTS_PER_INCH)
    device.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    device.setPageMargins(margins, QPageLayout.Unit.Millimeter)
    device.setTitle(_line(f"netcheck report {report.id}"))
    tool = _line(f"{report.tool.name} {report.tool.version}")
    device.setAuthor(tool)
    device.setCreator(tool)
    return device


def size_of(device: QPdfWriter) -> QSizeF:
    """What a page has for the strip, in the device's units."""
    return QSizeF(device.width(), device.height() - _FOOT)


def _paint_page(painter: QPainter, strip: Strip, measured: Measured, page: Page) -> None:
    top = 0.0
    if page.head is not None:
        _paint_piece(painter, strip, measured, page.head, top)
        top += page.head.bottom - page.head.top
    _paint_piece(painter, strip, measured, page.body, top)


def _paint_piece(
    painter: QPainter, strip: Strip, measured: Measured, body: Span, top: float
) -> None:
    """What begins within `body`, with the body's top at `top`."""
    painter.save()
    painter.translate(0, top - body.top)
    first = bisect_left(measured.pieces, body.top - _TINY, key=_top_of)
    after = bisect_left(measured.pieces, body.bottom - _TINY, key=_top_of)
    pieces = measured.pieces[first:after]
    for paint in (_paint_ground, _paint_text):  # the ground of a line is not over the one before
        for piece in pieces:
            paint(painter, strip, piece)
    painter.setPen(QPen(QColor(LIGHT.line), 0.75))
    for rule in measured.rules:
        if body.top < rule <= body.bottom + _TINY:
            painter.drawLine(QPointF(0, rule), QPointF(strip.text.textWidth(), rule))
    painter.restore()


_TINY = 0.01


def _top_of(piece: Piece) -> float:
    return piece.span.top


def _paint_ground(painter: QPainter, strip: Strip, piece: Piece) -> None:
    block = strip.text.findBlockByNumber(piece.block)
    if block.blockFormat().property(COMMAND):
        left = piece.left + block.blockFormat().indent() * strip.text.indentWidth()
        box = QRectF(left, piece.span.top, strip.text.textWidth() - left, 0)
        box.setBottom(piece.span.bottom)
        painter.fillRect(box, QColor(LIGHT.window))


def _paint_text(painter: QPainter, strip: Strip, piece: Piece) -> None:
    drawing = strip.drawings.get(piece.block)
    if drawing is not None:
        room = strip.text.findBlockByNumber(piece.block).layout().lineAt(0).naturalTextRect()
        scale = room.width() / drawing.width
        size = QSizeF(room.width(), drawing.height * scale)
        box = QRectF(QPointF(0, piece.span.top), size)
        QSvgRenderer(QByteArray(drawing.svg.encode())).render(painter, box)
        return
    block = strip.text.findBlockByNumber(piece.block)
    painter.setPen(QColor(LIGHT.text))
    if piece.line == 0 and block.textList() is not None:
        _paint_sign(painter, strip, piece)
    block.layout().lineAt(piece.line).draw(painter, QPointF(piece.left, piece.top))


def _paint_sign(painter: QPainter, strip: Strip, piece: Piece) -> None:
    """The number or the dot of a list."""
    block = strip.text.findBlockByNumber(piece.block)
    listed = block.textList()
    line = block.layout().lineAt(0)
    sign = _SIGNS.get(listed.format().style()) or listed.itemText(block)
    font = strip.text.defaultFont()
    painter.setFont(font)
    width = QFontMetricsF(font, painter.device()).horizontalAdvance(sign)
    left = piece.left + line.naturalTextRect().left() - _GAP - width
    painter.drawText(QPointF(left, piece.span.top + line.ascent()), sign)


def _paint_foot(
    painter: QPainter, report: Report, box: QRectF, number: str, *, missing: bool
) -> None:
    painter.save()
    painter.setFont(document.font(8))
    painter.setPen(QColor(LIGHT.quiet))
    name = _line(f"{report.tool.name} {report.tool.version} · report {report.id}")
    metrics = QFontMetricsF(painter.font(), painter.device())
    room = box.width() * (0.35 if missing else 0.8)
    name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, room)
    write = partial(painter.drawText, box)
    bottom = Qt.AlignmentFlag.AlignBottom
    write(int(bottom | Qt.AlignmentFlag.AlignLeft), name)
    write(int(bottom | Qt.AlignmentFlag.AlignRight), number)
    if missing:
        words = f"Not all fits on {MOST_PAGES} pages. {WHOLE}"
        write(int(bottom | Qt.AlignmentFlag.AlignHCenter), words)
    painter.restore()


def _line(text: str) -> str:
    """As one line that takes nothing over."""
    return " ".join(clean(text).split())[:200]


_kept: list[QGuiApplication] = []


def _application() -> None:
    """Fonts need one, if there is no window; it needs no screen."""
    if QGuiApplication.instance() is None:
        _kept.append(QGuiApplication([*sys.argv[:1], "-platform", "offscreen"]))
