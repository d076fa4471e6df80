"""Past checks, and those that were not finished, in one SQLite file in the user's data folder.

Two programs may use it at the same time, and either may be killed at any moment (see
:mod:`netcheck.database`).  What a running check observes is written as it comes, so that a check
whose program was killed is there as an unfinished one.

The newest 1000 checks are kept, and of those as many as fit into 100 MB; those that were kept
first go first, whatever the clock said.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import msgspec

from netcheck.database import FOLDER_VARIABLE, DamageError, Database, HistoryError
from netcheck.report import json as json_format
from netcheck.report import read
from netcheck.report.model import Report, Verdict

__all__ = ["Entry", "History", "HistoryError", "folder", "network_of"]

FILE = "history.sqlite"

MOST_CHECKS = 1000
"""Three a day for a year; the list still opens at once."""

MOST_BYTES = 100_000_000
"""Of reports as they are stored: a usual one takes ten thousand."""

MOST_UNFINISHED = 50
"""Each says what a killed check had seen; nobody looks at more of them."""

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE checks (
        id TEXT PRIMARY KEY, started_at TEXT NOT NULL, network TEXT NOT NULL,
        server TEXT NOT NULL, overall TEXT NOT NULL, complete INTEGER NOT NULL,
        report BLOB NOT NULL
    );
    CREATE INDEX checks_by_time ON checks (started_at);
    CREATE TABLE running (
        id TEXT PRIMARY KEY, started_at TEXT NOT NULL, network TEXT NOT NULL,
        server TEXT NOT NULL, process INTEGER NOT NULL, process_began REAL NOT NULL,
        begun BLOB NOT NULL
    );
    CREATE TABLE observed (
        running TEXT NOT NULL REFERENCES running (id) ON DELETE CASCADE,
        number INTEGER NOT NULL, observations BLOB NOT NULL,
        PRIMARY KEY (running, number)
    );
    """,
)
"""Each brings a database from the version of its place in this tuple to the next."""

_TABLES = ("checks", "running", "observed")

State = Literal["finished", "cancelled", "unfinished", "running"]
_VERDICTS = get_args(Verdict)

_T = TypeVar("_T")


class _Finished(NamedTuple):
    id: str
    started_at: str
    network: str
    server: str
    overall: str
    complete: int


class _Running(NamedTuple):
    id: str
    started_at: str
    network: str
    server: str
    process: int
    process_began: float

    @property
    def lives(self) -> bool:
        return _lives(self.process, self.process_began)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list.  ``unfinished``: its program ended before the check did."""

    id: str
    started_at: str
    network: str
    server: str
    overall: str
    state: State


def folder() -> Path:
    """Where the history is kept."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    import platformdirs

    try:
        return platformdirs.user_data_path("netcheck", appauthor=False)
    except RuntimeError:  # a user whom the system does not know, as in many containers
        return Path(os.devnull, "no-home-folder")  # where nothing can be kept, which is then said


def network_of(gateways: Sequence[str], public: Sequence[str]) -> str:
    """The network a check was made in, by the addresses that tell it from others."""
    parts = [*gateways[:1], *(f"seen as {address}" for address in public[:1])]
    return ", ".join(parts) or "unknown"


