"""The smallest screens and the largest letters: all can be reached by scrolling, nothing is cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication, QLabel, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from netcheck.gui import keys
from netcheck.gui.export import SaveDialog
from netcheck.gui.words import heading
from netcheck.history import History
from tests.netcheck.gui.test_fit import PAGES, cut_off, filled, page
from tests.netcheck.report import samples

SCREENS = {"1920x1080 at 300 %": (640, 360, 0), "1366x768, 20 pt": (1366, 768, 20)}
"""Width and height in device-independent pixels, and the size of the system's letters."""

BAR = 60
"""Pixels of height for the window's own title."""


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[tuple[int, int]]:
    width, height, points = SCREENS[request.param]
    before = qapp.font()
    if points:
        font = QFont(before)
        font.setPointSizeF(points)
        qapp.setFont(font)
    yield width, height
    qapp.setFont(before)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_on_the_screen(
    qtbot: QtBot, settings: QSettings, history: History, screen: tuple[int, int], name: str
) -> None:
    window = filled(qtbot, settings, history)
    shown = page(qtbot, window, name)
    window.resize(*screen)
    QApplication.processEvents()
    assert (window.width(), window.height()) == screen
    assert cut_off(shown) == []
    assert [each.text() for each in shown.findChildren(QLabel) if cut(each)] == []
    for area in shown.findChildren(QScrollArea):
        inner = area.widget()
        if area.isVisible() and inner is not None:
            assert inner.width() <= area.viewport().width()  # one direction is enough
    window.close()


def cut(label: QLabel) -> bool:
    """Whether its words need more room than it has."""
    if not label.isVisible() or not label.text():
        return False
    needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
    return label.height() < needed


def test_a_cut_label_would_be_found(qtbot: QtBot) -> None:
    label = heading("Several words, which need more than one line here. " * 3)
    qtbot.addWidget(label)
    label.show()
    label.resize(200, 20)
    assert cut(label)


def test_the_dialogs_fit_on_the_screen(
    qtbot: QtBot, settings: QSettings, history: History, screen: tuple[int, int]
) -> None:
    window = filled(qtbot, settings, history)
    window.resize(*screen)
    dialog = SaveDialog(samples.everything(), window)
    dialog.show()
    keys.show(window)
    shown: list[QWidget] = [dialog, *keys_shown(window)]
    for each in shown:
        assert each.width() <= screen[0]
        assert each.height() <= screen[1] - BAR
        assert cut_off(each) == []
        each.close()
    window.close()


def keys_shown(window: QWidget) -> list[QWidget]:
    title = "What the keyboard does"
    found = [each for each in window.findChildren(QWidget) if each.windowTitle() == title]
    assert found
    return found
