"""One table as people use it: sorted by a click, filtered by words, copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui import theme
from netcheck.gui.models.table import EVIDENCE_ROLE, VERDICT_ROLE, Table, as_text, by_itself

COLUMN_MAX = 320
"""Pixels: a long text in one column leaves room for the others."""


class View(QWidget):
    """``evidence`` carries the ids of the observations that a row rests on, ``opened`` the row
    that was double-clicked or entered."""

    evidence = Signal(tuple)
    opened = Signal(object)

    def __init__(self, table: Table[Any], name: str, parent: QWidget | None = None) -> None:
        """``name``: what screen readers call it."""
        super().__init__(parent)
        self.table = table
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(self.tr("Filter"))
        self.filter.setAccessibleName(self.tr("Filter the rows by words"))
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(table.look_for)
        self.count = QLabel()
        self.view = _table(table, name)
        self.view.activated.connect(self._activated)
        copy = QAction(self.tr("Copy"), self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        copy.triggered.connect(self.copy)
        rests = QAction(self.tr("Show what this rests on"), self)
        rests.triggered.connect(lambda: self._activated(self.view.currentIndex()))
        find = QAction(self.tr("Filter"), self)  # Ctrl+F is the whole page's (gui.keys)
        find.triggered.connect(self.filter.setFocus)
        self.view.addActions([copy, rests, find])
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        row = QHBoxLayout()
        row.addWidget(self.filter, 1)
        row.addWidget(self.count)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addLayout(row)
        column.addWidget(self.view, 1)
        self._last = 0  # how wide the words of the last column are
        self._chosen: list[Any] = []
        table.modelAboutToBeReset.connect(self._note)
        table.modelReset.connect(self._choose_again)
        table.arranged.connect(self._say_how_many)

    def fit(self) -> None:
        """Columns as wide as their first rows need."""
        header = self.view.horizontalHeader()
        header.setResizeContentsPrecision(64)
        self.view.resizeColumnsToContents()
        for column in range(header.count() - 1):
            header.resizeSection(column, min(header.sectionSize(column) + 12, COLUMN_MAX))
        self._last = self.view.sizeHintForColumn(header.count() - 1)
        self._stretch()
        self._say_how_many()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._stretch()

    def _stretch(self) -> None:
        """The last column has what is left, and never less than it needs: then one scrolls."""
        header = self.view.horizontalHeader()
        last = header.count() - 1
        others = sum(header.sectionSize(column) for column in range(last))
        needed = min(max(header.sectionSizeHint(last), self._last), COLUMN_MAX)
        room = self.view.viewport().width() - others
        header.setStretchLastSection(room >= needed)
        if room < needed:
            header.resizeSection(last, needed)

    def chosen(self) -> list[Any]:
        """The rows that are selected, from the top."""
        indexes = self.view.selectionModel().selectedRows()
        return [self.table.row(row) for row in sorted(index.row() for index in indexes)]

    def copy(self) -> None:
        """The chosen rows, or all, as text with tabs."""
        chosen = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        rows = chosen or range(self.table.rowCount())
        QGuiApplication.clipboard().setText(as_text(self.table, list(rows)))

    def select(self, wanted: Callable[[Any], bool]) -> None:
        """Select the rows for which ``wanted(row)`` is true, and show the first."""
        if self.filter.text():
            self.filter.clear()
        selection = self.view.selectionModel()
        selection.clearSelection()
        flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
        first = None
        for number in range(self.table.rowCount()):
            if wanted(self.table.row(number)):
                index = self.table.index(number, 0)
                selection.select(index, flags)
                first = first or index
        if first is not None:
            selection.setCurrentIndex(first, selection.SelectionFlag.NoUpdate)
            self.view.scrollTo(first, QAbstractItemView.ScrollHint.PositionAtCenter)
            self.view.setFocus()

    def _note(self) -> None:
        self._chosen = self.chosen()

    def _choose_again(self) -> None:
        """What was chosen stays so when rows are sorted or filtered."""
        chosen = {id(row) for row in self._chosen}
        self._chosen = []
        if not chosen:
            return
        selection = self.view.selectionModel()
        flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
        for number in range(self.table.rowCount()):
            if id(self.table.row(number)) in chosen:
                selection.select(self.table.index(number, 0), flags)

    def _say_how_many(self) -> None:
        shown, there = self.table.rowCount(), self.table.size
        said = self.tr("%1 of %2") if shown != there else self.tr("Rows: %2")
        self.count.setText(said.replace("%1", str(shown)).replace("%2", str(there)))

    def _activated(self, index: QModelIndex) -> None:
        if not index.isValid():
            return
        self.opened.emit(self.table.row(index.row()))
        if ids := index.data(EVIDENCE_ROLE):
            self.evidence.emit(ids)


def _table(table: Table[Any], name: str) -> QTableView:
    view = QTableView()
    view.setAccessibleName(name)
    view.setModel(table)
    view.setSortingEnabled(True)
    view.setCornerButtonEnabled(False)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setAlternatingRowColors(True)
    view.setWordWrap(False)
    view.setTabKeyNavigation(False)
    view.setItemDelegate(Marks(view))
    rows, columns = view.verticalHeader(), view.horizontalHeader()
    rows.hide()
    rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    rows.setDefaultSectionSize(view.fontMetrics().height() + 10)
    columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    columns.setSortIndicatorClearable(True)
    columns.setStretchLastSection(True)
    columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignVCenter)
    return view


class Marks(QStyledItemDelegate):
    """The shape of a verdict before its word."""

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        if option.direction == Qt.LayoutDirection.RightToLeft:
            option.text = by_itself(option.text)
        verdict = index.data(VERDICT_ROLE)
        if verdict:
            chosen = bool(option.state & QStyle.StateFlag.State_Selected)
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
            option.icon = theme.icon(verdict, 16, chosen=chosen)
