"""Two checks side by side: what got better, what got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from netcheck.gui.models.table import Column, Table, one_line
from netcheck.gui.tableview import View
from netcheck.gui.words import heading, quiet, said
from netcheck.report.details import kind, other_end
from netcheck.report.model import Feature, Port, Report

if TYPE_CHECKING:
    from netcheck.report.compare import Comparison, FeatureChange, PortChange
    from netcheck.report.compare_network import NetworkChange


class ComparisonPage(QWidget):
    """``back`` leads to where it was asked for."""

    back = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = heading("")
        self.cautions = quiet("")
        self.features = View(_features(), self.tr("What changed in features"))
        self.ports = View(_ports(), self.tr("What changed in ports"))
        self.network = View(_network(), self.tr("What changed in the network"))
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("What changed"))
        self.tabs.addTab(self.features, self.tr("Features"))
        self.tabs.addTab(self.ports, self.tr("Ports"))
        self.tabs.addTab(self.network, self.tr("Network"))
        back = QPushButton(self.tr("&Back"))
        back.clicked.connect(self.back)
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self.back)
        row = QHBoxLayout()
        row.addWidget(back)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.addWidget(self.sentence)
        column.addWidget(self.cautions)
        column.addWidget(self.tabs, 1)
        column.addLayout(row)

    def show_reports(self, old: Report, new: Report) -> Comparison:
        """The older one first, whichever was chosen first."""
        from netcheck.report.compare import compare, summary  # loaded here: a start needs neither

        if old.started_at > new.started_at:
            old, new = new, old
        found = compare(old, new)
        self.sentence.setText(summary(found))
        self.cautions.setText("\n".join(map(one_line, found.cautions)))
        self.cautions.setVisible(bool(found.cautions))
        self.features.table.show(found.features)
        self.ports.table.show(found.ports)
        self.network.table.show(found.network)
        for view in (self.features, self.ports, self.network):
            view.fit()
        return found


def _tr(text: str) -> str:
    return QCoreApplication.translate("Comparison", text)


def _features() -> Table[FeatureChange]:
    return Table(
        (
            Column(_tr("Change"), lambda c: said(c.trend)),
            Column(_tr("Feature"), lambda c: _either(c).title),
            Column(_tr("Before"), lambda c: _verdict(c.old)),
            Column(_tr("After"), lambda c: _verdict(c.new)),
            Column(_tr("In words"), lambda c: c.new.summary if c.new else ""),
        ),
        verdict=lambda c: c.trend,
    )


def _either(change: FeatureChange) -> Feature:
    found = change.new or change.old
    assert found is not None
    return found


def _verdict(feature: Feature | None) -> str:
    if feature is None:
        return _tr("not there")
    known = said(feature.verdict)
    return f"{known} ({feature.capacity})" if feature.capacity else known


def _ports() -> Table[PortChange]:
    return Table(
        (
            Column(_tr("Change"), lambda c: said(c.trend)),
            Column(_tr("Direction"), lambda c: kind(_port(c))),
            Column(
                _tr("Port"),
                lambda c: f"{_port(c).port}{other_end(_port(c))}",
                lambda c: _port(c).port,
                number=True,
            ),
            Column(_tr("Before"), lambda c: c.old.state if c.old else _tr("not there")),
            Column(_tr("After"), lambda c: c.new.state if c.new else _tr("not there")),
        ),
        verdict=lambda c: c.trend,
    )


def _port(change: PortChange) -> Port:
    found = change.new or change.old
    assert found is not None
    return found


def _network() -> Table[NetworkChange]:
    return Table(
        (
            Column(_tr("Change"), lambda c: said(c.trend)),
            Column(_tr("What"), lambda c: c.what),
            Column(_tr("Before"), lambda c: c.old),
            Column(_tr("After"), lambda c: c.new),
        ),
        verdict=lambda c: c.trend,
    )
