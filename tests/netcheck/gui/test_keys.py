"""What the keyboard does: real key events, on every page, to whatever has the focus."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QRadioButton, QTextBrowser, QWidget
from pytestqt.qtbot import QtBot

from netcheck.gui import keys
from netcheck.gui.export import SaveDialog
from netcheck.gui.window import Window
from netcheck.prepared import Wanted
from tests.netcheck.report import samples

Key, Mod = Qt.Key, Qt.KeyboardModifier
PAGES = ("start", "running", "answer", "details", "past", "comparison", "articles")


@pytest.fixture
def full(qtbot: QtBot, window: Window) -> Window:
    report = samples.everything()
    window.compare(samples.all_good(), report)
    window.show_report(report)
    qtbot.waitUntil(window.isActiveWindow)
    return window


def press(window: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = Mod.NoModifier) -> None:
    """As the keyboard does: to whatever has the focus."""
    QTest.keyClick(window.focusWidget() or window, key, modifier)


def test_ctrl_f_goes_to_the_field_of_every_page(full: Window) -> None:
    fields = {
        full.details: full.details.ports.filter,
        full.past: full.past.view.filter,
        full.comparison: full.comparison.features.filter,
        full.articles: full.articles.search,
    }
    for page, field in fields.items():
        full.go(page)
        field.clearFocus()
        press(full, Key.Key_F, Mod.ControlModifier)
        assert full.focusWidget() is field, page
    full.details.tabs.setCurrentIndex(2)
    full.go(full.details)
    press(full, Key.Key_F, Mod.ControlModifier)
    assert full.focusWidget() is full.details.editors.filter
    full.go(full.start)
    at = full.focusWidget()
    press(full, Key.Key_F, Mod.ControlModifier)
    assert full.focusWidget() is at


def test_in_a_table_it_is_the_same(full: Window) -> None:
    full.go(full.details)
    full.details.ports.view.setFocus()
    press(full, Key.Key_F, Mod.ControlModifier)
    assert full.focusWidget() is full.details.ports.filter


@pytest.mark.parametrize("key", [(Key.Key_Escape, Mod.NoModifier), (Key.Key_Left, Mod.AltModifier)])
def test_back_is_where_one_came_from(full: Window, key: tuple[Qt.Key, Qt.KeyboardModifier]) -> None:
    for page, to in ((full.details, full.answer), (full.comparison, full.past)):
        full.go(page)
        press(full, *key)
        assert full.pages.currentWidget() is to


def test_f5_is_once_more(qtbot: QtBot, full: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(full, "check_again", lambda: asked.append("again"))
    for page in (full.answer, full.details):
        full.go(page)
        press(full, Key.Key_F5)
    assert asked == ["again", "again"]
    with qtbot.waitSignal(full.past.refreshed):
        full.go(full.past)
    with qtbot.waitSignal(full.past.refreshed):
        press(full, Key.Key_F5)
    full.start.point_at("")
    full.go(full.start)
    begun: list[Wanted] = []
    full.start.wanted.disconnect(full.check)
    full.start.wanted.connect(begun.append)
    press(full, Key.Key_F5)
    assert [each.link for each in begun] == [None]


@pytest.mark.parametrize("key", [Key.Key_S, Key.Key_E])
def test_ctrl_s_saves_from_any_page(qtbot: QtBot, full: Window, key: Qt.Key) -> None:
    for page in (full.answer, full.details, full.articles):
        full.go(page)
        press(full, key, Mod.ControlModifier)
        (dialog,) = (each for each in full.findChildren(SaveDialog) if each.isVisible())
        qtbot.waitUntil(dialog.isActiveWindow)
        press(dialog, Key.Key_Escape)
        assert not dialog.isVisible()
        full.activateWindow()  # as a window manager does
        qtbot.waitUntil(full.isActiveWindow)


def test_ctrl_o_asks_for_a_file(full: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def ask(*_: object) -> tuple[str, str]:
        asked.append(True)
        return "", ""

    monkeypatch.setattr("netcheck.gui.window.QFileDialog.getOpenFileName", ask)
    press(full, Key.Key_O, Mod.ControlModifier)
    assert asked == [True]


def test_ctrl_c_in_a_table_copies_the_rows_with_tabs(full: Window) -> None:
    full.go(full.details)
    full.details.ports.view.setFocus()
    full.details.ports.view.selectRow(0)
    press(full, Key.Key_C, Mod.ControlModifier)
    heads, row = QGuiApplication.clipboard().text().splitlines()
    assert heads.startswith("State\t")
    assert len(row.split("\t")) == len(heads.split("\t"))


def test_f1_lists_them_all(full: Window) -> None:
    press(full, Key.Key_F1)
    (dialog,) = (each for each in full.findChildren(QDialog) if each.isVisible())
    said = " ".join(label.text() for label in dialog.findChildren(QLabel))
    for shown in ("F1", "F5", "Esc", "Ctrl+F", "Ctrl+S", "Ctrl+O", "Ctrl+C", "Alt+Left", "Del"):
        assert shown in said
    press(dialog, Key.Key_Escape)
    assert not dialog.isVisible()
    assert [words for _, words in keys.known() if not words] == []


def test_tab_passes_by_and_comes_to_what_is_chosen(full: Window) -> None:
    """It changes nothing by itself."""
    full.start.point_at("")
    full.start.choose(["netmeeting"])
    full.go(full.start)
    cards = full.start._cards.findChildren(QRadioButton)
    came = []
    for _ in range(30):
        press(full, Key.Key_Tab)
        came.append(full.focusWidget())
    assert [card for card in cards if card in came] == [card for card in cards if card.isChecked()]
    assert full.start._where.field in came
    assert full.start.server == ""  # this computer only, still


def test_arrows_lead_from_card_to_card(full: Window) -> None:
    full.go(full.start)
    full.start.choose(["msn-messenger"])
    next(c for c in full.start._cards.findChildren(QRadioButton) if c.isChecked()).setFocus()
    press(full, Key.Key_Right)
    assert [each.id for each in full.start.chosen] == ["netmeeting"]


def test_a_search_ends_at_an_article_that_it_found(full: Window) -> None:
    full.go(full.articles)
    full.articles.search.setFocus()
    QTest.keyClicks(full.articles.search, "hairpin uci")
    press(full, Key.Key_Tab)
    assert full.focusWidget() is full.articles.list
    current = full.articles.list.currentItem()
    assert current is not None
    assert not current.isHidden()
    assert "hairpin" in full.articles.view.browser.toPlainText()


def test_links_of_an_article_are_reached_seen_and_opened(qtbot: QtBot, full: Window) -> None:
    full.show_article("no-hairpin")
    browser = full.articles.view.browser
    browser.setFocus()
    plain = full.grab().toImage()
    press(full, Key.Key_Tab)
    assert full.focusWidget() is browser
    assert full.grab().toImage() != plain
    with qtbot.waitSignal(full.articles.view.copied):
        for _ in range(40):
            press(full, Key.Key_Return)
            if full.statusBar().currentMessage():
                break
            press(full, Key.Key_Tab)


@pytest.mark.parametrize("name", PAGES)
def test_wherever_tab_goes_it_can_be_seen(full: Window, name: str) -> None:
    """Also on tables where nothing is chosen, on the bar above and on every link."""
    page = getattr(full, name)
    full.pages.setCurrentWidget(page)
    QApplication.processEvents()
    (full.focusWidget() or full).clearFocus()
    nowhere = full.grab().toImage()
    page.nextInFocusChain().setFocus()
    seen: set[QWidget] = set()
    for _ in range(60):
        press(full, Key.Key_Tab)
        at = full.focusWidget()
        assert at is not None
        if at in seen and not isinstance(at, QTextBrowser):
            break
        if at not in seen:
            assert full.grab().toImage() != nowhere, (at, at.accessibleName())
        seen.add(at)
    assert len([each for each in seen if page.isAncestorOf(each)]) >= 2