class History:
    """The history in a folder.  Each call opens the file and closes it: any thread may call.

    ``notice`` is a sentence for the user if the database was damaged and had to be set aside.
    Every method raises HistoryError.
    """

    def __init__(self, where: Path | None = None) -> None:
        self.path = (folder() if where is None else where) / FILE
        self._db = Database(self.path, _MIGRATIONS, _TABLES)

    @property
    def notice(self) -> str:
        return self._db.notice

    # ---- the list ----

    def entries(self) -> list[Entry]:
        """All checks, the newest first."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            finished = db.execute(
                "SELECT id, started_at, network, server, overall, complete FROM checks"
            )
            found = [
                Entry(
                    id=each.id,
                    started_at=each.started_at,
                    network=each.network,
                    server=each.server,
                    overall=each.overall if each.overall in _VERDICTS else "unknown",
                    state="finished" if each.complete else "cancelled",
                )
                for each in _as(_Finished, finished)
            ]
            found += [
                Entry(
                    id=each.id,
                    started_at=each.started_at,
                    network=each.network,
                    server=each.server,
                    overall="unknown",
                    state="running" if each.lives else "unfinished",
                )
                for each in _all_running(db)
            ]
            return sorted(found, key=lambda entry: entry.started_at, reverse=True)

        return self._db.do(work)

    def find(self, name: str) -> Entry:
        """The check of this id, of which the beginning is enough, or the ``latest``."""
        entries = self.entries()
        if name == "latest" and entries:
            return self._latest(entries)
        found = [each for each in entries if each.id == name]
        found = found or [each for each in entries if name and each.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        shown = name[:40]
        if found:
            raise HistoryError(f"There are {len(found)} checks that begin with {shown}; say more.")
        raise HistoryError(f"There is no check {shown}; netcheck history list shows all.")

    def _latest(self, entries: list[Entry]) -> Entry:
        """The one that runs, or was kept last: the clock may have been set back since another."""

        def work(db: sqlite3.Connection) -> str | None:
            row = db.execute("SELECT id FROM checks ORDER BY rowid DESC LIMIT 1").fetchone()
            return row[0] if row is not None else None

        kept = self._db.do(work)
        likely = [e for e in entries if e.state in ("running", "unfinished") or e.id == kept]
        return max(likely or entries, key=lambda e: (e.state == "running", e.started_at))

    def report(self, check: str) -> Report:
        """The report of the check with this id; of an unfinished one what it had found."""

        def work(db: sqlite3.Connection) -> tuple[bytes | None, list[bytes]]:
            row = db.execute("SELECT report FROM checks WHERE id = ?", (check,)).fetchone()
            if row is not None:
                return row[0], []
            begun = db.execute("SELECT begun FROM running WHERE id = ?", (check,)).fetchone()
            if begun is None:
                raise HistoryError(f"There is no check {check[:40]}: it may have been deleted.")
            rows = db.execute(
                "SELECT observations FROM observed WHERE running = ? ORDER BY number", (check,)
            )
            return None, [begun[0], *(data for (data,) in rows)]

        whole, parts = self._db.do(work)
        try:
            if whole is not None:
                return read.parse(_unpacked(whole), f"The check {check[:40]}")
            from netcheck.unfinished import as_report

            return as_report(check, _unpacked(parts[0]), list(_whole(parts[1:])))
        except read.ReportError as error:
            raise HistoryError(str(error)) from None
        except (zlib.error, msgspec.DecodeError) as error:
            raise HistoryError(
                f"The check {check[:40]} is damaged: {error}; delete it, or open another one."
            ) from None

    # ---- changing it ----

    def add(self, report: Report, instead_of: str | None = None) -> None:
        """Keep a report, and no longer the observations of the running check ``instead_of``.
        A report that is there already stays as it is."""
        public = () if report.server.embedded else report.nat.public_addresses
        network = network_of(report.host.gateways, public)
        packed = zlib.compress(json_format.render(report).encode("utf-8", "replace"))
        server = "this computer" if report.server.embedded else report.server.host
        check = _storable(report.id)
        row = (
            *(check, *(_storable(text) for text in (report.started_at, network, server))),
            *(report.overall, report.complete, packed),
        )

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO checks VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if instead_of is not None:
                db.execute("DELETE FROM running WHERE id = ?", (instead_of,))
            _forget_the_oldest(db, check)

        self._db.do(work)

    def delete(self, checks: Collection[str] | None = None) -> int:
        """Delete these checks, or all but those that are running; how many there were."""

        def work(db: sqlite3.Connection) -> int:
            alive = {each.id for each in _all_running(db) if each.lives}
            if checks is None:
                known = db.execute("SELECT id FROM checks UNION SELECT id FROM running")
                chosen = {i for (i,) in known} - alive
            else:
                chosen = set(checks)
            if busy := chosen & alive:
                raise HistoryError(f"The check {min(busy)} is still running; stop it first.")
            ids = [(i,) for i in chosen]
            return sum(
                db.executemany(f"DELETE FROM {table} WHERE id = ?", ids).rowcount
                for table in ("checks", "running")
            )

        count = self._db.do(work)
        self._db.give_back()
        return count

    # ---- a running check (see netcheck.unfinished) ----

    def begin(self, check: str, started_at: str, begun: bytes) -> None:
        """A check has begun in this process."""
        row = (check, started_at, "unknown", "", os.getpid(), _born(os.getpid()))

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO running VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, zlib.compress(begun))
            )
            dead = [each.id for each in _all_running(db) if not each.lives]
            left = [(i,) for i in dead[MOST_UNFINISHED:]]
            db.executemany("DELETE FROM running WHERE id = ?", left)

        self._db.do(work)

    def observed(self, check: str, data: bytes, network: str, server: str) -> None:
        """What a running check has observed since the last call."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO observed SELECT id,"
                " (SELECT count(*) FROM observed WHERE running = ?1), ?2"
                " FROM running WHERE id = ?1",
                (check, zlib.compress(data)),
            )
            db.execute(
                "UPDATE running SET network = ?2, server = ?3 WHERE id = ?1",
                (check, _storable(network), _storable(server)),
            )

        self._db.do(work)

    def discard(self, check: str) -> None:
        """Forget a running check: it could not be made at all."""
        self._db.do(lambda db: db.execute("DELETE FROM running WHERE id = ?", (check,)))


