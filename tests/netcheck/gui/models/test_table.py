"""Tables without any widget: order, words, evidence, and what the network said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from netcheck.gui.models import of_report
from netcheck.gui.models.table import (
    COPY_ROLE,
    EVIDENCE_ROLE,
    SHOWN_MAX,
    Column,
    Table,
    as_text,
    one_line,
)
from netcheck.report.model import Report
from tests.netcheck.report import samples

pytestmark = pytest.mark.usefixtures("qapp")

DOWN = Qt.SortOrder.DescendingOrder

TABLES: dict[str, tuple[Callable[[], Table[Any]], Callable[[Report], list[Any]]]] = {
    "ports": (of_report.ports, lambda report: report.ports),
    "facts": (of_report.facts, of_report.facts_of),
    "editors": (of_report.editors, lambda report: of_report.editors_of(report.editors)),
    "calls": (of_report.calls, lambda report: report.calls),
    "media": (of_report.media, lambda report: report.media),
    "findings": (of_report.findings, of_report.findings_of),
    "observations": (of_report.observations, lambda report: report.observations),
}


class Pair(msgspec.Struct, frozen=True):
    name: str
    size: float | None


def pairs(*rows: tuple[str, float | None]) -> Table[Pair]:
    table = Table[Pair](
        (
            Column("Name", lambda p: p.name),
            Column("Size", lambda p: str(p.size), lambda p: p.size, number=True),
        ),
        evidence=lambda p: (p.name,),
    )
    table.show([Pair(*row) for row in rows])
    return table


def names(table: Table[Pair]) -> str:
    return "".join(table.row(n).name for n in range(table.rowCount()))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("report", [samples.everything(), samples.hostile()], ids=["all", "evil"])
def test_a_model_keeps_the_rules_of_qt(
    qtmodeltester: ModelTester, name: str, report: Report
) -> None:
    make, rows = TABLES[name]
    table = make()
    table.show(rows(report))
    qtmodeltester.check(table)
    assert table.rowCount() == len(rows(report)) > 0
    table.sort(0, DOWN)
    table.look_for("a")
    qtmodeltester.check(table)
    table.show([])
    qtmodeltester.check(table)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_sorts_and_unsorts(name: str) -> None:
    make, rows = TABLES[name]
    table, wanted = make(), rows(samples.everything())
    table.show(wanted)
    for column in range(table.columnCount()):
        table.sort(column)
        shown = [table.row(n) for n in range(table.rowCount())]
        assert sorted(map(repr, shown)) == sorted(map(repr, wanted))
    table.sort(-1)
    assert [table.row(n) for n in range(table.rowCount())] == wanted


@pytest.mark.parametrize("name", ["ports", "media", "observations"])
def test_a_row_leads_to_its_observations(name: str) -> None:
    make, rows = TABLES[name]
    report = samples.everything()
    table = make()
    table.show(rows(report))
    known = {each.id for each in report.observations}
    led = {e for n in range(table.rowCount()) for e in table.index(n, 0).data(EVIDENCE_ROLE)}
    assert led
    assert led <= known


def test_numbers_are_sorted_as_numbers_and_unknown_ones_come_last() -> None:
    table = pairs(("a", 10), ("b", None), ("c", 9), ("d", 100))
    table.sort(1)
    assert names(table) == "cadb"
    table.sort(1, DOWN)
    assert names(table) == "bdac"


def test_words_are_looked_for_in_any_column_and_in_any_order() -> None:
    table = pairs(("alpha", 1), ("beta", 2), ("alphabet", 2))
    table.look_for("2 ALPHA")
    assert [table.row(n).name for n in range(table.rowCount())] == ["alphabet"]
    table.look_for("")
    assert table.rowCount() == 3


def test_new_rows_keep_the_order_and_the_words() -> None:
    table = pairs(("a", 1))
    table.sort(1, DOWN)
    table.look_for("x")
    table.show([Pair("xa", 1), Pair("b", 9), Pair("xc", 3)])
    assert names(table) == "xcxa"


def test_many_rows_are_arranged_in_slices(qtbot: QtBot) -> None:
    """None of which takes long, however long all of them do."""
    table = pairs()
    table.show([Pair(f"{n % 977:03}", n) for n in range(50_000)])
    with qtbot.waitSignal(table.arranged, timeout=30_000):
        table.sort(0)
        assert table.row(0).size == 0
        assert table.row(1).size == 1  # not yet
    assert [table.row(n).name for n in range(3)] == ["000", "000", "000"]


def test_what_is_asked_last_counts(qtbot: QtBot) -> None:
    table = pairs()
    table.show([Pair(str(n), n) for n in range(50_000)])
    table.look_for("7")
    with qtbot.waitSignal(table.arranged, timeout=30_000):
        table.look_for("4999")
    assert {table.row(n).name for n in range(table.rowCount())} == {
        str(n) for n in range(50_000) if "4999" in str(n)
    }


def test_rows_are_copied_as_a_spreadsheet_takes_them() -> None:
    table = pairs(("=cmd()", 1), ("two\nlines\tand a tab", 2))
    assert as_text(table, [0, 1]) == "Name\tSize\n'=cmd()\t1\ntwo lines and a tab\t2\n"


def test_a_long_text_is_cut_where_it_is_shown_and_whole_where_it_is_copied() -> None:
    table = pairs(("x" * 1000, 1))
    assert table.index(0, 0).data() == "x" * SHOWN_MAX + "…"
    assert table.index(0, 0).data(COPY_ROLE) == "x" * 1000


def test_a_tip_is_never_markup() -> None:
    table = pairs(("<img src=x><b>", 1))
    tip = table.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == "<span>&lt;img src=x&gt;&lt;b&gt;</span>"


def test_a_text_of_the_network_stays_one_line_and_turns_nothing_round() -> None:
    assert one_line("a\nb\u202ec\x1b[31m\x00") == "a b�c�[31m�"
    assert one_line("x" * 10, 3) == "xxx…"


def test_qt_takes_no_reference_too_many() -> None:
    """PySide6 6.12.0 does on Python 3.11: after some thousand cells the program ends."""
    table = pairs(("a", 1))
    index, role = table.index(0, 0), int(Qt.ItemDataRole.BackgroundRole)
    before = sys.getrefcount(None)
    for _ in range(1000):
        index.data(role)
    assert sys.getrefcount(None) > before - 500
