"""The whole tree that a screen reader walks: on each page and in each dialog, nothing unnamed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QWidget
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui import keys
from netcheck.gui.export import SaveDialog
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.prepared import Wanted
from tests.netcheck.report import samples

PAGES = ("start", "running", "answer", "details", "past", "comparison", "articles")
Role = QAccessible.Role
ACTED_ON = frozenset(
    {
        Role.Button, Role.CheckBox, Role.RadioButton, Role.EditableText, Role.ComboBox, Role.Link,
        Role.List, Role.ListItem, Role.Table, Role.Tree, Role.PageTabList, Role.PageTab,
        Role.ProgressBar, Role.MenuItem, Role.ButtonMenu, Role.ColumnHeader, Role.Graphic,
        Role.Slider, Role.SpinBox, Role.Dialog, Role.AlertMessage,
    }
)  # fmt: skip
"""What one can do something with, or must find."""

OF_ANOTHER = ("QComboBoxPrivateContainer", "QComboBoxListView", "QComboBoxMenuDelegate")
"""Widgets of Qt's own that are no stop: their owner speaks for them."""


def tree(interface: QAccessibleInterface, depth: int = 0) -> Iterator[QAccessibleInterface]:
    """It and all in it that is shown."""
    if depth > 40 or interface.state().invisible:
        return
    yield interface
    for number in range(min(interface.childCount(), 400)):
        child = interface.child(number)
        if child is not None and child.isValid():
            yield from tree(child, depth + 1)


def unnamed(widget: QWidget) -> list[str]:
    root = QAccessible.queryAccessibleInterface(widget)
    assert root is not None
    found = []
    for each in tree(root):
        role, thing = each.role(), each.object()
        can = role in ACTED_ON or (each.state().focusable and role != Role.Cell)  # may be empty
        inside = isinstance(thing, QWidget) and type(thing).__name__ in OF_ANOTHER
        if can and not inside and not each.text(QAccessible.Text.Name).strip():
            found.append(f"{role.name} {thing!r}")
        if role == Role.NoRole:
            found.append(f"no role: {thing!r}")
    return found


@pytest.fixture
def full(qtbot: QtBot, window: Window, history: History) -> Window:
    report = samples.everything()
    history.add(report)
    window.running.begin(Wanted(profiles=profile.built_in()))
    window.compare(samples.all_good(), report)
    window.show_report(report, "Since 10:00: nothing changed.", "There was trouble.")
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    return window


@pytest.mark.parametrize("name", PAGES)
def test_all_that_can_be_acted_on_has_a_name(full: Window, name: str) -> None:
    """With the bar above it, and on every tab."""
    page = getattr(full, name)
    full.pages.setCurrentWidget(page)
    tabs = getattr(page, "tabs", None)
    for number in range(tabs.count() if tabs is not None else 1):
        if tabs is not None:
            tabs.setCurrentIndex(number)
        QApplication.processEvents()
        assert unnamed(full) == []


def test_the_walk_comes_to_what_is_shown(full: Window) -> None:
    full.go(full.answer)
    QApplication.processEvents()
    root = QAccessible.queryAccessibleInterface(full)
    assert root is not None
    seen = {(each.role(), each.text(QAccessible.Text.Name)) for each in tree(root)}
    assert (Role.Button, full.answer.more.text().replace("&", "")) in seen
    assert any(role == Role.ListItem for role, _ in seen)


def dialogs(window: Window) -> list[QWidget]:
    """Every dialog that the window has, shown."""
    SaveDialog(samples.everything(), window).open()
    keys.show(window)
    window.complain("What is wrong, and what to do.")
    window.fault.show_fault("netcheck met an error of its own.", "Traceback …")
    window.past.view.view.selectAll()
    window.past._ask_to_delete()
    return [each for each in window.findChildren(QDialog) if each.isVisible()]


def test_every_dialog_and_all_in_it_has_a_name(full: Window) -> None:
    found = dialogs(full)
    assert len(found) == 5
    for dialog in found:
        assert unnamed(dialog) == []
        dialog.close()


def test_the_menu_of_a_field_has_names(full: Window) -> None:
    """Qt's own, which a right click or the menu key opens."""
    full.go(full.articles)
    menu = full.articles.search.createStandardContextMenu()
    assert isinstance(menu, QMenu)
    assert [
        action for action in menu.actions() if not action.isSeparator() and not action.text()
    ] == []
    menu.deleteLater()