def _forget_the_oldest(db: sqlite3.Connection, newest: str) -> None:
    """Whatever is beyond the bounds, but not what was just kept."""
    total = 0
    gone = []
    rows: Iterable[tuple[str, int]] = db.execute(
        "SELECT id, length(report) FROM checks ORDER BY id = ? DESC, rowid DESC", (newest,)
    )
    for number, (check, size) in enumerate(rows):
        total += size
        if number and (number >= MOST_CHECKS or total > MOST_BYTES):
            gone.append((check,))
    db.executemany("DELETE FROM checks WHERE id = ?", gone)


def _all_running(db: sqlite3.Connection) -> list[_Running]:
    """Those that began last first."""
    rows = db.execute(
        "SELECT id, started_at, network, server, process, process_began FROM running"
        " ORDER BY rowid DESC"
    )
    return _as(_Running, rows)


def _as(kind: type[_T], rows: Iterable[Any]) -> list[_T]:
    try:
        return [msgspec.convert(row, kind) for row in rows]
    except msgspec.ValidationError as error:
        raise DamageError(f"it is damaged: {error}") from None


def _whole(parts: Iterable[bytes]) -> Iterator[bytes]:
    """One part of an unfinished check that is damaged does not spoil the others."""
    for part in parts:
        with suppress(zlib.error):
            yield _unpacked(part)


def _unpacked(data: Any) -> bytes:
    if not isinstance(data, bytes):
        raise zlib.error("it is none")
    unpacking = zlib.decompressobj()
    whole = unpacking.decompress(data, read.MAX_BYTES)
    if not unpacking.eof:
        raise zlib.error("it is cut short, or too large")
    return whole


def _storable(text: str) -> str:
    """SQLite takes no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def _born(process: int) -> float:
    """When a process began: another one may have its number later."""
    import psutil

    return psutil.Process(process).create_time()


def _lives(process: int, began: float) -> bool:
    import psutil

    try:
        return abs(_born(process) - began) < 1
    except (psutil.Error, ValueError, OverflowError):  # no number that a process has
        return False
