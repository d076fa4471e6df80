"""A table of frozen rows: columns say what of a row they show.

Ten thousand rows are sorted and filtered in slices, between which the window goes on: a slice
that is over after a moment is all that a small table needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from time import perf_counter
from typing import Any, Generic, TypeVar

import msgspec
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()

EVIDENCE_ROLE = int(Qt.ItemDataRole.UserRole)
"""The ids of the observations that a row rests on."""
VERDICT_ROLE = EVIDENCE_ROLE + 1

COPY_ROLE = EVIDENCE_ROLE + 2
"""The text of a cell, not cut to what is shown."""
COPIED_MAX = 100_000

SLICE_S = 0.008
"""Half of what a screen takes between two pictures."""

CELLS_KEPT = 4000
"""Some screens full of cells."""

TIP_MAX = 2000
"""Characters: a longer text would make a tip larger than the screen."""


class Column(msgspec.Struct, Generic[Row], frozen=True):
    """``text`` is what is shown, ``order`` what is sorted by (None: the text)."""

    title: str
    text: Callable[[Row], str]
    order: Callable[[Row], Any] | None = None
    number: bool = False


class Table(QAbstractTableModel, Generic[Row]):
    """``evidence`` gives the observations of a row, ``verdict`` the word that has an icon;
    ``arranged`` says that rows are shown as they were asked for."""

    arranged = Signal()

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        evidence: Callable[[Row], Sequence[str]] = lambda _: (),
        verdict: Callable[[Row], str] = lambda _: "",
    ) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._all: list[Row] = []
        self._shown: list[int] = []
        self._evidence = evidence
        self._verdict = verdict
        self._words: tuple[str, ...] = ()
        self._by: tuple[int, Qt.SortOrder] | None = None
        self._texts: dict[int, str] = {}
        self._cells: dict[tuple[int, int], str] = {}
        self._work: Iterator[None] = iter(())
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._go_on)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these instead, at once; then in the order and with the words asked for."""
        self.beginResetModel()
        self._all = list(rows)
        self._texts = {}
        self._cells = {}
        self._shown = list(range(len(self._all)))
        self.endResetModel()
        self._arrange()

    def row(self, number: int) -> Row:
        """What is shown in this place."""
        return self._all[self._shown[number]]

    @property
    def size(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._all)

    # order and words

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By what a column means: unknown values last, numbers before words."""
        self._by = (column, order) if 0 <= column < len(self._columns) else None
        self._arrange()

    def look_for(self, text: str) -> None:
        """Show the rows that have all of these words in any column."""
        self._words = tuple(text.casefold().split())
        self._arrange()

    def _arrange(self) -> None:
        self._work = self._in_order()
        self._go_on()

    def _go_on(self) -> None:
        until = perf_counter() + SLICE_S
        for _ in self._work:
            if perf_counter() > until:
                self._timer.start()
                return
        self._timer.stop()

    def _in_order(self) -> Iterator[None]:
        found: list[int] = []
        keys: dict[int, tuple[int, float, str]] = {}
        for number in range(len(self._all)):
            if not self._words or all(word in self._text(number) for word in self._words):
                found.append(number)
                if self._by is not None:
                    keys[number] = self._key(number, self._by[0])
            yield
        if self._by is not None:
            found.sort(key=keys.__getitem__, reverse=self._by[1] == Qt.SortOrder.DescendingOrder)
        if found != self._shown:
            self.beginResetModel()
            self._shown = found
            self.endResetModel()
        self.arranged.emit()

    def _text(self, number: int) -> str:
        known = self._texts.get(number)
        if known is None:
            row = self._all[number]
            known = "\n".join(column.text(row) for column in self._columns).casefold()
            self._texts[number] = known
        return known

    def _display(self, number: int, column: int) -> str:
        """A view asks for each cell several times in each picture."""
        known = self._cells.get((number, column))
        if known is None:
            if len(self._cells) > CELLS_KEPT:
                self._cells.clear()
            known = one_line(self._columns[column].text(self._all[number]))
            self._cells[number, column] = known
        return known

    def _key(self, number: int, column: int) -> tuple[int, float, str]:
        shown = self._columns[column]
        value = shown.order(self._all[number]) if shown.order else shown.text(self._all[number])
        if value is None:
            return 2, 0.0, ""
        if isinstance(value, (int, float)):
            return 0, float(value), ""
        return 1, 0.0, str(value).casefold()

    # what a view asks

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = self.row(index.row()), self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._display(self._shown[index.row()], index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(column.text(row)[:TIP_MAX])
        if role == COPY_ROLE:
            return one_line(column.text(row), COPIED_MAX)
        if role == EVIDENCE_ROLE:
            return tuple(self._evidence(row))
        if role == VERDICT_ROLE:
            return self._verdict(row) if index.column() == 0 else ""
        if role == Qt.ItemDataRole.TextAlignmentRole and column.number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._columns[section].title if section < len(self._columns) else None
        return None


SHOWN_MAX = 400
"""Characters of a cell: laying out a megabyte would stop the window."""


def by_itself(text: str) -> str:
    """What stands among words of the other direction, such as an English sentence in an Arabic
    window, keeps its own: its full stop stays at its end (UAX #9, FSI and PDI)."""
    return f"\u2068{text}\u2069"


def one_line(text: str, most: int = SHOWN_MAX) -> str:
    """What came from the network stays one line, and turns no other text round."""
    cut = text[:most] + ("…" if len(text) > most else "")
    if cut.isprintable():
        return cut
    return "".join(
        c if c.isprintable() else " " if c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in cut
    )


def plain(text: str) -> str:
    """Qt shows a tip that looks like markup as markup."""
    escaped = escape(text, quote=False)
    return f"<span>{escaped}</span>" if escaped != text else text


def as_text(table: QAbstractTableModel, rows: Sequence[int]) -> str:
    """These rows with the titles, tabs between: as a spreadsheet takes them."""
    columns = range(table.columnCount())
    horizontal = Qt.Orientation.Horizontal
    lines = [[str(table.headerData(c, horizontal) or "") for c in columns]]
    lines += [[str(table.index(r, c).data(COPY_ROLE) or "") for c in columns] for r in rows]
    return "\n".join("\t".join(_cell(cell) for cell in line) for line in lines) + "\n"


def _cell(cell: str) -> str:
    """A cell may not look like two, nor like a formula to a spreadsheet."""
    plain = " ".join(cell.split())
    return f"'{plain}" if plain[:1] in ("=", "+", "-", "@") and len(plain) > 1 else plain
