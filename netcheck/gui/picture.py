"""Drawings in the window: the same SVG as in exported reports, with parts to choose and to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QByteArray, QCoreApplication, QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from netcheck.drawing import path
from netcheck.drawing.drawing import Drawing, Part
from netcheck.drawing.look import Look
from netcheck.gui import theme
from netcheck.gui.models.table import one_line, plain
from netcheck.report.model import PathHop, Report

Draw = Callable[[Look], Drawing | None]

_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_CHANGES = frozenset(
    {
        QEvent.Type.PaletteChange,
        QEvent.Type.ThemeChange,
        QEvent.Type.LanguageChange,
        QEvent.Type.LayoutDirectionChange,
    }
)


class Drawn(QWidget):
    """One drawing, as wide as there is room; ``shown`` says whether there is one."""

    shown = Signal(bool)
    chosen = Signal(str)

    stops = False
    """Whether Tab and the arrow keys come to its parts.  Not where a table below has the same rows
    for them: hundreds of probes are no way to go."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draw: Draw | None = None
        self._drawing: Drawing | None = None
        self._renderer = QSvgRenderer(self)
        self._parts: list[_Part] = []
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_drawing(self, draw: Draw | None) -> None:
        """``draw`` makes the drawing in the colours of the theme and in the language and the
        direction of the window, whenever they change."""
        self._draw = draw
        self._redraw()

    def clear(self) -> None:
        self.show_drawing(None)

    @property
    def parts(self) -> Sequence[QPushButton]:
        """What can be chosen in it, from the first to the last."""
        return tuple(self._parts)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        drawing = self._drawing
        if drawing is None:
            return 0
        return round(drawing.height * min(1.0, width / drawing.width) if drawing.width else 0)

    def sizeHint(self) -> QSize:
        drawing = self._drawing
        if drawing is None:
            return QSize(0, 0)
        width = min(drawing.width, max(320, self.width()))
        return QSize(round(drawing.width), self.heightForWidth(round(width)))

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._drawing is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._renderer.render(painter, self._box())
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.setFixedHeight(self.heightForWidth(self.width()))
        self._place()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in _CHANGES:
            self._redraw()
        super().changeEvent(event)

    def _box(self) -> QRectF:
        assert self._drawing is not None
        scale = min(1.0, self.width() / self._drawing.width)
        width = self._drawing.width * scale
        return QRectF((self.width() - width) / 2, 0, width, self._drawing.height * scale)

    def _redraw(self) -> None:
        drawing = self._draw(self._look()) if self._draw else None
        self._drawing = drawing
        for part in self._parts:
            part.deleteLater()
        self._parts = []
        if drawing is not None:
            self._renderer.load(QByteArray(drawing.svg.encode()))
            self._parts = [_Part(self, part) for part in drawing.parts]
        self.setVisible(drawing is not None)
        self.setFixedHeight(self.heightForWidth(self.width()))
        self._place()
        self.shown.emit(drawing is not None)
        self.update()

    def _look(self) -> Look:
        return Look(
            colours=theme.palette(),
            speaks=QCoreApplication.translate,
            right_to_left=self.isRightToLeft(),
        )

    def neighbour(self, part: QWidget, across: int, down: int) -> QWidget | None:
        """The nearest part that can be chosen, in that direction as it is seen: ``across`` is 1
        to the right, ``down`` is 1 downwards, whichever way one reads."""
        here = part.geometry().center()
        nearest: dict[int, QWidget] = {}
        for other in self._parts:
            there = other.geometry().center() - here
            along = there.x() * across + there.y() * down
            aside = abs(there.x() * down) + abs(there.y() * across)
            # Columns lie beside each other however long they are; what is above or below does so
            # only where it is rather that than beside.
            if other.leads and along > 0 and (across or aside <= along):
                nearest.setdefault(along + 2 * aside, other)
        return nearest[min(nearest)] if nearest else None

    def _place(self) -> None:
        if self._drawing is None:
            return
        box = self._box()
        scale = box.width() / self._drawing.width
        for part in self._parts:
            part.place(box.left(), scale)


class _Part(QPushButton):
    """A part of a drawing: seen by screen readers, reached by Tab and by arrow keys, and by the
    mouse."""

    def __init__(self, drawn: Drawn, part: Part) -> None:
        super().__init__(drawn)
        self._drawn = drawn
        self._part = part
        self.leads = bool(part.finding)
        self.setAccessibleName(one_line(part.name))
        self.setAccessibleDescription(one_line(part.words))
        self.setToolTip(plain(one_line(part.words)))
        self.setObjectName("part")
        if part.finding:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
            self.clicked.connect(lambda: drawn.chosen.emit(part.finding))
        if not (part.finding and drawn.stops):
            self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if (way := _ARROWS.get(Qt.Key(event.key()))) is None:
            super().keyPressEvent(event)
        elif (other := self._drawn.neighbour(self, *way)) is not None:
            other.setFocus(Qt.FocusReason.OtherFocusReason)

    def place(self, left: float, scale: float) -> None:
        part = self._part
        self.setGeometry(
            round(left + part.x * scale), round(part.y * scale),
            round(part.width * scale), round(part.height * scale),
        )  # fmt: skip


class Picture(Drawn):
    """The path: computer, router, carrier, Internet, echo server; ``chosen`` carries the id of
    the finding at a broken stretch."""

    stops = True

    _hops: tuple[PathHop, ...] | None = None

    def show_report(self, report: Report) -> None:
        self._hops = None
        self.show_drawing(lambda look: path.draw(report, look))

    def show_path(self, hops: tuple[PathHop, ...]) -> None:
        """As far as it is known while a check runs."""
        if hops == self._hops and self._drawing is not None:
            return
        self._hops = hops
        self.show_drawing(lambda look: path.draw_hops(hops, look))
