"""The start page, by clicks and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QRadioButton, QScrollArea
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui.pages.start import Start
from netcheck.prepared import Wanted


@pytest.fixture
def page(qtbot: QtBot) -> Start:
    made = Start(profile.built_in(), ["echo.example.org"])
    qtbot.addWidget(made)
    made.show()
    return made


def asked(qtbot: QtBot, page: Start) -> Wanted:
    with qtbot.waitSignal(page.wanted) as told:
        qtbot.mouseClick(page.go, Qt.MouseButton.LeftButton)
    wanted: Wanted = told.args[0]
    return wanted


def test_everything_is_chosen_at_first(qtbot: QtBot, page: Start) -> None:
    wanted = asked(qtbot, page)
    assert wanted.profiles == profile.built_in()
    assert str(wanted.link) == "netcheck://echo.example.org"


def test_a_card_is_chosen_by_a_click_anywhere_on_it(qtbot: QtBot, page: Start) -> None:
    button = next(b for b in page.findChildren(QRadioButton) if b.text() == "NetMeeting")
    card = button.parentWidget()
    assert card is not None
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    assert [each.id for each in asked(qtbot, page).profiles] == ["netmeeting"]


def test_what_is_typed_is_checked_at_once(qtbot: QtBot, page: Start) -> None:
    field = page._where.field.lineEdit()
    assert field is not None
    field.selectAll()
    qtbot.keyClicks(field, "echo example")
    assert "is not a host" in page._where.hint.text()
    assert not page.go.isEnabled()
    field.selectAll()
    qtbot.keyClicks(field, "echo.example.net:8463")
    assert page.go.isEnabled()
    assert str(asked(qtbot, page).link) == "netcheck://echo.example.net:8463"


def test_typing_a_server_means_to_test_against_it(qtbot: QtBot, page: Start) -> None:
    page.point_at("")
    assert asked(qtbot, page).alone
    field = page._where.field.lineEdit()
    assert field is not None
    qtbot.keyClicks(field, "echo.example.net")
    assert not asked(qtbot, page).alone


def test_enter_in_the_field_starts(qtbot: QtBot, page: Start) -> None:
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    field = page._where.field.lineEdit()
    assert field is not None
    field.setFocus()
    with qtbot.waitSignal(page.wanted):
        qtbot.keyClick(field, Qt.Key.Key_Return)


def test_enter_with_a_wrong_name_leads_back_to_it(qtbot: QtBot, page: Start) -> None:
    page.point_at("no host")
    page.begin()
    assert page._where.field.hasFocus() or not page.isActiveWindow()


def test_a_hostile_server_name_is_shown_as_text(qtbot: QtBot, page: Start) -> None:
    page.point_at("<b>x</b><img src=x>")
    assert page._where.hint.textFormat() == Qt.TextFormat.PlainText
    assert not page.go.isEnabled()


def test_the_page_does_not_scroll_where_all_of_it_has_room(qtbot: QtBot, page: Start) -> None:
    page.resize(1024, 660)
    area = page.findChild(QScrollArea)
    assert area is not None
    for typed in ("", "company.example", "a b"):
        page._where.field.setEditText(typed)
        QApplication.processEvents()
        assert not area.verticalScrollBar().isVisible()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Paste the link"),
        ("company.example", "The echo server of the domain company.example"),
        ("192.0.2.7:8463", "if this computer trusts its certificate"),
        ("netcheck://192.0.2.7#" + "ab" * 32, "must prove itself by the fingerprint"),
        ("a b", "is not a host"),
    ],
)
def test_what_was_typed_is_explained_beside_it(page: Start, typed: str, said: str) -> None:
    page._where._against.setChecked(True)
    page._where.field.setEditText(typed)
    assert said in page._where.hint.text()
    assert page.go.isEnabled() is ("is not" not in said and bool(typed))


def test_this_computer_only_says_that_it_says_nothing_of_the_network(page: Start) -> None:
    page.point_at("")
    assert "nothing about your network" in page._where.alone_hint.text()
    assert page.go.isEnabled()


def test_what_is_sent_is_one_click_away(qtbot: QtBot, page: Start) -> None:
    assert not page._what.isVisible()
    qtbot.mouseClick(page._ask, Qt.MouseButton.LeftButton)
    assert page._what.isVisible()
    assert "echo server" in page._what.text()
