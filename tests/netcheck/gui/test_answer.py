"""The answer: features, articles, evidence, and what is taken away from it."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QTemporaryDir, QUrl
from PySide6.QtGui import QDrag, QGuiApplication
from pytestqt.qtbot import QtBot

from netcheck import kb
from netcheck.gui import changes, export, trouble
from netcheck.gui.window import Window
from netcheck.report.model import Report
from probes.control import dial
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


def test_what_works_leads_to_its_observations_too(qtbot: QtBot, window: Window) -> None:
    report = samples.everything()
    (port, *_) = report.ports
    works = msgspec.structs.replace(
        next(f for f in report.features if f.verdict == "works"), evidence=[port.observation or ""]
    )
    window.show_report(msgspec.structs.replace(report, features=[works]))
    assert works.summary in window.answer.remedy.browser.toPlainText()
    qtbot.mouseClick(window.answer.evidence, LEFT)
    assert [row.id for row in window.details.timeline.chosen()] == [port.observation]


def test_a_feature_opens_the_article_that_its_sentence_speaks_of(
    qtbot: QtBot, window: Window
) -> None:
    """And the other causes are one click away, there and back."""
    window.show_report(two_causes())
    remedy = window.answer.remedy
    assert "damages MSN Messenger's invitations" in window.answer.sentence.text()
    text = remedy.browser.toPlainText()
    assert "More is in the way: Nobody outside" in text
    assert "The router damages" in text
    remedy._follow(QUrl("other:1"))
    text = remedy.browser.toPlainText()
    assert "More is in the way: The router damages" in text
    assert window.answer._finding == two_causes().findings[0]
    remedy._follow(QUrl("other:0"))
    assert window.answer._finding == two_causes().findings[1]
    remedy._follow(QUrl("other:99"))
    assert window.answer._finding == two_causes().findings[1]


def two_causes() -> Report:
    report = samples.everything()
    some = report.findings[0]
    findings = [
        msgspec.structs.replace(
            some, id=cause, cause=cause, article=cause, title=kb.article_for(cause).title,
            parameters={"protocols": ["msn"], "ports": [6891]}, severity="error",
        )
        for cause in ("inbound-tcp-blocked", "embedded-address-mangled")
    ]  # fmt: skip
    feature = msgspec.structs.replace(
        next(f for f in report.features if f.verdict == "fails"),
        findings=[each.id for each in findings],
    )
    return msgspec.structs.replace(report, features=[feature], findings=findings)


def test_what_is_without_harm_is_two_clicks_away_too(qtbot: QtBot, window: Window) -> None:
    """The sentence and the picture leave it out; a helpdesk asks for it."""
    report = two_causes()
    harmless = msgspec.structs.replace(report.findings[0], severity="info")
    window.show_report(msgspec.structs.replace(report, findings=[harmless]))
    qtbot.mouseClick(window.answer.more, LEFT)
    details = window.details
    details.tabs.setCurrentWidget(details.findings)
    row = details.findings.table.row(0)
    assert row.title == harmless.title
    assert "6891" in row.remedy
    details.findings._activated(details.findings.table.index(0, 0))
    assert {each.id for each in details.timeline.chosen()} == set(harmless.evidence)


def test_the_remedy_comes_before_the_explanation(window: Window) -> None:
    report = two_causes()
    window.show_report(report)
    text = window.answer.remedy.browser.toPlainText()
    finding = report.findings[1]
    article = kb.find(finding.article)
    assert article is not None
    remedy = kb.remedy(article, kb.values_of(report, finding))
    assert text.index(remedy) < text.index("Symptoms")


def test_what_is_not_known_says_what_to_do(window: Window) -> None:
    report = samples.everything()
    feature = msgspec.structs.replace(report.features[0], verdict="unknown", findings=[])
    report = msgspec.structs.replace(report, features=[feature])
    window.show_report(report)
    assert "Check all again" in window.answer.remedy.browser.toPlainText()
    server = msgspec.structs.replace(report.server, embedded=True)
    window.show_report(msgspec.structs.replace(report, server=server))
    assert "name an echo server" in window.answer.remedy.browser.toPlainText()


def test_a_link_from_the_answer_leads_back_to_it(qtbot: QtBot, window: Window) -> None:
    """With this computer's values, where the report has found the same; link by link."""
    window.show_report(two_causes())
    window.answer.remedy._follow(QUrl("kb:inbound-tcp-blocked"))
    assert window.pages.currentWidget() is window.articles
    assert "6891" in window.articles.view.browser.toPlainText()
    first = window.articles.view.browser.toPlainText()
    window.articles.view._follow(QUrl("kb:dns-failure"))
    assert window.articles.list.currentItem().text() == kb.article_for("dns-failure").title
    qtbot.mouseClick(window.articles.back, LEFT)
    assert window.articles.view.browser.toPlainText() == first
    qtbot.keyClick(window.articles, Qt.Key.Key_Escape)
    assert window.pages.currentWidget() is window.answer
    window.go(window.articles)
    assert not window.articles.back.isVisible()


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
    with qtbot.waitSignal(shown.answer.handle.copied):
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
    with qtbot.waitSignal(handle.ready):
        qtbot.mousePress(handle, LEFT)
    qtbot.mouseMove(handle, QPoint(handle.width() + 40, -40))
    qtbot.mouseRelease(handle, LEFT)
    assert len(dropped) == 1
    assert dropped[0].urls()[0].toLocalFile().endswith(".html")


