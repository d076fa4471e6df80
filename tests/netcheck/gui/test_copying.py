"""What people send on can be selected, copied and dragged out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt
from PySide6.QtGui import QDrag, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from netcheck.gui.window import Window
from tests.netcheck.gui.conftest import message
from tests.netcheck.report import samples

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def shown(qtbot: QtBot, window: Window) -> Iterator[Window]:
    report = msgspec.structs.replace(samples.everything(), note="A note of the report.")
    window.show_report(report, "Since 10:00: nothing changed.", "There was trouble.")
    QGuiApplication.clipboard().clear()
    yield window
    window.fault.close()


def copied_from(qtbot: QtBot, label: QLabel) -> str:
    """By a double click on its first word, and Ctrl+C."""
    label.window().activateWindow()  # as a window manager does
    qtbot.waitUntil(label.isActiveWindow)
    at = QPoint(label.contentsRect().left() + 8, label.contentsRect().top() + 8)
    qtbot.mouseClick(label, LEFT, pos=at)
    qtbot.mouseDClick(label, LEFT, pos=at)
    assert label.hasSelectedText()
    QTest.keyClick(label, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    return QGuiApplication.clipboard().text().strip()


@pytest.mark.parametrize("name", ["sentence", "trouble", "change", "note"])
def test_what_the_answer_says_can_be_copied(qtbot: QtBot, shown: Window, name: str) -> None:
    label: QLabel = getattr(shown.answer, name)
    assert label.isVisible()
    assert copied_from(qtbot, label) == label.text().split()[0]


def test_a_closed_window_leaves_no_report_behind(qtbot: QtBot, shown: Window) -> None:
    with qtbot.waitSignal(shown.answer.handle.copied):
        shown.answer.handle.click()
    (url,) = QGuiApplication.clipboard().mimeData().urls()
    assert Path(url.toLocalFile()).is_file()
    assert shown.close()
    assert not Path(url.toLocalFile()).parent.exists()


@pytest.mark.parametrize("name", ["sentence", "which"])
def test_what_a_comparison_says_can_be_copied(qtbot: QtBot, shown: Window, name: str) -> None:
    shown.compare(samples.all_good(), samples.behind_nat())
    label: QLabel = getattr(shown.comparison, name)
    assert copied_from(qtbot, label).rstrip(":.,") == label.text().split()[0].rstrip(":.,")


def test_why_a_server_name_is_wrong_can_be_copied(qtbot: QtBot, shown: Window) -> None:
    shown.go(shown.start)
    shown.start.point_at("no host")
    hint = shown.start._where.hint
    assert copied_from(qtbot, hint) in hint.text()


def test_errors_can_be_copied(qtbot: QtBot, shown: Window) -> None:
    shown.complain("What is wrong, and what to do.")
    box = message(qtbot, shown)
    label = box.findChild(QLabel, "qt_msgbox_label")
    assert isinstance(label, QLabel)
    assert copied_from(qtbot, label) == "What"
    box.close()
    shown.fault.show_fault("netcheck met an error of its own.", "Traceback …")
    assert copied_from(qtbot, shown.fault.sentence) == "netcheck"


def test_a_feature_is_copied_with_its_sentence(shown: Window) -> None:
    features = shown.answer.features
    feature = features.features()[0]
    features.list.setFocus()
    QTest.keyClick(features.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    text = QGuiApplication.clipboard().text()
    assert feature.title in text
    assert feature.summary in text


def test_what_is_dragged_out_is_the_report_in_a_file(
    qtbot: QtBot, shown: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[str] = []

    def drop(drag: QDrag, action: Qt.DropAction) -> Qt.DropAction:
        data: QMimeData = drag.mimeData()
        (url,) = data.urls()
        assert url.isLocalFile()
        dropped.append(Path(url.toLocalFile()).read_text(encoding="utf-8"))
        return action

    monkeypatch.setattr(QDrag, "exec", drop)
    handle = shown.answer.handle
    with qtbot.waitSignal(handle.ready):
        qtbot.mousePress(handle, LEFT)
    qtbot.mouseMove(handle, QPoint(handle.width() + 40, -40))
    qtbot.mouseRelease(handle, LEFT)
    (page,) = dropped
    assert samples.everything().id in page
    assert all(feature.title in page for feature in samples.everything().features)
    assert page.rstrip().endswith("</html>")
