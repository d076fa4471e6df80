"""Who cannot see the window, or has no mouse, can use all of it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from PySide6.QtCore import QAbstractAnimation, Qt
from PySide6.QtGui import QAccessible, QImage, QPixmap
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QRadioButton,
    QTabWidget,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui.export import SaveDialog
from netcheck.gui.window import Window
from netcheck.prepared import Wanted
from tests.netcheck.report import samples

CONTROLS = (
    QAbstractButton, QLineEdit, QComboBox, QAbstractItemView, QProgressBar, QTextEdit,
    QPlainTextEdit, QTabWidget,
)  # fmt: skip
PAGES = ("start", "running", "answer", "details", "past", "comparison", "articles")
NO_NAME = QAccessible.Role.NoRole


@pytest.fixture
def full(qtbot: QtBot, window: Window) -> Window:
    report = samples.everything()
    window.running.begin(Wanted(profiles=profile.built_in()))
    window.compare(samples.all_good(), report)
    window.show_report(report)
    return window


def controls(widget: QWidget) -> list[QWidget]:
    """But for those that are parts of another: a combo box's list, a header, a clear button."""
    return [
        each
        for kind in CONTROLS
        for each in widget.findChildren(kind)
        if not isinstance(each, QHeaderView)
        and not isinstance(each.parentWidget(), (QComboBox, QLineEdit, QAbstractSlider))
        and each.objectName() not in ("qt_tableview_cornerbutton",)
        and type(each).__name__ not in ("QComboBoxListView", "QTableCornerButton")
        and not each.objectName().startswith("ScrollLeft")
        and not each.objectName().startswith("ScrollRight")
        and each.objectName() != "qt_toolbar_ext_button"
    ]


def read_out(widget: QWidget) -> tuple[str, QAccessible.Role]:
    interface = QAccessible.queryAccessibleInterface(widget)
    assert interface is not None
    name = interface.text(QAccessible.Text.Name)
    return name, interface.role()


@pytest.mark.parametrize("name", PAGES)
def test_every_control_has_a_name_and_a_role(full: Window, name: str) -> None:
    shown = getattr(full, name)
    found = controls(shown)
    assert found
    nameless = [each for each in found if not read_out(each)[0].strip()]
    assert nameless == []
    assert [each for each in found if read_out(each)[1] == NO_NAME] == []


def test_the_dialogs_are_named_as_well(window: Window) -> None:
    dialog = SaveDialog(samples.everything(), window)
    for each in [*controls(dialog), *controls(window.fault)]:
        assert read_out(each)[0], each


def test_roles_are_what_they_look_like(full: Window) -> None:
    wanted = {
        full.start.go: QAccessible.Role.Button,
        full.running.bar: QAccessible.Role.ProgressBar,
        full.answer.features.list: QAccessible.Role.List,
        full.details.ports.view: QAccessible.Role.Table,
        full.start.findChildren(QRadioButton)[0]: QAccessible.Role.RadioButton,
    }
    assert {widget: read_out(widget)[1] for widget in wanted} == wanted


def test_a_feature_is_read_out_with_its_verdict(full: Window) -> None:
    interface = QAccessible.queryAccessibleInterface(full.answer.features.list)
    said = [interface.child(n).text(QAccessible.Text.Name) for n in range(interface.childCount())]
    for feature in full.answer.features.features():
        assert any(feature.title in words and feature.summary in words for words in said)
    assert any("does not work" in words for words in said)


def test_the_picture_is_read_out_part_by_part(full: Window) -> None:
    said = [read_out(part) for part in full.answer.picture.parts]
    names = [name for name, _ in said]
    for device in ("This computer", "Router", "Internet", "Echo server"):
        assert device in names
    assert any(name.startswith("Broken: ") for name in names)
    assert {role for _, role in said} == {QAccessible.Role.Button}


def test_a_broken_stretch_opens_its_article_by_key(qtbot: QtBot, full: Window) -> None:
    part = next(p for p in full.answer.picture.parts if p.accessibleName().startswith("Broken: "))
    assert part.focusPolicy() != Qt.FocusPolicy.NoFocus
    before = full.answer.remedy.browser.toPlainText()
    for each in full.answer.picture.parts:
        if each.focusPolicy() != Qt.FocusPolicy.NoFocus:
            qtbot.keyClick(each, Qt.Key.Key_Space)
            assert full.answer.remedy.browser.toPlainText()
    assert before


