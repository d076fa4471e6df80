"""What is dropped on the window."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from netcheck.gui.window import Window
from netcheck.report import json as json_format
from tests.netcheck.gui.conftest import message
from tests.netcheck.report import samples

BUTTON, KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
COPY = Qt.DropAction.CopyAction


def drop(window: Window, urls: list[QUrl], text: str = "") -> bool:
    """Whether the window would take it; then it gets it."""
    data = QMimeData()
    if urls:
        data.setUrls(urls)
    if text:
        data.setText(text)
    entering = QDragEnterEvent(QPoint(9, 9), COPY, data, BUTTON, KEYS)
    entering.ignore()
    QApplication.sendEvent(window, entering)
    if entering.isAccepted():
        QApplication.sendEvent(window, QDropEvent(QPointF(9, 9), COPY, data, BUTTON, KEYS))
    return entering.isAccepted()


def test_a_report_that_is_dropped_is_opened(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    file = tmp_path / "r.netcheck.json"
    file.write_text(json_format.render(samples.everything()), encoding="utf-8")
    with qtbot.waitSignal(window.answer.features.chosen):
        assert drop(window, [QUrl.fromLocalFile(str(file))])
    assert window.answer.report == samples.everything()


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (["file:///one.json", "file:///two.json"], "one report at a time"),
        (["https://example.org/r.json"], "no file"),
        (["file:///nowhere/r.json"], "There is no file"),
        (["file:///"], "is a folder"),
    ],
)
def test_what_is_no_report_is_answered(
    qtbot: QtBot, window: Window, urls: list[str], said: str
) -> None:
    assert drop(window, [QUrl(url) for url in urls])
    box = message(qtbot, window)
    assert said in box.text()
    box.close()


def test_text_is_not_for_the_window(window: Window) -> None:
    assert not drop(window, [], "netcheck://echo")
