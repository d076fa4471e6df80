"""Details: every table of a report, and from each row to what it rests on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

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
        self._unfilled: dict[int, Callable[[Report], None]] = {}
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("Details of the report"))
        self.ports = View(of_report.ports(), self.tr("Ports"))
        self.facts = View(of_report.facts(), self.tr("Network"))
        self.editors = View(of_report.editors(), self.tr("Addresses in messages"))
        self.calls = View(of_report.calls(), self.tr("Calls"))
        self.media = View(of_report.media(), self.tr("Voice and video"))
        self.timeline = View(of_report.observations(), self.tr("Timeline"))
        self.strip = Drawn(self)
        self.heard = Drawn(self)
        self.course = Drawn(self)
        self.course.chosen.connect(lambda observation: self.show_observations((observation,)))
        tabs = (
            (self.ports, None, self.tr("Ports")),
            (self.facts, self.strip, self.tr("Network")),
            (self.editors, None, self.tr("Addresses in messages")),
            (self.calls, None, self.tr("Calls")),
            (self.media, self.heard, self.tr("Voice and video")),
            (self.timeline, self.course, self.tr("Timeline")),
        )
        for view, drawing, title in tabs:
            view.evidence.connect(self.show_observations)
            self.tabs.addTab(_with(drawing, view), title)
        self.tabs.currentChanged.connect(self._fill)
        top = QPushButton(self.tr("&Back to the answer"))
        top.clicked.connect(self.back)
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self.back)
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
        self._unfilled = dict(
            enumerate(
                (self._fill_ports, self._fill_facts, self._fill_editors, self._fill_calls,
                 self._fill_media, self._fill_timeline)
            )
        )  # fmt: skip
        if self.isVisible():
            self._fill(self.tabs.currentIndex())

    def show_observations(self, ids: tuple[str, ...]) -> None:
        """Select these in the timeline."""
        last = self.tabs.count() - 1
        self.tabs.setCurrentIndex(last)
        self._fill(last)
        self.timeline.select(lambda row: row.id in ids)

    def showEvent(self, event: QShowEvent) -> None:
        self._fill(self.tabs.currentIndex())
        super().showEvent(event)

    def _fill(self, tab: int) -> None:
        if self._report is not None and (fill := self._unfilled.pop(tab, None)) is not None:
            fill(self._report)

    def _fill_ports(self, report: Report) -> None:
        self.ports.table.show(report.ports)
        self.ports.fit()

    def _fill_facts(self, report: Report) -> None:
        from netcheck.drawing import dynamic

        self.facts.table.show(of_report.facts_of(report))
        self.facts.fit()
        self.strip.show_drawing(lambda colours: dynamic.draw(report, colours))

    def _fill_editors(self, report: Report) -> None:
        self.editors.table.show(of_report.editors_of(report.editors))
        self.editors.fit()

    def _fill_calls(self, report: Report) -> None:
        self.calls.table.show(report.calls)
        self.calls.fit()

    def _fill_media(self, report: Report) -> None:
        from netcheck.drawing import media

        self.media.table.show(report.media)
        self.media.fit()
        self.heard.show_drawing(lambda colours: media.draw(report, colours))

    def _fill_timeline(self, report: Report) -> None:
        from netcheck.drawing import timeline

        self.timeline.table.show(sorted(report.observations, key=lambda each: each.at_s))
        self.timeline.fit()
        self.course.show_drawing(lambda colours: timeline.draw(report, colours))


def _with(drawing: Drawn | None, view: View) -> QWidget:
    """The drawing above the table; how much room each has is the user's to say."""
    if drawing is None:
        return view
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setWidget(drawing)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    split = QSplitter(Qt.Orientation.Vertical)
    split.setChildrenCollapsible(False)
    split.addWidget(scroll)
    split.addWidget(view)
    split.setStretchFactor(0, 0)
    split.setStretchFactor(1, 1)
    split.setSizes([220, 400])
    scroll.setVisible(False)
    drawing.shown.connect(scroll.setVisible)
    return split
