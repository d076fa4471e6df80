"""The whole way with keys alone, as who has no mouse goes it: every key goes to what has the
keyboard, against the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from netcheck.gui.export import SaveDialog
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.report.read import read

Key, Mod = Qt.Key, Qt.KeyboardModifier
LONGEST_MS = 60_000
STOPS = 60
"""More than Tab has on any page: whoever has not arrived by then goes round in circles."""


def press(window: Window, key: Qt.Key, modifier: Qt.KeyboardModifier = Mod.NoModifier) -> None:
    """As the keyboard does: to what has the focus, in the window that is in front."""
    front = QApplication.activeWindow() or window
    QTest.keyClick(front.focusWidget() or front, key, modifier)


def tab_to(window: Window, wanted: QWidget) -> None:
    for _ in range(STOPS):
        front = QApplication.activeWindow() or window
        if front.focusWidget() is wanted:
            return
        press(window, Key.Key_Tab)
    raise AssertionError(f"Tab does not come to {wanted.accessibleName() or wanted}")


def check(qtbot: QtBot, window: Window) -> None:
    with qtbot.waitSignal(window.engine.finished, timeout=LONGEST_MS):
        press(window, Key.Key_Return)
        assert window.pages.currentWidget() is window.running
    assert window.pages.currentWidget() is window.answer


def test_from_the_start_to_the_comparison(
    qtbot: QtBot,
    window: Window,
    history: History,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    qtbot.waitUntil(window.isActiveWindow)
    # A check of this computer alone.
    press(window, Key.Key_T, Mod.AltModifier)
    assert window.start.server == ""
    check(qtbot, window)
    first = window.answer.report
    assert first is not None
    # Feature by feature.
    features = window.answer.features
    assert window.focusWidget() is features.list
    at = features.current()
    press(window, Key.Key_Down)
    assert features.current() != at
    # An article is looked for, and a command of it copied.
    press(window, Key.Key_5, Mod.ControlModifier)
    press(window, Key.Key_F, Mod.ControlModifier)
    QTest.keyClicks(window.focusWidget(), "hairpin uci")
    tab_to(window, window.articles.view.browser)
    QGuiApplication.clipboard().clear()
    for _ in range(STOPS):
        press(window, Key.Key_Return)
        if QGuiApplication.clipboard().text():
            break
        press(window, Key.Key_Tab)
    assert QGuiApplication.clipboard().text() in window.articles.view._commands
    # Details: from a port to the observations that it rests on.
    press(window, Key.Key_3, Mod.ControlModifier)
    assert window.focusWidget() is window.details.tabs.tabBar()
    tab_to(window, window.details.ports.view)
    press(window, Key.Key_Down)
    port = window.details.ports.chosen()[0]
    press(window, Key.Key_Return)
    assert window.focusWidget() is window.details.timeline.view
    assert [each.id for each in window.details.timeline.chosen()] == [port.observation]
    press(window, Key.Key_Escape)
    assert window.pages.currentWidget() is window.answer
    # Exported, with placeholders.
    saved = tmp_path / "mine.netcheck.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(saved), ""))
    press(window, Key.Key_S, Mod.ControlModifier)
    (dialog,) = (each for each in window.findChildren(SaveDialog) if each.isVisible())
    qtbot.waitUntil(dialog.isActiveWindow)
    press(window, Key.Key_Down)
    press(window, Key.Key_Down)
    assert dialog.format == "json"
    tab_to(window, dialog.redact)
    press(window, Key.Key_Space)
    with qtbot.waitSignal(window.saved):
        press(window, Key.Key_Return)
    assert first.host.name not in saved.read_text(encoding="utf-8")
    assert len(read(saved).features) == len(first.features)
    # Once more, and both beside each other.
    window.activateWindow()  # as a window manager does
    qtbot.waitUntil(window.isActiveWindow)
    press(window, Key.Key_1, Mod.ControlModifier)
    check(qtbot, window)
    assert len(history.entries()) == 2
    with qtbot.waitSignal(window.past.refreshed):
        press(window, Key.Key_4, Mod.ControlModifier)
    assert window.focusWidget() is window.past.view.view
    press(window, Key.Key_Home)
    press(window, Key.Key_Down, Mod.ShiftModifier)
    if len(window.past.chosen()) < 2:
        press(window, Key.Key_A, Mod.ControlModifier)
    tab_to(window, window.past.compare)
    with qtbot.waitSignal(window.past.compared):
        press(window, Key.Key_Space)
    assert window.pages.currentWidget() is window.comparison
    press(window, Key.Key_Escape)
    assert window.pages.currentWidget() is window.past
