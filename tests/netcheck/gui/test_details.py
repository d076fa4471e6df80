"""Details: what stands in which tab, and that what was chosen there stays so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from netcheck.gui.models import of_report
from netcheck.gui.window import Window
from netcheck.report.model import Report
from tests.netcheck.report import samples

ROWS: dict[str, Callable[[Report], list[Any]]] = {
    "Ports": lambda report: report.ports,
    "Network": of_report.facts_of,
    "Addresses in messages": lambda report: of_report.editors_of(report.editors),
    "Calls": lambda report: report.calls,
    "Voice and video": lambda report: report.media,
    "Findings": of_report.findings_of,
    "Timeline": lambda report: sorted(report.observations, key=lambda each: each.at_s),
}


@pytest.fixture
def shown(window: Window) -> Window:
    window.show_report(samples.everything())
    window.go(window.details)
    return window


def test_every_tab_has_its_own_rows(shown: Window) -> None:
    tabs = shown.details.tabs
    assert [tabs.tabText(number) for number in range(tabs.count())] == list(ROWS)
    details = shown.details
    views = (
        *(details.ports, details.facts, details.editors, details.calls),
        *(details.media, details.findings, details.timeline),
    )
    for number, (view, rows) in enumerate(zip(views, ROWS.values(), strict=True)):
        expected = rows(samples.everything())
        assert expected
        tabs.setCurrentIndex(number)
        assert view.isVisible()
        assert [view.table.row(n) for n in range(view.table.size)] == expected


def test_a_tab_is_filled_when_it_is_looked_at(shown: Window) -> None:
    details = shown.details
    assert details.ports.table.size
    assert not details.timeline.table.size
    details.tabs.setCurrentIndex(details.tabs.count() - 1)
    assert details.timeline.table.size
    shown.show_report(samples.all_good())
    shown.go(details)
    assert details.timeline.table.size == len(samples.all_good().observations)


def test_a_row_leads_to_its_observations(shown: Window) -> None:
    details = shown.details
    number, port = next(
        (n, details.ports.table.row(n))
        for n in range(details.ports.table.rowCount())
        if details.ports.table.row(n).observation
    )
    details.ports.view.activated.emit(details.ports.table.index(number, 0))
    assert details.timeline.isVisible()
    assert [row.id for row in details.timeline.chosen()] == [port.observation]


def test_what_was_chosen_stays_so_when_rows_are_sorted_and_filtered(
    qtbot: QtBot, shown: Window
) -> None:
    ports = shown.details.ports
    wanted = ports.table.row(ports.table.rowCount() - 1)
    ports.select(lambda row: row is wanted)
    for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
        ports.view.sortByColumn(2, order)
        assert ports.chosen() == [wanted]
    qtbot.keyClicks(ports.filter, str(wanted.port))
    assert ports.table.rowCount() < ports.table.size
    assert ports.chosen() == [wanted]
