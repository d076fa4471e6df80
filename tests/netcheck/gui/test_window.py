"""The whole way through, against the real engine and an embedded server."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QRect, QSettings, QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui import bridge, export
from netcheck.gui.bridge import News
from netcheck.gui.window import Window
from netcheck.history import Entry, History
from netcheck.report import formats
from netcheck.report.model import Report
from netcheck.report.read import read
from netcheck.report.redact import redact
from netcheck.server import embedded as embedding
from netcheck.unfinished import Keeper, begun_now
from probes.errors import SetupError
from probes.observation import OutboundTcp
from probes.wire.link import Link
from tests.netcheck.gui.conftest import message
from tests.netcheck.report import samples

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
    said = window.answer.sentence.text()
    assert said.startswith("Only this computer was tested, not your network.")
    assert "Chat" in said


def cancelled(qtbot: QtBot, window: Window, when: Callable[[News], bool]) -> Report:
    with qtbot.waitSignal(window._engine.finished, timeout=LONGEST_MS) as told:
        with qtbot.waitSignal(window._engine.told, timeout=LONGEST_MS, check_params_cb=when):
            window.start.begin()
        began = time.monotonic()
        qtbot.keyClick(window.running, Qt.Key.Key_Escape)
        assert time.monotonic() - began < 0.1
    report: Report = told.args[0]
    assert report.complete is False
    return report


def test_cancel_answers_at_once_and_keeps_what_was_found(
    qtbot: QtBot, window: Window, server: Link, history: History
) -> None:
    window.start.point_at(str(server))
    report = cancelled(
        qtbot, window, lambda news: any(isinstance(o, OutboundTcp) for o in news.observations)
    )
    assert window.pages.currentWidget() is window.answer
    assert window.answer.report == report
    assert [(e.id, e.state) for e in history.entries()] == [(report.id, "cancelled")]


def test_a_check_cancelled_before_it_found_anything_leaves_the_answer_before_it(
    qtbot: QtBot, window: Window, history: History
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    window.start.point_at(f"127.0.0.1:{silent.getsockname()[1]}")
    with silent:
        cancelled(qtbot, window, lambda news: True)
        assert window.pages.currentWidget() is window.start
        assert "before it found anything" in window.statusBar().currentMessage()
        assert history.entries() == []
        before = checked(qtbot, window)
        window.start.point_at(f"127.0.0.1:{silent.getsockname()[1]}")
        cancelled(qtbot, window, lambda news: True)
    assert window.answer.report == before
    assert [e.id for e in history.entries()] == [before.id]
    with qtbot.waitSignal(window.engine.finished, timeout=LONGEST_MS):
        window.check_again()
        window.engine.cancel()
    assert window.pages.currentWidget() is window.answer
    assert window.answer.report == before


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


def test_it_remembers_its_size(
    qtbot: QtBot, window: Window, settings: QSettings, history: History
) -> None:
    window.resize(750, 600)  # smaller than the screen, which it is moved into
    window.close()
    again = Window(window._engine, settings, history)
    qtbot.addWidget(again)
    again.show()
    assert (again.width(), again.height()) == (750, 600)


def test_every_feature_waits_before_it_is_known(qtbot: QtBot, window: Window) -> None:
    window.start.point_at("")
    window.start.begin()
    shown = window.running.features.features()
    assert len(shown) == sum(len(each.features) for each in profile.built_in())
    first = window.running.features.list.item(0)
    assert first.text().endswith("waiting")
    assert window.running.bar.maximum() > 1  # determinate from the start
    undecided = picture_of_first(window)
    window.running.features.show_all(shown, {})
    assert picture_of_first(window) != undecided
    window.running.features.show_all(shown, {}, waiting=True)
    with qtbot.waitSignal(window._engine.finished, timeout=LONGEST_MS):
        pass


def picture_of_first(window: Window) -> QImage:
    """The sign before the first feature's name."""
    view = window.running.features.list
    box = view.visualItemRect(view.item(0))
    return view.viewport().grab(QRect(box.topLeft(), QSize(40, box.height()))).toImage()


def test_the_start_page_is_the_check_while_one_runs(qtbot: QtBot, window: Window) -> None:
    window.start.point_at("")
    with qtbot.waitSignal(window.engine.finished, timeout=LONGEST_MS):
        window.start.begin()
        window.go(window.articles)
        window.go(window.start)
        assert window.pages.currentWidget() is window.running
    window.go(window.start)
    assert window.pages.currentWidget() is window.start


def test_every_observation_is_told_before_the_end(qtbot: QtBot, window: Window) -> None:
    told: list[str] = []
    window.engine.told.connect(lambda news: told.extend(o.id for o in news.observations))
    report = checked(qtbot, window)
    assert sorted(told) == sorted(each.id for each in report.observations)


