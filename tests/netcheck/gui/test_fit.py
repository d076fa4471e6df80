"""Nothing is cut off in a longer language, from right to left, or with larger letters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHeaderView,
    QLabel,
    QStyleOptionViewItem,
    QTabBar,
    QTableView,
    QToolBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui.bridge import Engine
from netcheck.gui.tableview import Marks
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.prepared import Wanted
from tests.netcheck.gui.conftest import SIZE
from tests.netcheck.gui.pseudo import Pseudo, pseudo
from tests.netcheck.gui.test_accessible_tree import dialogs
from tests.netcheck.report import samples

PAGES = ("start", "running", "answer", "details", "past", "comparison", "articles")


@pytest.fixture
def translated(qapp: QApplication) -> Iterator[Pseudo]:
    translator = Pseudo()
    qapp.installTranslator(translator)
    yield translator
    qapp.removeTranslator(translator)


@pytest.fixture
def mirrored(qapp: QApplication) -> Iterator[None]:
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    yield
    qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


@pytest.fixture
def large(qapp: QApplication) -> Iterator[None]:
    before = qapp.font()
    font = QFont(before)
    font.setPointSizeF(before.pointSizeF() * 1.3)
    qapp.setFont(font)
    yield
    qapp.setFont(before)


def filled(qtbot: QtBot, settings: QSettings, history: History) -> Window:
    """Every page of it has something to show."""
    window = Window(Engine(history), settings, history)
    qtbot.addWidget(window)
    window.resize(*SIZE)
    window.show()
    report = samples.everything()
    history.add(report)
    window.running.begin(Wanted(profiles=profile.built_in()))
    window.show_report(report, "Since 10:00: nothing changed.", "There was trouble.")
    window.compare(samples.all_good(), report)
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    return window


def page(qtbot: QtBot, window: Window, name: str) -> QWidget:
    shown: QWidget = getattr(window, name)
    window.pages.setCurrentWidget(shown)
    QApplication.processEvents()
    return shown


def cut_off(shown: QWidget) -> list[str]:
    """What has less room than its words need."""
    found = []
    for label in shown.findChildren(QLabel):
        if label.isVisible() and label.text():
            needed = label.sizeHint()
            room = label.contentsRect()
            if label.wordWrap():
                height = label.heightForWidth(label.width())
                if label.height() < height:
                    found.append(f"{label.text()!r}: {label.height()} high, not {height}")
            elif room.width() < needed.width() - 2 * label.margin() - 1:
                found.append(f"{label.text()!r}: {room.width()} wide, not {needed.width()}")
    for button in shown.findChildren(QAbstractButton):
        if button.isVisible() and button.text():
            needed = button.sizeHint()
            if button.width() < needed.width() or button.height() < needed.height():
                found.append(f"{button.text()!r}: {button.size()}, not {needed}")
    for tabs in shown.findChildren(QTabBar):
        if tabs.isVisible():
            last = tabs.tabRect(tabs.count() - 1)
            first = tabs.tabRect(0)
            if max(last.right(), first.right()) > tabs.width():
                found.append(f"tabs: {max(last.right(), first.right())} in {tabs.width()}")
    for header in shown.findChildren(QHeaderView):
        if header.isVisible() and header.orientation() == Qt.Orientation.Horizontal:
            found += [
                f"header {section}: {header.sectionSize(section)}"
                for section in range(header.count())
                if header.sectionSize(section) < header.sectionSizeHint(section)
            ]
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_longer_language_has_room(
    qtbot: QtBot, translated: Pseudo, settings: QSettings, history: History, name: str
) -> None:
    window = filled(qtbot, settings, history)
    shown = page(qtbot, window, name)
    assert cut_off(shown) == []
    assert cut_off(window.findChild(QToolBar)) == []
    assert window.width() == SIZE[0], "the page does not fit into the smallest screen"
    window.close()


@pytest.mark.parametrize("name", PAGES)
def test_larger_letters_have_room(
    qtbot: QtBot, large: None, settings: QSettings, history: History, name: str
) -> None:
    window = filled(qtbot, settings, history)
    assert cut_off(page(qtbot, window, name)) == []
    window.close()


def test_every_word_on_every_page_is_translated(
    qtbot: QtBot, translated: Pseudo, settings: QSettings, history: History
) -> None:
    """But for names, and for what reports, profiles and articles say."""
    window = filled(qtbot, settings, history)
    titles = {each.title for each in profile.built_in()} | {
        each.summary for each in profile.built_in()
    }
    said = {pseudo(text) for text in translated.asked}
    report = samples.everything()
    for name in PAGES:
        shown = page(qtbot, window, name)
        for button in shown.findChildren(QAbstractButton):
            text = button.text()
            if text and text not in titles:
                assert text in said, (name, text)
        known = {window.answer.sentence, window.answer.change, window.answer.trouble}
        for label in shown.findChildren(QLabel):
            text = label.text()
            if not text or label in known or text in titles or text == report.note:
                continue
            if label in (window.comparison.sentence, window.comparison.cautions):
                continue
            assert any(c in text for c in "äçéïñöšüýžõ") or text in said, (name, text)
    window.close()


def test_from_right_to_left_all_is_mirrored(qtbot: QtBot, mirrored: None, window: Window) -> None:
    report = samples.everything()
    window.show_report(report)
    QApplication.processEvents()
    answer = window.answer
    assert answer.export.geometry().center().x() < answer.whole.geometry().center().x()
    list_at = answer.features.mapTo(window, answer.features.rect().center()).x()
    article_at = answer.remedy.mapTo(window, answer.remedy.rect().center()).x()
    assert article_at < list_at
    window.go(window.start)
    QApplication.processEvents()
    ask = window.start._ask.mapTo(window, window.start._ask.rect().center()).x()
    assert ask < window.start.go.mapTo(window, window.start.go.rect().center()).x()


def test_english_words_keep_their_full_stop_from_right_to_left(
    qtbot: QtBot, mirrored: None, window: Window
) -> None:
    """What a report says is English in every language, so far."""
    window.show_report(samples.everything())
    window.details.tabs.setCurrentIndex(window.details.tabs.count() - 1)
    window.go(window.details)
    view = window.details.timeline.view
    qtbot.waitUntil(lambda: bool(view.model().index(0, 3).data()))
    option = QStyleOptionViewItem()
    option.direction = Qt.LayoutDirection.RightToLeft
    delegate = view.itemDelegate()
    assert isinstance(delegate, Marks)
    delegate.initStyleOption(option, view.model().index(0, 3))
    words = view.model().index(0, 3).data()
    assert option.text == f"\u2068{words}\u2069"
    option.direction = Qt.LayoutDirection.LeftToRight
    delegate.initStyleOption(option, view.model().index(0, 3))
    assert option.text == words


def test_a_table_uses_the_room_that_there_is(
    qtbot: QtBot, settings: QSettings, history: History
) -> None:
    window = filled(qtbot, settings, history)
    view = page(qtbot, window, "past").findChildren(QTableView)[0]
    for width in (1400, 1024, 1600):
        window.resize(width, 800)
        QApplication.processEvents()
        assert view.horizontalHeader().length() == view.viewport().width()
    window.close()


def test_the_dialogs_have_room(
    qtbot: QtBot, translated: Pseudo, settings: QSettings, history: History
) -> None:
    window = filled(qtbot, settings, history)
    for dialog in dialogs(window):
        QApplication.processEvents()
        assert cut_off(dialog) == [], dialog.windowTitle()
        dialog.close()
    window.close()
