"""The answer: features, articles, evidence, and what is taken away from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt
from PySide6.QtGui import QDrag, QGuiApplication
from pytestqt.qtbot import QtBot

from netcheck import kb
from netcheck.gui import changes, trouble
from netcheck.gui.window import Window
from netcheck.report.model import Report
from probes.observation import Control, ControlAttempt, LocalFacts
from probes.wire import link
from probes.wire.link import Link
from tests.netcheck.gui.conftest import message
from tests.netcheck.report import samples

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def shown(window: Window) -> Window:
    window.show_report(samples.everything())
    return window


def test_the_worst_comes_first_and_its_article_is_open(shown: Window) -> None:
    order = [feature.verdict for feature in shown.answer.features.features()]
    ranks = ["fails", "limited", "unknown", "works"]
    assert order == sorted(order, key=ranks.index)
    assert shown.answer.remedy.browser.toPlainText()


def test_a_feature_opens_its_article_by_arrow_keys(qtbot: QtBot, shown: Window) -> None:
    shown.answer.features.list.setCurrentRow(0)
    before = shown.answer.remedy.browser.toPlainText()
    for _ in range(shown.answer.features.list.count()):
        qtbot.keyClick(shown.answer.features.list, Qt.Key.Key_Down)
    assert shown.answer.remedy.browser.toPlainText() != before


def test_a_finding_leads_to_its_observations(qtbot: QtBot, shown: Window) -> None:
    finding = shown.answer._finding
    assert finding is not None
    qtbot.mouseClick(shown.answer.evidence, LEFT)
    assert shown.pages.currentWidget() is shown.details
    chosen = {row.id for row in shown.details.timeline.chosen()}
    assert chosen == set(finding.evidence)
    qtbot.keyClick(shown.details, Qt.Key.Key_Escape)
    assert shown.pages.currentWidget() is shown.answer


def test_links_between_articles_and_copy_buttons_work(qtbot: QtBot, shown: Window) -> None:
    view = shown.articles.view
    for article in kb.articles():
        shown.articles.open(article.id)
        if view._commands:
            break
    assert view._commands
    view._follow(type(view.browser.source())("copy:0"))
    assert QGuiApplication.clipboard().text() == view._commands[0]
    other = kb.articles()[-1]
    with qtbot.waitSignal(view.opened):
        view._follow(type(view.browser.source())(f"kb:{other.id}"))
    assert other.title in view.browser.toPlainText()


def test_the_report_is_copied_as_text(qtbot: QtBot, shown: Window) -> None:
    qtbot.mouseClick(shown.answer.text, LEFT)
    text = QGuiApplication.clipboard().text()
    assert samples.everything().id in text
    assert "Observations" not in text


def test_the_report_is_copied_as_a_file(qtbot: QtBot, shown: Window) -> None:
    qtbot.mouseClick(shown.answer.handle, LEFT)
    data = QGuiApplication.clipboard().mimeData()
    assert data is not None
    (url,) = data.urls()
    assert Path(url.toLocalFile()).read_text(encoding="utf-8").startswith("<!")
    assert data.text()


def test_the_report_is_dragged_out(
    qtbot: QtBot, shown: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[QMimeData] = []

    def drop(drag: QDrag, action: Qt.DropAction) -> Qt.DropAction:
        dropped.append(drag.mimeData())
        return action

    monkeypatch.setattr(QDrag, "exec", drop)
    handle = shown.answer.handle
    qtbot.mousePress(handle, LEFT)
    qtbot.mouseMove(handle, QPoint(handle.width() + 40, -40))
    qtbot.mouseRelease(handle, LEFT)
    assert len(dropped) == 1
    assert dropped[0].urls()[0].toLocalFile().endswith(".html")


def test_what_changed_is_said_feature_by_feature() -> None:
    before = samples.behind_nat()
    after = msgspec.structs.replace(
        before,
        features=[
            msgspec.structs.replace(f, verdict="works") if f.verdict == "fails" else f
            for f in before.features
        ],
    )
    said = changes.in_words(before, after)
    assert "does not work → works" in said
    assert "nothing changed" in changes.in_words(before, before)


def unreached(*attempts: ControlAttempt, facts: LocalFacts | None = None) -> Report:
    report = samples.no_server()
    control = Control(
        id="control", at_s=0, took_s=1, host="echo.example.org", attempts=attempts, connected=False
    )
    return msgspec.structs.replace(report, observations=[control, *([facts] if facts else [])])


def test_a_wrong_certificate_is_told_with_both_fingerprints() -> None:
    wanted, got = "ab" * 32, "cd" * 32
    pinned = link.parse(f"netcheck://echo.example.org#{wanted}")
    report = unreached(
        ControlAttempt(port=8463, outcome="wrong-certificate", detail=f"it shows {got}")
    )
    said = trouble.sentence(report, pinned)
    assert trouble.grouped(wanted) in said
    assert trouble.grouped(got) in said
    unpinned = trouble.sentence(report, Link("echo.example.org"))
    assert "netcheck://" in unpinned
    assert "nsecure" not in said + unpinned  # there is no quick way round it


def test_a_computer_that_is_offline_is_told_so() -> None:
    facts = LocalFacts(id="local", at_s=0, took_s=0, hostname="pc", system="x")
    said = trouble.sentence(unreached(facts=facts), None)
    assert "offline" in said
    assert trouble.sentence(samples.everything(), None) == ""


def test_a_server_with_another_certificate_is_not_spoken_to(
    qtbot: QtBot, window: Window, server: Link
) -> None:
    """Against the real engine and a real server."""
    other = Link(server.host, server.ports, "ab" * 32)
    window.start.point_at(str(other))
    with qtbot.waitSignal(window.engine.finished, timeout=30_000):
        window.start.begin()
    said = window.answer.trouble.text()
    assert window.answer.trouble.isVisible()
    assert trouble.grouped("ab" * 32) in said
    assert trouble.grouped(server.fingerprint or "") in said
    assert not window.answer.report or not window.answer.report.server.reached


def test_no_server_is_told_and_explained(qtbot: QtBot, window: Window) -> None:
    window.start.point_at("127.0.0.1:9")
    with qtbot.waitSignal(window.engine.finished, timeout=30_000):
        window.start.begin()
    assert "could not be reached" in window.answer.sentence.text()
    assert "What to do" in window.answer.remedy.browser.toPlainText()


def test_a_part_is_checked_again_and_the_rest_stays(
    qtbot: QtBot, window: Window, server: Link
) -> None:
    window.start.point_at(str(server))
    with qtbot.waitSignal(window.engine.finished, timeout=60_000):
        window.start.begin()
    first = window.answer.report
    assert first is not None
    finding = msgspec.structs.replace(
        samples.everything().findings[0], cause="inbound-tcp-blocked", evidence=[]
    )
    window.answer._show(finding, "")  # on loopback nothing is broken
    with qtbot.waitSignal(window.engine.finished, timeout=60_000):
        qtbot.mouseClick(window.answer.recheck, LEFT)
    second = window.answer.report
    assert second is not None
    assert second.id != first.id
    assert window.answer.change.isVisible()
    assert "Since" in window.answer.change.text()
    assert window._wanted is not None
    assert "ports" in window._wanted.only
    assert "media" not in window._wanted.only
    assert second.media == first.media
    assert len(second.ports) == len(first.ports)


def test_a_check_that_cannot_begin_is_a_sentence(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netcheck.server import files

    monkeypatch.setattr(files, "available", lambda: 10)
    window.start.point_at("")
    window.start.begin()
    box = message(qtbot, window)
    assert "ulimit" in box.text()
    box.close()
    assert window.pages.currentWidget() is window.start