def test_a_history_that_cannot_be_read_says_why(
    qtbot: QtBot, window: Window, history: History
) -> None:
    history.path.mkdir(parents=True)
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    assert str(history.path) in window.past.notice.text()
    assert window.past.notice.isVisible()
    assert not window.past.empty.isVisible()


def test_a_report_that_was_opened_calls_no_server_after_a_check(
    qtbot: QtBot, window: Window
) -> None:
    """Nor is its own server tested in the name of another report."""
    checked(qtbot, window)
    other = samples.everything()
    window.show_report(other)
    qtbot.mouseClick(window.answer.whole, Qt.MouseButton.LeftButton)
    assert not window.engine.busy
    assert window.pages.currentWidget() is window.start
    assert other.server.host in window.start.server


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


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "you may not write there")],
)
def test_a_report_that_is_written_in_part_leaves_nothing(
    qtbot: QtBot,
    window: Window,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    said: str,
) -> None:
    """Neither half a file, nor the old one gone; and one sentence, which names the file."""
    window.show_report(samples.everything())
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "old.html").write_text("as it was", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(number, "as the system says it")

    monkeypatch.setattr(os, "fsync", full)
    for name in ("old.html", "new.html"):
        sentence = complaint(qtbot, window, folder / name)
        assert said in sentence
        assert name in sentence
        assert "\n" not in sentence
    assert [file.name for file in folder.iterdir()] == ["old.html"]
    assert (folder / "old.html").read_text(encoding="utf-8") == "as it was"
    assert window.isVisible()


@pytest.mark.parametrize(
    ("name", "typed", "saved"),
    [
        ("pdf", "r", "r.pdf"),
        ("pdf", "r.2026", "r.2026.pdf"),
        ("pdf", "r.html", "r.html"),
        ("json", "r", "r.netcheck.json"),
        ("text", "R.TXT", "R.TXT"),
    ],
)
def test_the_file_is_what_its_name_says(
    window: Window, monkeypatch: pytest.MonkeyPatch, name: str, typed: str, saved: str
) -> None:
    offered: list[str] = []

    def ask(parent: object, title: str, file: str, pattern: str) -> tuple[str, str]:
        offered.append(file)
        return f"/home/somebody/{typed}", pattern

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    dialog = export.SaveDialog(samples.everything(), window)
    dialog.choose(name)
    assert dialog.ask_where(window) == Path("/home/somebody", saved)
    assert Path(offered[0]).is_absolute()
    assert offered[0].endswith(export.OFFERED[name].suffix)


@pytest.mark.parametrize(
    ("said", "chosen"),
    [(QMessageBox.StandardButton.Yes, True), (QMessageBox.StandardButton.No, False)],
)
def test_a_name_that_was_completed_replaces_no_file_unasked(
    window: Window, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    said: QMessageBox.StandardButton, chosen: bool,
) -> None:  # fmt: skip
    there = tmp_path / "mine.netcheck.json"
    there.write_text("of another day")
    typed = str(tmp_path / "mine")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (typed, ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: said)
    dialog = export.SaveDialog(samples.everything(), window)
    dialog.choose("json")
    assert dialog.ask_where(window) == (there if chosen else None)


def test_a_message_about_a_long_name_is_not_cut_off(qtbot: QtBot, window: Window) -> None:
    box_text = f"/home/{'somebody-' * 40}.json cannot be written: the name is too long."
    window.complain(box_text)
    box = message(qtbot, window)
    assert box.text().startswith("/home/somebody-")
    assert box.text().endswith("-somebody-.json cannot be written: the name is too long.")
    assert box.detailedText() == box_text
    label = box.findChild(QLabel, "qt_msgbox_label")
    assert isinstance(label, QLabel)
    assert max(map(label.fontMetrics().horizontalAdvance, label.text().split())) <= label.width()
    box.close()


def test_a_fingerprint_is_shown_and_copied_in_full(qtbot: QtBot, window: Window) -> None:
    sentence = f"The server proves to be {'0123456789abcdef' * 4}."
    window.complain(sentence)
    box = message(qtbot, window)
    label = box.findChild(QLabel, "qt_msgbox_label")
    assert isinstance(label, QLabel)
    assert box.text() == label.text() == sentence
    assert label.fontMetrics().horizontalAdvance(sentence.split()[-1]) <= label.width()
    box.close()


def test_of_two_lists_of_past_checks_the_newer_is_shown(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read in threads of their own, and may end in either order."""
    read: list[Callable[[list[Entry]], None]] = []
    monkeypatch.setattr(window.engine, "work", lambda what, then, failed: read.append(then))
    for _ in range(2):
        window.past.refresh()
    entry = Entry(
        id="1", started_at="2026-01-01T00:00:00Z", network="", server="", overall="works",
        state="finished",
    )  # fmt: skip
    read[1]([entry])
    read[0]([])
    assert window.past.table.rowCount() == 1


def test_again_while_a_check_runs_is_answered(qtbot: QtBot, window: Window) -> None:
    checked(qtbot, window)
    window.start.begin()
    window.go(window.answer)
    qtbot.mouseClick(window.answer.whole, Qt.MouseButton.LeftButton)
    assert window.pages.currentWidget() is window.running
    assert "One check at a time" in window.statusBar().currentMessage()
    with qtbot.waitSignal(window.engine.finished, timeout=LONGEST_MS):
        pass


def test_again_asks_what_was_asked_for_the_report_that_is_shown(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = checked(qtbot, window)
    monkeypatch.setattr(embedding, "embedded", refusing)
    monkeypatch.setattr(window, "complain", lambda _: None)
    window.start.choose(["netmeeting"])
    with qtbot.waitSignal(window.engine.refused, timeout=LONGEST_MS):
        window.start.begin()
    monkeypatch.undo()
    window.go(window.answer)
    assert window.answer.report == first
    with qtbot.waitSignal(window.engine.finished, timeout=LONGEST_MS) as told:
        window.check_again()
    assert {f.profile for f in told.args[0].features} == {f.profile for f in first.features}


def refusing(*_: object) -> object:
    raise SetupError("This computer has no loopback address.")


def test_all_past_checks_are_deleted_but_for_the_one_that_runs(
    qtbot: QtBot, window: Window, history: History
) -> None:
    checked(qtbot, window)
    keeper = Keeper(history, begun_now(profile.built_in(), embedded=True))
    qtbot.waitUntil(lambda: {e.state for e in history.entries()} == {"running", "finished"})
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    window.past.view.view.selectAll()
    window.past.delete_chosen()
    box = message(qtbot, window)
    assert "still runs" in box.text()
    box.close()
    assert [e.state for e in history.entries()] == ["running"]
    keeper.discard()


@pytest.mark.parametrize("selected", [1, 2])
def test_a_check_that_is_gone_leaves_the_list(
    qtbot: QtBot, window: Window, history: History, selected: int
) -> None:
    for number in "12"[-selected:]:
        history.add(msgspec.structs.replace(samples.all_good(), id=number))
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    window.past.view.view.selectAll()
    history.delete(["2"])
    with qtbot.waitSignal(window.past.refreshed):
        qtbot.mouseClick(
            window.past.open if selected == 1 else window.past.compare, Qt.MouseButton.LeftButton
        )
    box = message(qtbot, window)
    assert box.text() == "There is no check 2: it may have been deleted."
    box.close()
    assert window.past.table.rowCount() == selected - 1


def test_a_report_is_saved_though_the_window_is_closed(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the engine waits for anything else, and nothing is lost."""
    monkeypatch.setattr(bridge, "CLOSE_S", 0.0)
    slow(window, monkeypatch)
    window.show_report(samples.behind_nat())
    window.save_to(tmp_path / "mine.json", redact=False)
    assert window.close()
    assert read(tmp_path / "mine.json") == samples.behind_nat()
    assert not window.engine.stuck


def test_a_window_that_is_closed_stays_if_a_report_cannot_be_saved(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(window, monkeypatch)
    window.show_report(samples.behind_nat())
    window.save_to(tmp_path / "no" / "mine.json", redact=False)
    assert not window.close()
    box = message(qtbot, window)
    assert "there is no folder" in box.text()
    box.close()
    assert window.isVisible()
    assert window.close()


def slow(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved is not done before the window waits for it."""
    waited_for = threading.Event()
    write, settle = export.write, window.engine.settle

    def late(*args: Any, **more: Any) -> None:
        assert waited_for.wait(5)
        write(*args, **more)

    def settled() -> None:
        waited_for.set()
        settle()

    monkeypatch.setattr(export, "write", late)
    monkeypatch.setattr(window.engine, "settle", settled)


def test_again_for_a_report_that_names_no_server_asks_for_one(qtbot: QtBot, window: Window) -> None:
    window.show_report(redact(samples.behind_nat()))
    window.check_again()
    assert "which echo server" in window.statusBar().currentMessage()
    assert window.start._where._against.isChecked()
    assert window.start._where.field.hasFocus()


def test_every_format_is_offered(qtbot: QtBot, window: Window) -> None:
    report = samples.everything()
    assert sorted(export.OFFERED) == formats.names()
    for name in export.OFFERED:
        assert export.format_of(Path(export.file_name(report, name))) == name
    dialog = export.SaveDialog(report, window)
    qtbot.addWidget(dialog)
    assert dialog.format == "html"
    for name in export.OFFERED:
        dialog.choose(name)
        assert dialog.format == name


def complaint(qtbot: QtBot, window: Window, file: Path) -> str:
    """What the window says when the report cannot be written there."""
    window.save_to(file)
    box = message(qtbot, window)
    said = box.text()
    box.close()
    return said
