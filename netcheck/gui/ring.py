"""Around the button or the tabs that the keyboard is at: a ring that can be seen.

The system's own style marks them by a shade that many people do not see (less than 3:1, WCAG 2.2
success criterion 1.4.11).  Lists, tables and texts have a frame of theirs (gui.theme).
"""

from __future__ import annotations

from collections.abc import Callable

import shiboken6
from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QFocusFrame,
    QSplitter,
    QTabBar,
    QWidget,
)

from netcheck.gui import theme

THICK = 2.0

_there: Callable[[object], bool] = shiboken6.isValid
"""Whether Qt still has it."""


class Ring(QFocusFrame):
    """Drawn below its widget, which it is a little larger than."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.palette().accent), THICK))
        inner = QRectF(self.rect()).adjusted(THICK / 2, THICK / 2, -THICK / 2, -THICK / 2)
        painter.drawRoundedRect(inner, 4, 4)
        painter.end()


class Follower(QObject):
    """Moves the ring to what has the keyboard in this window and in its dialogs."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._ring: Ring | None = None
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self._application = application
        application.focusChanged.connect(self._moved)

    def stop(self) -> None:
        """Leave it to the system's style."""
        self._application.focusChanged.disconnect(self._moved)

    def _moved(self, _: QWidget | None, now: QWidget | None) -> None:
        if not _there(self._window):
            return  # it is on its way out, and everything in it loses the keyboard
        if self._ring is not None and _there(self._ring):
            # Else it comes back with its widget.  That none is one of them, the stub does not know.
            self._ring.setWidget(None)  # type: ignore[arg-type]
            self._ring.deleteLater()
        self._ring = None
        if now is None or not self._rings(now):
            return
        self._ring = Ring(now.parentWidget())
        self._ring.setWidget(now)

    def _rings(self, widget: QWidget) -> bool:
        return (
            isinstance(widget, (QAbstractButton, QTabBar))
            and widget.objectName() != "part"  # the picture's have a frame of theirs
            and not isinstance(widget.parentWidget(), QSplitter)  # it would become a pane
            and self._has(widget)
            and widget.window().testAttribute(Qt.WidgetAttribute.WA_KeyboardFocusChange)
        )

    def _has(self, widget: QWidget | None) -> bool:
        while widget is not None and widget is not self._window:
            widget = widget.parentWidget()
        return widget is not None