def test_the_window_goes_on_while_the_file_is_made(
    qtbot: QtBot, shown: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large report that takes seconds; what is asked meanwhile is another one."""
    threads: list[threading.Thread] = []
    may_end = threading.Event()
    save = export.write

    def slow(report: Report, file: Path, *, redact: bool) -> None:
        threads.append(threading.current_thread())
        may_end.wait(10)
        save(report, file, redact=redact)

    monkeypatch.setattr(export, "write", slow)
    handle = shown.answer.handle
    qtbot.mouseClick(handle, LEFT)
    qtbot.waitUntil(lambda: len(threads) == 1)
    qtbot.mouseClick(handle, LEFT)  # once is enough
    other = msgspec.structs.replace(samples.all_good(), started_at="2030-01-02T03:04:05Z")
    shown.show_report(other)
    with qtbot.waitSignal(handle.copied):
        qtbot.mouseClick(handle, LEFT)
        may_end.set()
    assert len(threads) == 2
    assert threading.main_thread() not in threads
    data = QGuiApplication.clipboard().mimeData()
    assert data is not None
    assert "2030-01-02" in data.urls()[0].toLocalFile()


def test_what_is_on_the_clipboard_stays_what_it_was(qtbot: QtBot, shown: Window) -> None:
    """Two checks may begin within one minute, which is in the file's name."""
    copied = []
    for note in ("the first one", "the second one"):
        shown.show_report(msgspec.structs.replace(samples.all_good(), note=note))
        with qtbot.waitSignal(shown.answer.handle.copied):
            qtbot.mouseClick(shown.answer.handle, LEFT)
        data = QGuiApplication.clipboard().mimeData()
        assert data is not None
        copied.append(Path(data.urls()[0].toLocalFile()))
    assert "the first one" in copied[0].read_text("utf-8")
    assert "the second one" in copied[1].read_text("utf-8")


def test_a_report_that_cannot_be_dragged_is_a_sentence(
    qtbot: QtBot, shown: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "QTemporaryDir", lambda: QTemporaryDir("/no/such/folder/x"))
    qtbot.mouseClick(shown.answer.handle, LEFT)
    box = message(qtbot, shown)
    assert "temporary files" in box.text()
    box.close()


def test_two_checks_are_told_apart_and_compared_in_full(window: Window) -> None:
    better, worse = samples.all_good(), samples.behind_nat()
    later = msgspec.structs.replace(better, started_at="2030-01-02T03:04:05Z")
    window.compare(later, worse)
    page = window.comparison
    assert page.which.text().startswith(f"Before: {worse.started_at[:10]}")
    assert "After: 2030-01-02 03:04 UTC" in page.which.text()
    assert worse.server.host in page.which.text()
    gone = [page.findings.table.row(n).title for n in range(page.findings.table.size)]
    assert gone == [each.title for each in worse.findings]
    assert page.findings.table.index(0, 1).data() == "no longer found"
    titles = [page.tabs.tabText(n) for n in range(page.tabs.count())]
    assert titles[0] == f"Features ({page.features.table.size})"
    assert page.features.table.size == 2


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


@pytest.mark.parametrize("detail", sorted(set(dial._DISTRUSTED.values())))
def test_what_is_wrong_with_a_certificate_is_told(detail: str) -> None:
    tried = ControlAttempt(port=8463, outcome="wrong-certificate", detail=detail)
    said = trouble.sentence(unreached(tried), Link("echo.example.org"))
    assert said.startswith("echo.example.org cannot prove who it is: its certificate")
    assert detail.removeprefix("it ") in said
    assert "authority" not in said
    assert "nsecure" not in said


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


def test_a_feature_becomes_known_in_its_own_application(window: Window) -> None:
    """Two applications may call a feature by the same name."""
    one, other = (
        msgspec.structs.replace(samples.all_good().features[0], profile=name, verdict="unknown")
        for name in ("one", "other")
    )
    features = window.running.features
    features.show_all([one, other], {}, waiting=True)
    features.update_one(msgspec.structs.replace(other, verdict="fails"))
    assert [feature.verdict for feature in features.features()] == ["unknown", "fails"]


def test_who_browses_reads_an_article_in_general(window: Window) -> None:
    """Only a link from the report fills in its values."""
    report = samples.everything()
    window.show_report(report)
    finding = next(f for f in report.findings if window.answer.values_of(f.article))
    window.show_article(finding.article)
    filled = window.articles.view.browser.toPlainText()
    window.articles.go_back()
    window.go(window.articles)
    listed = window.articles.list
    at = listed.currentRow()
    listed.setCurrentRow(at - 1 if at else at + 1)
    listed.setCurrentRow(at)
    general = window.articles.view.browser.toPlainText()
    assert general
    assert general != filled


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
