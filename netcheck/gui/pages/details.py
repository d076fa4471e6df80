"""Details: every table of a report, and from each row to what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from netcheck.drawing.drawing import Drawing
from netcheck.drawing.look import Look
from netcheck.gui import keys
from netcheck.gui.models import of_report
from netcheck.gui.picture import Drawn
from netcheck.gui.tableview import View
from netcheck.report.model import Report


class Details(QWidget):
    """``back`` leads to the answer.

    A tab is filled when it is first looked at: a report of ten thousand observations opens as
    fast as a small one.
    """

    back = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: Report | None = None
        self._unfilled: set[int] = set()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("Details of the report"))
        self.ports = View(of_report.ports(), self.tr("Ports"))
        self.facts = View(of_report.facts(), self.tr("Network"))
        self.editors = View(of_report.editors(), self.tr("Addresses in messages"))
        self.calls = View(of_report.calls(), self.tr("Calls"))
        self.media = View(of_report.media(), self.tr("Voice and video"))
        self.findings = View(of_report.findings(), self.tr("Findings"))
        self.timeline = View(of_report.observations(), self.tr("Timeline"))
        self.strip = Drawn(self)
        self.heard = Drawn(self)
        self.course = Drawn(self)
        self.course.chosen.connect(lambda observation: self.show_observations((observation,)))
        self._tabs = (
            _Tab(self.ports, self.tr("Ports"), lambda report: report.ports),
            _Tab(self.facts, self.tr("Network"), of_report.facts_of, self.strip, _dynamic, 220),
            _Tab(
                self.editors,
                self.tr("Addresses in messages"),
                lambda report: of_report.editors_of(report.editors),
            ),
            _Tab(self.calls, self.tr("Calls"), lambda report: report.calls),
            _Tab(
                self.media,
                self.tr("Voice and video"),
                lambda report: report.media,
                self.heard,
                _media,
                420,
            ),
            _Tab(self.findings, self.tr("Findings"), of_report.findings_of),
            _Tab(
                self.timeline,
                self.tr("Timeline"),
                lambda report: sorted(report.observations, key=lambda each: each.at_s),
                self.course,
                _timeline,
                220,
            ),
        )
        for tab in self._tabs:
            tab.view.evidence.connect(self.show_observations)
            named = self.tr("Drawing: %1").replace("%1", tab.title)
            self.tabs.addTab(_with(tab.drawn, tab.view, tab.height, named), tab.title)
        self.tabs.currentChanged.connect(self._fill)
        top = QPushButton(self.tr("&Back to the answer"))
        top.clicked.connect(self.back)
        keys.within(self, Qt.Key.Key_Escape, self.back.emit)
        row = QHBoxLayout()
        row.addWidget(top)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.addLayout(row)
        column.addWidget(self.tabs, 1)

    def show_report(self, report: Report) -> None:
        """Whichever tab is looked at; the others when they are."""
        self._report = report
        self._unfilled = set(range(len(self._tabs)))
        if self.isVisible():
            self._fill(self.tabs.currentIndex())

    def show_observations(self, ids: tuple[str, ...]) -> None:
        """Select these in the timeline."""
        at = [tab.view for tab in self._tabs].index(self.timeline)
        self.tabs.setCurrentIndex(at)
        self._fill(at)
        self.timeline.select(lambda row: row.id in ids)

    def showEvent(self, event: QShowEvent) -> None:
        self._fill(self.tabs.currentIndex())
        super().showEvent(event)

    def _fill(self, number: int) -> None:
        report = self._report
        if report is None or number not in self._unfilled:
            return
        self._unfilled.remove(number)
        tab = self._tabs[number]
        tab.view.table.show(tab.rows(report))
        tab.view.fit()
        if tab.drawn is not None:
            tab.drawn.show_drawing(lambda look: tab.draw(report, look))


def _nothing(report: Report, look: Look) -> Drawing | None:
    return None


# Loaded when their tab is looked at: a start needs none of them.


def _dynamic(report: Report, look: Look) -> Drawing | None:
    from netcheck.drawing import dynamic

    return dynamic.draw(report, look)


def _media(report: Report, look: Look) -> Drawing | None:
    from netcheck.drawing import media

    return media.draw(report, look)


def _timeline(report: Report, look: Look) -> Drawing | None:
    from netcheck.drawing import timeline

    return timeline.draw(report, look)


class _Tab(NamedTuple):
    """A table and its rows of a report; above it perhaps a drawing, at first ``height`` pixels
    high."""

    view: View
    title: str
    rows: Callable[[Report], Sequence[Any]]
    drawn: Drawn | None = None
    draw: Callable[[Report, Look], Drawing | None] = _nothing
    height: int = 0


def _with(drawing: Drawn | None, view: View, height: int, name: str) -> QWidget:
    """The drawing, at first so high, above the table; how much room each has is the user's to
    say."""
    if drawing is None:
        return view
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setWidget(drawing)
    scroll.setAccessibleName(name)  # the keyboard comes to it, to scroll
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    split = QSplitter(Qt.Orientation.Vertical)
    split.setChildrenCollapsible(False)
    split.addWidget(scroll)
    split.addWidget(view)
    split.setStretchFactor(0, 0)
    split.setStretchFactor(1, 1)
    split.setSizes([height, 620 - height])
    scroll.setVisible(False)
    drawing.shown.connect(scroll.setVisible)
    return split
