"""The report as PDF: selectable text, drawings as they are, and on every page its number."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QFont,
    QGuiApplication,
    QPageLayout,
    QPageSize,
    QPainter,
    QPalette,
    QPdfWriter,
    QPyTextObject,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtSvg import QSvgRenderer

from netcheck.drawing.drawing import LIGHT
from netcheck.report import html
from netcheck.report.model import Report

if TYPE_CHECKING:
    from jinja2 import Template

DOTS_PER_INCH = 96
"""So that a unit of a drawing, a CSS pixel, is one here."""

_MARGIN_MM = 15.0
_FOOT = 26  # units below the text for the page's number
_DRAWING = QTextFormat.ObjectTypes.UserObject + 1
_SVG = QTextFormat.Property.UserProperty + 1
_PLACE = "￼"  # what stands where an object is (U+FFFC)
_HERE = "drawing-here-{}"


def render(report: Report) -> bytes:
    """The whole file."""
    _application()
    document, drawings = _document(report)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setResolution(DOTS_PER_INCH)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    writer.setPageMargins(margins, QPageLayout.Unit.Millimeter)
    writer.setTitle(f"netcheck report {report.id}")
    writer.setCreator(f"{report.tool.name} {report.tool.version}")
    width, height = writer.width(), writer.height() - _FOOT
    document.documentLayout().setPaintDevice(writer)
    document.setPageSize(QSizeF(width, height))
    drawer = _Drawer(width)
    document.documentLayout().registerHandler(int(_DRAWING), drawer)
    _place(document, drawings)
    painter = QPainter(writer)
    pages = document.pageCount()
    for number in range(pages):
        if number:
            writer.newPage()
        _paint(painter, document, QRectF(0, number * height, width, height))
        _number(painter, report, QRectF(0, height, width, _FOOT), number + 1, pages)
    painter.end()
    return bytes(buffer.data().data())


def _paint(painter: QPainter, document: QTextDocument, part: QRectF) -> None:
    painter.save()
    painter.translate(0, -part.top())
    context = QAbstractTextDocumentLayout.PaintContext()
    context.clip = part
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Text, QColor(LIGHT.text))
    context.palette = palette
    painter.setClipRect(part)
    document.documentLayout().draw(painter, context)
    painter.restore()


def _number(painter: QPainter, report: Report, box: QRectF, number: int, pages: int) -> None:
    painter.save()
    painter.setFont(QFont("Noto Sans", 8))
    painter.setPen(QColor(LIGHT.quiet))
    bottom = Qt.AlignmentFlag.AlignBottom
    left = f"{report.tool.name} {report.tool.version} · report {report.id}"
    painter.drawText(box, int(bottom | Qt.AlignmentFlag.AlignLeft), left)
    painter.drawText(box, int(bottom | Qt.AlignmentFlag.AlignRight), f"{number} / {pages}")
    painter.restore()


def _document(report: Report) -> tuple[QTextDocument, list[str]]:
    """The text, and the drawings that belong where it says so."""
    drawings: list[str] = []

    def drawn(drawing: Any) -> str | None:
        if drawing is None:
            return None
        drawings.append(drawing.svg)
        return _HERE.format(len(drawings) - 1)

    document = QTextDocument()
    document.setDefaultFont(QFont("Noto Sans", 9))
    document.setDocumentMargin(0)
    document.setHtml(_template().render(**html.content(report, LIGHT, drawn)))
    return document, drawings


def _place(document: QTextDocument, drawings: list[str]) -> None:
    for number, svg in enumerate(drawings):
        cursor = document.find(_HERE.format(number))
        if not cursor.isNull():
            shape = QTextCharFormat()
            shape.setObjectType(int(_DRAWING))
            shape.setProperty(int(_SVG), svg)
            cursor.insertText(_PLACE, shape)
    QTextCursor(document).movePosition(QTextCursor.MoveOperation.Start)


class _Drawer(QPyTextObject):
    """Draws SVG into the text, as wide as the page at most."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self._width = width

    def intrinsicSize(self, doc: QTextDocument, posInDocument: int, format: QTextFormat) -> QSizeF:
        size = QSizeF(_renderer(str(format.property(int(_SVG)))).defaultSize())
        scale = min(1.0, self._width / max(1.0, size.width()))
        return size * scale

    def drawObject(
        self,
        painter: QPainter,
        rect: QRectF | QRect,
        doc: QTextDocument,
        posInDocument: int,
        format: QTextFormat,
    ) -> None:
        _renderer(str(format.property(int(_SVG)))).render(painter, QRectF(rect))


@cache
def _renderer(svg: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(svg.encode()))


@cache
def _template() -> Template:
    return html.environment().get_template("paper.html.j2")


_kept: list[QGuiApplication] = []


def _application() -> None:
    """Fonts need one, if there is no window."""
    if QGuiApplication.instance() is None:
        platform = [] if sys.platform in ("win32", "darwin") else ["-platform", "offscreen"]
        _kept.append(QGuiApplication([*sys.argv[:1], *platform]))
