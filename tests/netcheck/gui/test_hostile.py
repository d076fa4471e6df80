"""Whatever a report says, the window shows it as text, stays calm and calls nobody."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QTextBrowser
from pytestqt.qtbot import QtBot

from netcheck.gui.models.table import one_line
from netcheck.gui.window import Window
from netcheck.report import json as json_format
from netcheck.report.model import Report
from tests.netcheck.gui.conftest import message
from tests.netcheck.report import samples

MARKUP = '<b>bold</b><img src="file:///etc/passwd"><a href="http://203.0.113.9/">x</a>'
TURNING = "\u202egnp.exe\x1b[31m\x00\n\r\u2028"
HUGE = "x" * 1_000_000


def poisoned(text: str) -> Report:
    """Free text wherever a user looks first."""
    report = samples.everything()
    return msgspec.structs.replace(
        report,
        note=text,
        host=msgspec.structs.replace(report.host, name=text, system=text, gateways=[text]),
        server=msgspec.structs.replace(report.server, host=text, software=text),
        features=[
            msgspec.structs.replace(f, title=text, summary=text, profile=text)
            for f in report.features
        ],
        findings=[
            msgspec.structs.replace(f, title=text, parameters=dict.fromkeys(f.parameters, text))
            for f in report.findings
        ],
        ports=[msgspec.structs.replace(p, why=text) for p in report.ports],
        editors=[msgspec.structs.replace(e, reason=text, sent=text) for e in report.editors],
        path=[msgspec.structs.replace(h, address=text) for h in report.path],
    )


def look_everywhere(window: Window) -> None:
    """Every page and tab is painted, every feature chosen, every column sorted."""
    for page in (window.answer, window.details, window.past, window.comparison):
        window.pages.setCurrentWidget(page)
        window.grab()
    window.pages.setCurrentWidget(window.answer)
    for row in range(window.answer.features.list.count()):
        window.answer.features.list.setCurrentRow(row)
    for part in window.answer.picture.parts:
        part.click()
    window.pages.setCurrentWidget(window.details)
    for tab in range(window.details.tabs.count()):
        window.details.tabs.setCurrentIndex(tab)
        QApplication.processEvents()
        window.grab()


@pytest.mark.parametrize("text", [MARKUP, TURNING, HUGE], ids=["markup", "turning", "huge"])
def test_hostile_words_are_words(
    qtbot: QtBot, window: Window, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: pytest.fail(f"opened {url}"))
    evil = poisoned(text)
    window.compare(samples.all_good(), evil)
    window.show_report(evil)
    look_everywhere(window)
    assert window.size().width() <= 1200
    for label in window.findChildren(QLabel):
        if any(part in label.text() for part in ("<img", "\u202e", "\x1b", "x" * 2000)):
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()[:100]
            assert len(label.text()) < 20_000
            assert "\u202e" not in label.text()


def test_every_hostile_text_of_the_other_formats_as_well(window: Window) -> None:
    evil = samples.hostile()
    window.compare(evil, evil)
    window.show_report(evil)
    look_everywhere(window)
    window.copy_text()
    assert "\x1b" not in QGuiApplication.clipboard().text()


def test_an_article_loads_nothing_and_shows_markup_as_text(window: Window) -> None:
    window.show_report(poisoned(MARKUP))
    for row in range(window.answer.features.list.count()):
        window.answer.features.list.setCurrentRow(row)
        browser = window.answer.remedy.browser
        assert "<img" not in browser.toHtml()
        assert 'href="http://203.0.113.9' not in browser.toHtml()
        assert browser.loadResource(2, QUrl("file:///etc/passwd")) is None
        assert isinstance(browser, QTextBrowser)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"{}", "not a netcheck report"),
        (b"\x00\xff\xfe", "is not JSON"),
        (b'{"schema": "netcheck.report/9"}', "update netcheck"),
        (b'{"schema": "netcheck.report/1", "id": 7}', "is not a correct report"),
        (b"[" * 100_000, "is not JSON"),
    ],
    ids=["empty", "other", "binary", "newer", "damaged", "deep"],
)
def test_a_file_that_is_no_report_is_a_sentence(
    qtbot: QtBot, window: Window, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "r.netcheck.json"
    file.write_bytes(content)
    window.open_file(file)
    box = message(qtbot, window)
    assert said in box.text()
    assert box.textFormat() == Qt.TextFormat.PlainText
    box.close()
    assert window.isVisible()


def test_a_file_that_is_not_there_is_a_sentence(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    window.open_file(tmp_path / "<b>nothing</b>")
    box = message(qtbot, window)
    assert "There is no file" in box.text()
    assert "<b>nothing</b>" in box.text()
    box.close()


def test_a_report_in_a_file_calls_no_server_by_itself(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    """Its server is filled in; it is the user who starts."""
    report = samples.everything()
    file = tmp_path / "r.json"
    file.write_text(json_format.render(report), encoding="utf-8")
    with qtbot.waitSignal(window.answer.features.chosen):
        window.open_file(file)
    qtbot.mouseClick(window.answer.whole, Qt.MouseButton.LeftButton)
    assert not window.engine.busy
    assert window.pages.currentWidget() is window.start
    assert report.server.host in window.start.server


def test_one_line_is_one_line() -> None:
    assert one_line(TURNING).isprintable()
