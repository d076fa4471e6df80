"""The whole way through, against the real engine and an embedded server."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.report.model import Report
from tests.netcheck.gui.conftest import message

LONGEST_MS = 30_000
"""A check of this computer alone takes a second; a busy machine several."""


def checked(qtbot: QtBot, window: Window) -> Report:
    window.start.point_at("")
    with qtbot.waitSignal(window._engine.finished, timeout=LONGEST_MS) as told:
        qtbot.keyClick(window.start.go, Qt.Key.Key_Space)
        assert window.pages.currentWidget() is window.running
    report: Report = told.args[0]
    return report


def test_a_check_ends_in_an_answer(qtbot: QtBot, window: Window) -> None:
    report = checked(qtbot, window)
    assert window.pages.currentWidget() is window.answer
    assert window.answer.report == report
    assert report.server.embedded
    shown = {(f.profile, f.feature): f.verdict for f in window.answer.features.features()}
    assert shown == {(f.profile, f.feature): f.verdict for f in report.features}
    assert window.answer.sentence.text().startswith("You can chat")


def test_cancel_answers_at_once_and_keeps_what_was_found(qtbot: QtBot, window: Window) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    window.start.point_at(f"127.0.0.1:{silent.getsockname()[1]}")
    with silent, qtbot.waitSignal(window._engine.finished, timeout=LONGEST_MS) as told:
        with qtbot.waitSignal(window._engine.told, timeout=LONGEST_MS):
            window.start.begin()
        began = time.monotonic()
        qtbot.keyClick(window.running, Qt.Key.Key_Escape)
        assert time.monotonic() - began < 0.1
    assert told.args[0].complete is False
    assert window.pages.currentWidget() is window.answer


def test_it_remembers_what_was_asked(
    qtbot: QtBot, window: Window, settings: QSettings, history: History
) -> None:
    window.start.choose(["netmeeting"])
    checked(qtbot, window)
    assert settings.value("profiles") in ("netmeeting", ["netmeeting"])
    again = Window(window._engine, settings, history)
    qtbot.addWidget(again)
    assert [each.id for each in again.start.chosen] == ["netmeeting"]
    assert again.start.server == ""


def test_every_feature_waits_before_it_is_known(qtbot: QtBot, window: Window) -> None:
    window.start.point_at("")
    window.start.begin()
    shown = window.running.features.features()
    assert len(shown) == sum(len(each.features) for each in profile.built_in())
    first = window.running.features.list.item(0)
    assert first.text().endswith("waiting")
    assert window.running.bar.maximum() > 1  # determinate from the start
    with qtbot.waitSignal(window._engine.finished, timeout=LONGEST_MS):
        pass


def test_a_fault_of_ours_keeps_the_window(qtbot: QtBot, window: Window) -> None:
    window.show_broken("netcheck met an error of its own: ValueError.", "Traceback …")
    assert window.isVisible()
    assert window.pages.currentWidget() is window.start
    qtbot.mouseClick(window.fault.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "Traceback …"


def test_a_check_is_kept_opened_compared_and_deleted(
    qtbot: QtBot, window: Window, history: History
) -> None:
    first, second = checked(qtbot, window), checked(qtbot, window)
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    assert {entry.id for entry in history.entries()} == {first.id, second.id}
    view = window.past.view.view
    view.selectAll()
    assert not window.past.open.isEnabled()
    with qtbot.waitSignal(window.past.compared):
        qtbot.mouseClick(window.past.compare, Qt.MouseButton.LeftButton)
    assert window.pages.currentWidget() is window.comparison
    assert window.comparison.sentence.text()
    with qtbot.waitSignal(window.past.refreshed):
        qtbot.keyClick(window.comparison, Qt.Key.Key_Escape)
    window.past.view.select(lambda entry: entry.id == first.id)
    with qtbot.waitSignal(window.past.opened):
        qtbot.mouseClick(window.past.open, Qt.MouseButton.LeftButton)
    assert window.answer.report == first
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    window.past.view.select(lambda entry: entry.id == first.id)
    with qtbot.waitSignal(window.past.refreshed):
        window.past.delete_chosen()
    assert [entry.id for entry in history.entries()] == [second.id]


@pytest.mark.parametrize("name", ["r.html", "r.pdf", "r.json", "r.txt"])
@pytest.mark.parametrize("redact", [False, True], ids=["whole", "redacted"])
def test_a_report_is_saved(
    qtbot: QtBot, window: Window, tmp_path: Path, name: str, redact: bool
) -> None:
    report = checked(qtbot, window)
    with qtbot.waitSignal(window.saved):
        window.save_to(tmp_path / name, redact=redact)
    data = (tmp_path / name).read_bytes()
    if name == "r.pdf":
        assert data.startswith(b"%PDF-")
    else:
        assert (report.host.name.encode() in data) is not redact


def test_a_report_that_cannot_be_saved_is_a_sentence(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    checked(qtbot, window)
    assert "there is no folder" in complaint(qtbot, window, tmp_path / "no" / "r.html")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk as a file is Linux's")
def test_a_full_disk_is_a_sentence(qtbot: QtBot, window: Window) -> None:
    checked(qtbot, window)
    assert "the disk is full" in complaint(qtbot, window, Path("/dev/full"))


def complaint(qtbot: QtBot, window: Window, file: Path) -> str:
    """What the window says when the report cannot be written there."""
    window.save_to(file)
    box = message(qtbot, window)
    said = box.text()
    box.close()
    return said
