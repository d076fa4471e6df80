"""Two checks side by side: what got better, what got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QWidget

from netcheck.gui import keys
from netcheck.gui.models.table import Column, Table, one_line
from netcheck.gui.scrolled import scrolled
from netcheck.gui.tableview import View
from netcheck.gui.words import copyable, heading, quiet, said, translate
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
        self.sentence = copyable(heading(""))
        self.which = copyable(quiet(""))
        self.cautions = copyable(quiet(""))
        self.features = View(_features(), self.tr("What changed in features"))
        self.ports = View(_ports(), self.tr("What changed in ports"))
        self.network = View(_network(), self.tr("What changed in the network"))
        self.findings = View(_findings(), self.tr("What changed in findings"))
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("What changed"))
        self._titles = {
            self.features: self.tr("Features (%1)"),
            self.ports: self.tr("Ports (%1)"),
            self.network: self.tr("Network (%1)"),
            self.findings: self.tr("Findings (%1)"),
        }
        for view, title in self._titles.items():
            self.tabs.addTab(view, title.replace("%1", "0"))
        back = QPushButton(self.tr("&Back"))
        back.clicked.connect(self.back)
        keys.within(self, Qt.Key.Key_Escape, self.back.emit)
        row = QHBoxLayout()
        row.addWidget(back)
        row.addStretch()
        column = scrolled(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.addWidget(self.sentence)
        column.addWidget(self.which)
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
        self.which.setText(
            self.tr("Before: %1. After: %2.").replace("%1", _named(old)).replace("%2", _named(new))
        )
        self.cautions.setText("\n".join(map(one_line, found.cautions)))
        self.cautions.setVisible(bool(found.cautions))
        self.features.table.show(found.features)
        self.ports.table.show(found.ports)
        self.network.table.show(found.network)
        gone = [Finding(trend="better", title=each.title) for each in found.findings_gone]
        come = [Finding(trend="worse", title=each.title) for each in found.findings_new]
        self.findings.table.show([*come, *gone])
        for number, (view, title) in enumerate(self._titles.items()):
            view.fit()
            self.tabs.setTabText(number, title.replace("%1", str(view.table.size)))
        return found


class Finding(msgspec.Struct, frozen=True):
    """What was found in one of the two checks alone."""

    trend: Literal["better", "worse"]
    title: str


def _named(report: Report) -> str:
    """When a check was made, and where."""
    moment = one_line(report.started_at[:16].replace("T", " "), 20)
    where = (
        translate("Comparison", "this computer")
        if report.server.embedded
        else one_line(report.server.host, 80)
    )
    return f"{moment} UTC ({where})" if where else f"{moment} UTC"


def _features() -> Table[FeatureChange]:
    return Table(
        (
            Column(translate("Comparison", "Change"), lambda c: said(c.trend)),
            Column(translate("Comparison", "Feature"), lambda c: _either(c).title),
            Column(translate("Comparison", "Before"), lambda c: _verdict(c.old)),
            Column(translate("Comparison", "After"), lambda c: _verdict(c.new)),
            Column(translate("Comparison", "In words"), lambda c: c.new.summary if c.new else ""),
        ),
        verdict=lambda c: c.trend,
    )


def _either(change: FeatureChange) -> Feature:
    found = change.new or change.old
    assert found is not None
    return found


def _verdict(feature: Feature | None) -> str:
    if feature is None:
        return translate("Comparison", "not there")
    known = said(feature.verdict)
    return f"{known} ({feature.capacity})" if feature.capacity else known


def _ports() -> Table[PortChange]:
    return Table(
        (
            Column(translate("Comparison", "Change"), lambda c: said(c.trend)),
            Column(translate("Comparison", "Direction"), lambda c: kind(_port(c))),
            Column(
                translate("Comparison", "Port"),
                lambda c: f"{_port(c).port}{other_end(_port(c))}",
                lambda c: _port(c).port,
                number=True,
            ),
            Column(
                translate("Comparison", "Before"),
                lambda c: said(c.old.state) if c.old else translate("Comparison", "not there"),
            ),
            Column(
                translate("Comparison", "After"),
                lambda c: said(c.new.state) if c.new else translate("Comparison", "not there"),
            ),
        ),
        verdict=lambda c: c.trend,
    )


def _port(change: PortChange) -> Port:
    found = change.new or change.old
    assert found is not None
    return found


def _findings() -> Table[Finding]:
    return Table(
        (
            Column(translate("Comparison", "Change"), lambda f: said(f.trend)),
            Column(
                translate("Comparison", "Now"),
                lambda f: (
                    translate("Comparison", "no longer found")
                    if f.trend == "better"
                    else translate("Comparison", "newly found")
                ),
            ),
            Column(translate("Comparison", "What"), lambda f: f.title),
        ),
        verdict=lambda f: f.trend,
    )


def _network() -> Table[NetworkChange]:
    return Table(
        (
            Column(translate("Comparison", "Change"), lambda c: said(c.trend)),
            Column(translate("Comparison", "What"), lambda c: c.what),
            Column(translate("Comparison", "Before"), lambda c: c.old),
            Column(translate("Comparison", "After"), lambda c: c.new),
        ),
        verdict=lambda c: c.trend,
    )
