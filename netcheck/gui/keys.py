"""What the keyboard does on every page, and the list of it, which F1 shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui.scrolled import scrolled
from netcheck.gui.tableview import View
from netcheck.gui.words import translate

if TYPE_CHECKING:
    from netcheck.gui.window import Window

Key = QKeySequence.StandardKey

TITLE = 60
"""Pixels that a dialog's title and frame need of the height of the window behind it."""


def within(
    page: QWidget, key: QKeySequence.StandardKey | Qt.Key | str, do: Callable[[], object]
) -> None:
    """A key that does something while the keyboard is anywhere in ``page``."""
    shortcut = QShortcut(QKeySequence(key), page)
    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    shortcut.activated.connect(do)


def install(window: Window, bar: QToolBar) -> None:
    """The keys of the whole window, and at the end of its ``bar`` what lists them."""

    def add(
        keys: list[QKeySequence | QKeySequence.StandardKey | str], do: Callable[[], None]
    ) -> None:
        action = QAction(window)
        action.setShortcuts([QKeySequence(each) for each in keys])
        action.triggered.connect(do)
        window.addAction(action)

    add([Key.Open], window.ask_for_file)
    add([Key.Save, "Ctrl+E"], window.save)
    add([Key.Find], lambda: find(window))
    add(["F5"], lambda: anew(window))
    for page in (window.details, window.comparison):
        within(page, Key.Back, page.back.emit)
    room = QWidget()
    room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(room)
    listed = QAction(translate("Keys", "Keys"), window)
    listed.setToolTip(translate("Keys", "What the keyboard does (F1)"))
    listed.setShortcut(QKeySequence(Key.HelpContents))
    listed.triggered.connect(lambda: show(window))
    bar.addAction(listed)
    bar.widgetForAction(listed).setFocusPolicy(Qt.FocusPolicy.TabFocus)


def find(window: Window) -> None:
    """To the field that searches or filters what is looked at."""
    if window.pages.currentWidget() is window.articles:
        field = window.articles.search
    else:
        views = window.pages.currentWidget().findChildren(View)
        shown = [view for view in views if view.isVisible()]
        if not shown:
            return
        field = shown[0].filter
    field.setFocus(Qt.FocusReason.ShortcutFocusReason)
    field.selectAll()


def anew(window: Window) -> None:
    """What is looked at, once more: the check, or the list of past ones."""
    page = window.pages.currentWidget()
    if page is window.start:
        window.start.begin()
    elif page is window.past:
        window.past.refresh()
    elif page in (window.answer, window.details):
        window.check_again()


def known() -> list[tuple[str, str]]:
    """The keys as this system writes them, and what each does."""

    def named(key: QKeySequence.StandardKey | str) -> str:
        return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)

    return [
        (named("Return"), translate("Keys", "On the first page: start the check")),
        (
            named("Esc"),
            translate("Keys", "End the check that runs; go back to where you came from"),
        ),
        (
            named("F5"),
            translate("Keys", "Check again; on the page of past checks: read the list again"),
        ),
        (
            named("Ctrl+1") + " – " + named("Ctrl+5"),
            translate("Keys", "The pages, from the first to the last"),
        ),
        (named(Key.Back), translate("Keys", "Back to where you came from")),
        (named(Key.Find), translate("Keys", "Filter the table, or search the articles")),
        (
            named(Key.Copy),
            translate("Keys", "Copy what is chosen; in a table with tabs, for a spreadsheet"),
        ),
        (named(Key.Open), translate("Keys", "Open a saved report")),
        (named(Key.Save), translate("Keys", "Save the report")),
        (named("Del"), translate("Keys", "Delete the chosen past checks")),
        (named("Tab"), translate("Keys", "The next control; with Shift the one before")),
        (named("Alt"), translate("Keys", "Together with the underlined letter: that control")),
        (named(Key.HelpContents), translate("Keys", "This list")),
    ]


def show(window: QWidget) -> None:
    """The list, until it is closed."""
    dialog = QDialog(window)
    dialog.setWindowTitle(translate("Keys", "What the keyboard does"))
    inner = QWidget()
    rows = QFormLayout()
    rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    for keys, what in known():
        name, words = QLabel(keys), QLabel(what)
        bold = name.font()
        bold.setBold(True)
        name.setFont(bold)
        for label in (name, words):
            label.setTextFormat(Qt.TextFormat.PlainText)
        words.setWordWrap(True)
        words.setMinimumWidth(words.fontMetrics().averageCharWidth() * 30)
        rows.addRow(name, words)
    scrolled(inner).addLayout(rows)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    column = QVBoxLayout(dialog)
    column.addWidget(inner, 1)
    column.addWidget(buttons)
    dialog.finished.connect(dialog.deleteLater)
    dialog.resize(dialog.sizeHint().boundedTo(window.size() - QSize(0, TITLE)))
    dialog.open()
