"""Nothing that was kept is ever lost: not by a kill, not by another program, not by damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from netcheck import history as module
from netcheck import profile, unfinished
from netcheck.history import History, HistoryError, network_of
from netcheck.report import json as json_format
from netcheck.report.model import Report
from netcheck.unfinished import Keeper, begun_now
from probes.observation import AnyObservation, Call, Control, LocalFacts, NameLookup

from .report.samples import HOSTILE_TEXTS, all_good, behind_nat, everything, hostile


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def numbered(number: int, report: Report | None = None) -> Report:
    at = f"2026-03-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00Z"
    return msgspec.structs.replace(report or all_good(), id=f"{number:016x}", started_at=at)


def test_what_was_kept_is_there_again(history: History, tmp_path: Path) -> None:
    for number, report in enumerate((all_good(), behind_nat(), everything(), hostile())):
        kept = msgspec.structs.replace(report, id=f"id{number}")
        history.add(kept)
        assert json_format.render(History(tmp_path).report(f"id{number}")) == (
            json_format.render(kept)
        )
    assert {entry.state for entry in history.entries()} == {"finished"}


def test_the_list_is_the_newest_first_and_says_what_matters(history: History) -> None:
    for number in (2, 1, 3):
        history.add(numbered(number, behind_nat()))
    entries = history.entries()
    assert [int(entry.id, 16) for entry in entries] == [3, 2, 1]
    assert entries[0].network == "192.168.1.1, seen as 198.51.100.7"
    assert (entries[0].server, entries[0].overall) == ("echo.example.net", "fails")


def test_the_latest_check_was_kept_last_whatever_the_clock_said(history: History) -> None:
    history.add(numbered(9))
    history.add(numbered(1))
    assert int(history.find("latest").id, 16) == 1
    Keeper(history, begun_now(profile.built_in()))._end()
    assert history.find("latest").state == "running"


def test_a_cancelled_check_says_so(history: History) -> None:
    history.add(msgspec.structs.replace(all_good(), complete=False))
    assert history.entries()[0].state == "cancelled"


def test_the_first_report_with_an_id_stays(history: History) -> None:
    history.add(all_good())
    history.add(msgspec.structs.replace(behind_nat(), id=all_good().id))
    assert history.report(all_good().id) == all_good()


def test_finding_by_the_beginning_of_the_id(history: History) -> None:
    for name in ("abc1", "abd2", "abd"):
        history.add(msgspec.structs.replace(all_good(), id=name))
    assert history.find("abc").id == "abc1"
    assert history.find("abd").id == "abd"
    for name in ("ab", "x", "", "%", "a' OR 1=1 --"):
        with pytest.raises(HistoryError):
            history.find(name)


def test_deleting(history: History) -> None:
    for number in range(4):
        history.add(numbered(number))
    assert history.delete([f"{1:016x}"]) == 1
    assert [int(entry.id, 16) for entry in history.entries()] == [3, 2, 0]
    assert history.delete() == 3
    assert history.entries() == []
    with pytest.raises(HistoryError, match="There is no check"):
        history.report(f"{1:016x}")


def test_no_more_are_kept_than_the_bound(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHECKS", 3)
    for number in range(6):
        history.add(numbered(number))
    assert [int(entry.id, 16) for entry in history.entries()] == [5, 4, 3]
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    history.add(numbered(0))
    assert [int(entry.id, 16) for entry in history.entries()] == [0]  # what was just kept stays


def test_only_its_owner_may_read_it(history: History) -> None:
    history.add(all_good())
    assert history.path.stat().st_mode & 0o077 == 0


def test_a_user_without_a_home_folder_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    def unknown(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("NETCHECK_DATA_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_data_path", unknown)
    with pytest.raises(HistoryError, match=r"no-home-folder.*NETCHECK_DATA_DIR"):
        History().entries()


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path / "a" / "b"))
    History().add(all_good())
    assert (tmp_path / "a" / "b" / "history.sqlite").is_file()


# ---- damage ----


@pytest.mark.parametrize(
    "damage", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_database_is_set_aside_and_never_deleted(history: History, damage: bytes) -> None:
    history.path.write_bytes(damage)
    history.add(all_good())
    assert [entry.id for entry in history.entries()] == [all_good().id]
    aside = next(history.path.parent.glob("history-damaged-*.sqlite"))
    assert aside.read_bytes() == damage
    assert str(aside) in history.notice
    assert history.notice.endswith(".")


def test_damage_in_the_middle_is_noticed_too(history: History) -> None:
    for number in range(40):
        history.add(numbered(number, everything()))
    data = bytearray(history.path.read_bytes())
    data[4096 : len(data)] = b"\xa5" * (len(data) - 4096)
    history.path.write_bytes(data)
    history.entries()
    assert bytes(data) == next(history.path.parent.glob("history-damaged-*")).read_bytes()


def test_a_newer_database_is_left_alone(history: History) -> None:
    history.add(all_good())
    with sqlite3.connect(history.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = history.path.read_bytes()
    for use in (history.entries, lambda: history.add(behind_nat()), history.delete):
        with pytest.raises(HistoryError, match="written by a newer netcheck: update netcheck"):
            use()
    assert history.path.read_bytes() == before
    assert [file.name for file in history.path.parent.glob("*damaged*")] == []


def test_an_older_database_is_brought_up_to_date(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.add(all_good())
    later = (
        *module._MIGRATIONS,
        "ALTER TABLE checks ADD COLUMN place TEXT; CREATE TABLE later (a)",
    )
    monkeypatch.setattr(module, "_MIGRATIONS", later)
    newer = History(history.path.parent)
    assert [entry.id for entry in newer.entries()] == [all_good().id]
    with sqlite3.connect(history.path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("SELECT place FROM checks").fetchall() == [(None,)]
    db.close()


def test_one_damaged_report_does_not_spoil_the_others(history: History) -> None:
    history.add(numbered(1))
    history.add(numbered(2))
    with sqlite3.connect(history.path) as db:
        db.execute("UPDATE checks SET report = x'789c00' WHERE id = ?", (f"{1:016x}",))
    db.close()
    assert history.report(f"{2:016x}")
    with pytest.raises(HistoryError, match="is damaged"):
        history.report(f"{1:016x}")
    assert len(history.entries()) == 2


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="cannot be opened"):
        History(tmp_path / "file").entries()


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_any_text_can_be_kept(history: History, text: str) -> None:
    server = msgspec.structs.replace(all_good().server, host=text)
    history.add(msgspec.structs.replace(all_good(), server=server, id=text or "x"))
    assert len(history.entries()) == 1


def test_what_a_network_is_called() -> None:
    assert network_of(["192.168.1.1", "10.0.0.1"], ["203.0.113.2"]) == (
        "192.168.1.1, seen as 203.0.113.2"
    )
    assert network_of([], []) == "unknown"


# ---- checks that are under way ----


def test_a_check_that_ends_takes_the_place_of_its_observations(history: History) -> None:
    keeper = Keeper(history, begun_now(profile.built_in()))
    for observation in behind_nat().observations:
        keeper.observe(observation)
    keeper.finish(behind_nat())
    assert [(entry.id, entry.state) for entry in history.entries()] == [
        (behind_nat().id, "finished")
    ]
    with sqlite3.connect(history.path) as db:
        assert db.execute("SELECT count(*) FROM observed").fetchone() == (0,)
    db.close()


def cancelled(*seen: AnyObservation) -> Report:
    return msgspec.structs.replace(all_good(), complete=False, observations=list(seen))


_END = Control(
    id="control", at_s=0, took_s=0, host="echo.example.net", attempts=(), connected=False
)
_NAME = NameLookup(id="dns-1", at_s=0, took_s=0, name="echo.example.net", outcome="resolved")


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        ([], False),
        ([_END, _NAME], False),
        ([Call(id="call-1", at_s=0, took_s=0, direction="inbound", untested="?")], False),
        ([msgspec.structs.replace(_NAME, outcome="no-such-name")], True),
        ([msgspec.structs.replace(_END, connected=True)], True),
        ([Call(id="call-1", at_s=0, took_s=0, direction="inbound")], True),
    ],
)
def test_a_check_cancelled_before_it_found_anything_is_not_kept(
    history: History, seen: list[AnyObservation], kept: bool
) -> None:
    local = [each for each in all_good().observations if isinstance(each, LocalFacts)]
    keeper = Keeper(history, begun_now(profile.built_in()))
    for each in local:
        keeper.observe(each)
    assert keeper.finish(cancelled(*local, *seen)) is kept
    assert [entry.state for entry in history.entries()] == ["cancelled"] * kept


def test_a_check_that_ended_is_kept_whatever_it_found(history: History) -> None:
    report = msgspec.structs.replace(all_good(), observations=[])
    assert Keeper(history, begun_now(profile.built_in())).finish(report)
    assert [entry.state for entry in history.entries()] == ["finished"]


def test_a_check_that_could_not_be_made_leaves_nothing(history: History) -> None:
    Keeper(history, begun_now(profile.built_in())).discard()
    assert history.entries() == []


def test_a_running_check_is_listed_and_not_deleted(history: History) -> None:
    keeper = Keeper(history, begun_now(profile.built_in()))
    keeper.observe(all_good().observations[0])
    keeper._end()
    assert [entry.state for entry in history.entries()] == ["running"]
    with pytest.raises(HistoryError, match="still running"):
        history.delete([keeper.id])
    assert history.delete() == 0


def test_unfinished_checks_are_kept_up_to_a_bound(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_UNFINISHED", 2)
    monkeypatch.setattr(module, "_born", lambda process: 0.0)  # so long ago that none of it lives
    for name in ("first", "second", "third"):
        history.begin(name, "2026-05-01T10:00:00Z", b"{}")
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_UNFINISHED", 2)
    history.begin("runs", "2026-05-01T10:00:00Z", b"{}")
    states = {entry.id: entry.state for entry in history.entries()}
    assert states == {"second": "unfinished", "third": "unfinished", "runs": "running"}


def test_what_goes_wrong_with_the_history_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keeper = Keeper(History(tmp_path / "file"), begun_now(()))
    keeper.observe(all_good().observations[0])
    with pytest.raises(HistoryError):
        keeper.finish(all_good())


def test_a_full_disk_that_has_room_again_loses_nothing(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [True]
    begin = history.begin

    def beginning(check: str, started_at: str, begun: bytes) -> None:
        if full.pop() if full else False:
            raise HistoryError("The disk is full.")
        begin(check, started_at, begun)

    monkeypatch.setattr(history, "begin", beginning)
    keeper = Keeper(history, begun_now(profile.built_in()))
    for observation in behind_nat().observations:
        keeper.observe(observation)
    keeper._end()
    assert not full
    assert history.report(keeper.id).observations == behind_nat().observations


def test_part_of_an_unfinished_check_that_is_damaged_costs_no_other(history: History) -> None:
    one, other = behind_nat().observations[:2]
    keeper = Keeper(history, begun_now(profile.built_in()))
    keeper.observe(one)
    keeper._end()
    history.observed(keeper.id, msgspec.json.encode([other]), "", "")
    with sqlite3.connect(history.path) as db:
        db.execute("UPDATE observed SET observations = x'789c00' WHERE number = 0")
    db.close()
    assert history.report(keeper.id).observations == [other]


_OBSERVING = """
import sys, time
from pathlib import Path
from netcheck import profile, unfinished
from netcheck.history import History
from tests.netcheck.report.samples import behind_nat
unfinished.EVERY_S = 0.01
keeper = unfinished.Keeper(History(Path(sys.argv[1])), unfinished.begun_now(profile.built_in()))
keeper_write = keeper._history.observed
def observed(*args):
    keeper_write(*args)
    print("written", flush=True)
