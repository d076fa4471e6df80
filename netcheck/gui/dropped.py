"""Files that are dropped on the window: one report is opened, all else is answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QWidget

from netcheck.gui.words import translate


class Dropped(QObject):
    """``opened`` is called with the one file, ``failed`` with a sentence about anything else."""

    def __init__(
        self, window: QWidget, opened: Callable[[Path], None], failed: Callable[[str], None]
    ) -> None:
        super().__init__(window)
        self._opened, self._failed = opened, failed
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QDropEvent) and event.mimeData().hasUrls():
            event.acceptProposedAction()
            if event.type() == QEvent.Type.Drop:  # before it, that is asked of what is dragged
                names = [url.toLocalFile() for url in event.mimeData().urls()]
                # The program that it was dragged from waits until this has returned.
                QTimer.singleShot(0, self, lambda: self._take(names))
            return True
        return super().eventFilter(watched, event)

    def _take(self, names: list[str]) -> None:
        if len(names) == 1 and names[0]:
            self._opened(Path(names[0]))
        elif not all(names):
            self._failed(
                translate(
                    "Dropped",
                    "That is an address and no file: save the report first, then drop the file.",
                )
            )
        else:
            self._failed(
                translate(
                    "Dropped",
                    "Drop one report at a time; to compare two, open the page “Past checks”.",
                )
            )
