"""Past checks: open one, compare two, delete."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from netcheck.gui import message
from netcheck.gui.bridge import Engine
from netcheck.gui.models.table import Column, Table
from netcheck.gui.tableview import View
from netcheck.gui.words import copyable, quiet, said, translate
from netcheck.history import Entry, History
from netcheck.report.model import Report


class Past(QWidget):
    """``opened`` carries one Report, ``compared`` a pair of them, the older first."""

    opened = Signal(Report)
    compared = Signal(Report, Report)
    refreshed = Signal()
    failed = Signal(str)

    def __init__(self, history: History, engine: Engine, parent: QWidget | None = None) -> None:
        """``engine`` reads and writes the history while the window goes on."""
        super().__init__(parent)
        self._history = history
        self._engine = engine
        self._asked = 0
        self.table = _entries()
        self.view = View(self.table, self.tr("Past checks"))
        self.view.opened.connect(lambda _: self._open())
        self.notice = copyable(quiet(""))
        self.notice.hide()
        self.empty = quiet(self.tr("There are no past checks yet."))
        self.empty.hide()
        self.open = QPushButton(self.tr("&Open"))
        self.open.clicked.connect(self._open)
        self.compare = QPushButton(self.tr("Co&mpare the two"))
        self.compare.clicked.connect(self._compare)
        self.delete = QPushButton(self.tr("De&lete"))
        self.delete.clicked.connect(self._ask_to_delete)
        remove = QShortcut(QKeySequence(Qt.Key.Key_Delete), self.view.view)
        remove.setContext(Qt.ShortcutContext.WidgetShortcut)
        remove.activated.connect(self._ask_to_delete)
        row = QHBoxLayout()
        for button in (self.open, self.compare, self.delete):
            row.addWidget(button)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        for widget in (self.notice, self.empty, self.view):
            column.addWidget(widget)
        column.addLayout(row)
        self.view.view.selectionModel().selectionChanged.connect(self._look)
        self.view.table.modelReset.connect(self._look)
        self._look()

    def refresh(self) -> None:
        """Read the list anew: another program may have added to it."""
        self._asked += 1
        asked = self._asked

        def show(entries: list[Entry], notice: str) -> None:
            if asked == self._asked:  # two that are read side by side may end in either order
                self._show(entries, notice)

        self._engine.work(
            self._history.entries,
            lambda entries: show(entries, self._history.notice),
            lambda sentence: show([], sentence),
        )

    def _show(self, entries: list[Entry], notice: str) -> None:
        chosen = {entry.id for entry in self.chosen()}
        self.table.show(entries)
        self.view.fit()
        if chosen:
            self.view.select(lambda entry: entry.id in chosen)
        self.notice.setText(notice)
        self.notice.setVisible(bool(notice))
        self.empty.setVisible(not entries and not notice)
        self._look()
        self.refreshed.emit()

    def chosen(self) -> list[Entry]:
        """The entries that are selected, the older first."""
        return sorted(self.view.chosen(), key=lambda entry: entry.started_at)

    def delete_chosen(self) -> None:
        """Delete what is selected, without asking; but for what still runs, which is said."""
        chosen = self.chosen()
        ids = [entry.id for entry in chosen if entry.state != "running"]

        def deleted(_: object) -> None:
            self.refresh()
            if len(ids) < len(chosen):
                self.failed.emit(
                    self.tr(
                        "A check that still runs was not deleted: end it, or wait for its end, and"
                        " then delete it."
                    )
                )

        self._engine.work(lambda: self._history.delete(ids), deleted, self._gone)

    def _gone(self, sentence: str) -> None:
        """Another program may have deleted it, or has damaged it: the list shows what is there."""
        self.failed.emit(sentence)
        self.refresh()

    def _look(self) -> None:
        count = len(self.chosen())
        self.open.setEnabled(count == 1)
        self.compare.setEnabled(count == 2)
        self.delete.setEnabled(count > 0)

    def _open(self) -> None:
        chosen = self.chosen()
        if len(chosen) == 1:
            self._engine.work(
                lambda: self._history.report(chosen[0].id), self.opened.emit, self._gone
            )

    def _compare(self) -> None:
        ids = [entry.id for entry in self.chosen()]
        self._engine.work(
            lambda: [self._history.report(each) for each in ids],
            lambda reports: self.compared.emit(*reports),
            self._gone,
        )

    def _ask_to_delete(self) -> None:
        count = len(self.chosen())
        if not count:
            return
        message.ask(
            self,
            self.tr("Delete the chosen past checks (%1)?").replace("%1", str(count)),
            self.tr("This cannot be undone."),
            self.tr("Delete"),
            self.delete_chosen,
        )


def _entries() -> Table[Entry]:
    return Table(
        (
            Column(translate("Past", "Verdict"), lambda e: said(e.overall)),
            Column(
                translate("Past", "When"), lambda e: _moment(e.started_at), lambda e: e.started_at
            ),
            Column(translate("Past", "Network"), lambda e: e.network),
            Column(translate("Past", "Server"), lambda e: e.server),
            Column(translate("Past", "State"), lambda e: said(e.state)),
        ),
        verdict=lambda e: e.overall,
    )


def _moment(text: str) -> str:
    """As this computer writes dates, in its own time zone."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):  # OSError: what Windows makes of some years
        return text
    return QLocale().toString(moment.replace(tzinfo=None), QLocale.FormatType.ShortFormat)