def reachable(page: QWidget) -> list[QWidget]:
    """What Tab comes to, in its order, from the first on this page until it comes round."""
    found: list[QWidget] = []
    at = page.nextInFocusChain()
    while at is not None and at not in found:
        found.append(at)
        at = at.nextInFocusChain()
    return [
        each
        for each in found
        if page.isAncestorOf(each)
        and each.isVisible()
        and each.isEnabled()
        and each.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
    ]


@pytest.mark.parametrize("name", PAGES)
def test_tab_comes_to_every_control(full: Window, name: str) -> None:
    page = getattr(full, name)
    full.pages.setCurrentWidget(page)
    order = reachable(page)
    for each in controls(page):
        if (
            not each.isVisible()
            or not each.isEnabled()
            or isinstance(each, (QTabWidget, QProgressBar))
        ):
            continue
        if each.objectName() == "part" and each.focusPolicy() == Qt.FocusPolicy.NoFocus:
            continue  # a device where nothing is wrong does nothing
        own = each.focusProxy() or each
        assert own in order or isinstance(each, QRadioButton), each


def test_tab_goes_from_top_to_bottom(full: Window) -> None:
    for name in ("start", "answer", "running"):
        page = getattr(full, name)
        full.pages.setCurrentWidget(page)
        QApplication.processEvents()
        tops = [each.mapTo(page, each.rect().topLeft()).y() for each in reachable(page)]
        steps_up = sum(after < before - 90 for before, after in pairwise(tops))
        assert steps_up <= 1, (name, tops)  # from a list back to the head of the article


@pytest.mark.parametrize("name", PAGES)
def test_no_letter_means_two_things(full: Window, name: str) -> None:
    """Within a page, together with the bar above it."""
    page = getattr(full, name)
    full.pages.setCurrentWidget(page)
    texts = [action.text() for action in full._actions.values()]
    texts += [b.text() for b in page.findChildren(QAbstractButton) if b.isVisible()]
    letters = Counter(
        text[text.index("&") + 1].casefold() for text in texts if "&" in text.replace("&&", "")
    )
    assert {letter: n for letter, n in letters.items() if n > 1} == {}


def picture_of(widget: QWidget) -> QImage:
    window = widget.window()
    pixmap = QPixmap(window.size())
    window.render(pixmap)
    return pixmap.toImage()


@pytest.mark.parametrize("name", ["start", "answer", "past", "articles"])
def test_focus_can_be_seen(qtbot: QtBot, full: Window, name: str) -> None:
    page = getattr(full, name)
    full.pages.setCurrentWidget(page)
    full.activateWindow()
    qtbot.waitUntil(full.isActiveWindow)
    reachable(page)[0].setFocus()
    seen = []
    for _ in reachable(page):
        without = picture_of(page)
        qtbot.keyClick(full, Qt.Key.Key_Tab)
        now = full.focusWidget()
        if now is None or now in seen or not page.isAncestorOf(now):
            break
        seen.append(now)
        assert picture_of(page) != without, now
    assert seen


def test_nothing_moves_by_itself(full: Window) -> None:
    """Reduced motion is what everybody has: no widget of ours is animated."""
    running = [
        each
        for each in full.findChildren(QAbstractAnimation)
        if each.state() == QAbstractAnimation.State.Running
    ]
    assert running == []


def test_headings_and_words_are_plain_text(full: Window) -> None:
    hidden = {"qt_msgbox_label"}
    for label in full.findChildren(QLabel):
        if label.objectName() in hidden or not label.text():
            continue
        assert label.textFormat() != Qt.TextFormat.RichText, label.text()


def test_enter_starts_from_wherever_one_is(qtbot: QtBot, window: Window) -> None:
    window.start.point_at("")
    with qtbot.waitSignal(window.start.wanted):
        qtbot.keyClick(window.start.findChildren(QRadioButton)[0], Qt.Key.Key_Return)
    with qtbot.waitSignal(window.engine.finished, timeout=30_000):
        qtbot.keyClick(window.running, Qt.Key.Key_Escape)


def test_the_title_says_where_one_is(full: Window) -> None:
    titles = set()
    for name in PAGES:
        if name != "running":
            full.go(getattr(full, name))
            titles.add(full.windowTitle())
    assert len(titles) == len(PAGES) - 1