keeper._history.observed = observed
for observation in behind_nat().observations:
    keeper.observe(observation)
    time.sleep(0.02)
print("all", flush=True)
sys.stdin.read()
"""

_ADDING = """
import sys
from pathlib import Path
from netcheck.history import History
from tests.netcheck.report.samples import everything
import msgspec
history = History(Path(sys.argv[1]))
for number in range(100000):
    name = f"{sys.argv[2]}-{number}"
    history.add(msgspec.structs.replace(everything(), id=name))
    print(name, flush=True)
"""


def start(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def killed(process: subprocess.Popen[str]) -> list[str]:
    """End it as nothing else does; what it said before."""
    process.kill()
    said, _ = process.communicate()
    return said.splitlines()


def lines(process: subprocess.Popen[str], count: int) -> Iterator[str]:
    assert process.stdout is not None
    for _ in range(count):
        yield process.stdout.readline().strip()


@pytest.mark.skipif(sys.platform == "win32", reason="it speaks of SIGKILL")
def test_a_check_whose_program_was_killed_is_there_as_unfinished(
    history: History, tmp_path: Path
) -> None:
    process = start(_OBSERVING, tmp_path)
    written = list(lines(process, 3))
    assert "written" in written
    assert [entry.state for entry in history.entries()] == ["running"]
    killed(process)
    assert process.returncode == -9  # SIGKILL, which Windows has no name for
    (entry,) = history.entries()
    assert entry.state == "unfinished"
    report = history.report(entry.id)
    known = {o.id for o in behind_nat().observations}
    assert report.observations
    assert {o.id for o in report.observations} <= known
    assert not report.complete
    assert report.note == unfinished.NOTE
    assert {feature.profile for feature in report.features} == {"msn-messenger", "netmeeting"}
    assert history.find("latest") == entry
    assert history.delete([entry.id]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="it speaks of SIGKILL")
def test_two_programs_write_and_are_killed_again_and_again(
    history: History, tmp_path: Path
) -> None:
    kept: set[str] = set()
    for turn in range(4):
        two = [start(_ADDING, tmp_path, f"{turn}{name}") for name in "ab"]
        for count, process in enumerate(two, 1):
            kept.update(lines(process, turn * 3 + count))
        history.entries()
        history.add(numbered(turn))
        for process in two:
            kept.update(line for line in killed(process) if line)
        found = {entry.id for entry in history.entries()}
        assert kept <= found  # whatever was said to be kept
        for name in sorted(kept)[:: max(1, len(kept) // 5)]:
            assert len(history.report(name).observations) == len(everything().observations)
    with sqlite3.connect(history.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    assert history.notice == ""


def test_observations_of_any_kind_can_be_kept_and_read(history: History) -> None:
    keeper = Keeper(history, begun_now(profile.built_in(), embedded=True))
    every: list[AnyObservation] = everything().observations
    for observation in every:
        keeper.observe(observation)
    keeper._end()
    report = history.report(keeper.id)
    assert report.observations == every
    assert report.server.embedded
    assert history.entries()[0].network == "192.168.1.1, seen as 198.51.100.7"
