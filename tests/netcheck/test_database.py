"""The file of past checks outlives damage, other programs and odd places, in one sentence each."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from netcheck import database
from netcheck.database import Database
from netcheck.history import History, HistoryError
from netcheck.report.model import Report

from .report.samples import all_good, everything

CHECKS = 12


def named(name: str, report: Report | None = None) -> Report:
    return msgspec.structs.replace(report or all_good(), id=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database of some checks."""
    history = History(tmp_path_factory.mktemp("whole"))
    for number in range(CHECKS):
        history.add(named(f"check-{number}", everything()))
    return history.path.read_bytes()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def sentence(use: Callable[[], object]) -> str:
    with pytest.raises(HistoryError) as caught:
        use()
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def aside(history: History) -> list[Path]:
    return sorted(history.path.parent.glob("history-damaged-*.sqlite"))


def test_what_is_deleted_is_deleted_whether_or_not_its_room_can_be_given_back(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program begins to write in between."""
    history.add(named("one"))
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    give_back = Database.give_back

    def beside_another(data: Database) -> None:
        other = sqlite3.connect(data.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        give_back(data)
        other.close()

    monkeypatch.setattr(Database, "give_back", beside_another)
    assert history.delete(["one"]) == 1
    assert not history.entries()


def _bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 100)):
        data[chance.randrange(len(data))] = chance.randrange(256)


def _page(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) // 4096) * 4096
    data[at : at + 4096] = chance.randbytes(4096)


def _schema(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 30)):
        data[chance.randrange(100, 4096)] = chance.randrange(256)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


@pytest.mark.parametrize("damage", [_bytes, _page, _schema, _cut])
@pytest.mark.parametrize("seed", range(8))
def test_any_damage_ends_in_a_value_or_a_sentence(
    history: History, whole: bytes, damage: Callable[[bytearray, random.Random], None], seed: int
) -> None:
    data = bytearray(whole)
    damage(data, random.Random(seed))
    history.path.write_bytes(data)
    for entry in history.entries():
        with suppress(HistoryError):
            history.report(entry.id)
    history.add(named("new"))
    assert history.report("new")
    assert "new" in {entry.id for entry in history.entries()}
    for file in aside(history):
        assert file.stat().st_mode & 0o077 == 0


def test_what_can_be_read_is_taken_over(history: History, whole: bytes) -> None:
    data = bytearray(whole)
    data[-4096:] = b"\xa5" * 4096  # one page, with the beginning of two reports
    history.path.write_bytes(data)
    with sqlite3.connect(history.path) as db:
        db.execute("UPDATE checks SET server = CAST(x'ff41' AS TEXT) WHERE id = 'check-3'")
    db.close()
    entries = history.entries()
    assert len(entries) >= CHECKS - 2
    assert {entry.server for entry in entries if entry.id == "check-3"} == {"\ufffdA"}
    assert len(history.report("check-3").observations) == len(everything().observations)
    assert f"with the {len(entries)} checks that could be read" in history.notice
    assert len(aside(history)) == 1


def test_a_table_that_is_gone_costs_no_other(history: History) -> None:
    history.add(named("a"))
    with sqlite3.connect(history.path) as db:
        db.execute("DROP TABLE running")
    db.close()
    assert [entry.id for entry in history.entries()] == ["a"]
    assert "with the 1 check that could be read" in history.notice


@pytest.mark.parametrize(
    "cell", ["complete = 'x'", "started_at = x'00'", "overall = 7", "id = NULL"]
)
def test_a_cell_of_the_wrong_kind_is_damage(history: History, cell: str) -> None:
    history.add(named("a"))
    history.add(named("b"))
    with sqlite3.connect(history.path) as db:
        db.execute(f"UPDATE checks SET {cell} WHERE id = 'a'")
    db.close()
    assert "b" in {entry.id for entry in history.entries()}


@pytest.mark.parametrize("process", ["'x'", "-1", str(2**62)])
def test_a_process_that_cannot_be_is_not_running(history: History, process: str) -> None:
    history.begin("a", "2026-03-01T00:00:00Z", b"{}")
    with sqlite3.connect(history.path) as db:
        db.execute(f"UPDATE running SET process = {process}")
    db.close()
    assert "running" not in {entry.state for entry in history.entries()}


@pytest.mark.parametrize("version", [0, 1, 9])
def test_the_database_of_another_program_is_left_as_it_is(history: History, version: int) -> None:
    with sqlite3.connect(history.path) as db:
        db.execute("CREATE TABLE urls (url TEXT)")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    history.path.chmod(0o644)
    before = history.path.read_bytes()
    for use in (history.entries, history.delete, lambda: history.add(all_good())):
        assert "another program's database; move it away" in sentence(use)
    assert history.path.read_bytes() == before
    assert history.path.stat().st_mode & 0o777 == 0o644
    assert aside(history) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop"])
def test_something_else_in_its_place_is_a_sentence(history: History, kind: str) -> None:
    assert sys.platform != "win32"
    if kind == "folder":
        history.path.mkdir()
    elif kind == "pipe":
        if sys.platform != "win32":
            os.mkfifo(history.path)
    else:
        history.path.symlink_to("/dev/zero" if kind == "device" else history.path)
    for use in (history.entries, lambda: history.add(all_good())):
        assert "NETCHECK_DATA_DIR" in sentence(use)


@pytest.mark.skipif(sys.platform == "win32", reason="it speaks of file modes")
def test_a_file_that_others_could_read_is_closed_to_them(history: History) -> None:
    history.add(all_good())
    history.path.chmod(0o644)
    history.entries()
    assert history.path.stat().st_mode & 0o077 == 0


def test_what_is_deleted_is_no_longer_in_the_file(history: History) -> None:
    server = msgspec.structs.replace(all_good().server, host="looking-glass.example")
    noise = random.Random(1).randbytes(1_000_000).hex()
    history.add(msgspec.structs.replace(all_good(), id="secret", server=server, note=noise))
    history.add(named("stays"))
    size = history.path.stat().st_size
    assert b"looking-glass" in history.path.read_bytes()
    assert history.delete(["secret", "never"]) == 1
    left = b"".join(file.read_bytes() for file in history.path.parent.iterdir())
    assert b"looking-glass" not in left
    assert history.path.stat().st_size < size / 4
    assert [entry.id for entry in history.entries()] == ["stays"]


def test_a_small_report_that_is_deleted_is_overwritten(history: History) -> None:
    server = msgspec.structs.replace(all_good().server, host="looking-glass.example")
    history.add(msgspec.structs.replace(all_good(), id="secret", server=server))
    history.add(named("stays"))
    history.delete(["secret"])
    assert b"looking-glass" not in history.path.read_bytes()


def test_a_clock_that_was_wrong_does_not_cost_what_came_later(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netcheck.history.MOST_CHECKS", 3)
    for number, year in enumerate((2038, 2038, 2038, 2026, 2026, 2026)):
        report = named(str(number))
        at = f"{year}-01-01T00:00:00Z"
        history.add(msgspec.structs.replace(report, started_at=at))
    assert {entry.id for entry in history.entries()} == {"3", "4", "5"}
