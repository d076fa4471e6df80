"""Past checks, and those that were not finished, in one SQLite file in the user's data folder.

Two programs may use it at the same time, and either may be killed at any moment: every change is
one transaction in a write-ahead log.  What a running check observes is written as it comes, so
that a check whose program was killed is there as an unfinished one.

The newest 1000 checks are kept, and of those as many as fit into 100 MB; older ones go first.  A
database that is damaged is set aside under another name and never deleted; one that a newer
netcheck wrote is left alone.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from netcheck.report import json as json_format
from netcheck.report import read
from netcheck.report.model import Report

FOLDER_VARIABLE = "NETCHECK_DATA_DIR"
FILE = "history.sqlite"

MOST_CHECKS = 1000
"""Three a day for a year; the list still opens at once."""

MOST_BYTES = 100_000_000
"""Of reports as they are stored: a usual one takes ten thousand."""

MOST_UNFINISHED = 50

_BUSY_S = 5.0
"""Another program's transaction takes milliseconds; a disk that wakes up, a few seconds."""

_AGAIN_S = 0.01
"""What making an empty database takes."""

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

VERSION = len(_MIGRATIONS)

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_BUSY: "another program is using it; try again",
    sqlite3.SQLITE_LOCKED: "another program is using it; try again",
    sqlite3.SQLITE_READONLY: "you may not write there",
    sqlite3.SQLITE_PERM: "you may not write there",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened there",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
}

State = Literal["finished", "cancelled", "unfinished", "running"]
_T = TypeVar("_T")


class HistoryError(Exception):
    """The history cannot be read or written; the text is one sentence for the user."""


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

    return platformdirs.user_data_path("netcheck", appauthor=False)


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
        self.notice = ""

    # ---- the list ----

    def entries(self) -> list[Entry]:
        """All checks, the newest first."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            found = [
                Entry(
                    id=i, started_at=at, network=network, server=server, overall=overall,
                    state="finished" if complete else "cancelled",
                )
                for i, at, network, server, overall, complete in db.execute(
                    "SELECT id, started_at, network, server, overall, complete FROM checks"
                )
            ]  # fmt: skip
            found += [
                Entry(
                    id=i, started_at=at, network=network, server=server, overall="unknown",
                    state="running" if _lives(process, began) else "unfinished",
                )
                for i, at, network, server, process, began in db.execute(
                    "SELECT id, started_at, network, server, process, process_began FROM running"
                )
            ]  # fmt: skip
            return sorted(found, key=lambda entry: entry.started_at, reverse=True)

        return self._with(work)

    def find(self, name: str) -> Entry:
        """The check of this id, of which the beginning is enough, or the ``latest``."""
        entries = self.entries()
        if name == "latest" and entries:
            return entries[0]
        found = [each for each in entries if each.id == name]
        found = found or [each for each in entries if name and each.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        shown = name[:40]
        if found:
            raise HistoryError(f"There are {len(found)} checks that begin with {shown}; say more.")
        raise HistoryError(f"There is no check {shown}; netcheck history list shows all.")

    def report(self, check: str) -> Report:
        """The report of the check with this id; of an unfinished one what it had found."""

        def work(db: sqlite3.Connection) -> tuple[bytes | None, list[bytes]]:
            row = db.execute("SELECT report FROM checks WHERE id = ?", (check,)).fetchone()
            if row is not None:
                return row[0], []
            begun = db.execute("SELECT begun FROM running WHERE id = ?", (check,)).fetchone()
            if begun is None:
                raise HistoryError(
                    f"There is no check {check[:40]}; netcheck history list shows all."
                )
            rows = db.execute(
                "SELECT observations FROM observed WHERE running = ? ORDER BY number", (check,)
            )
            return None, [begun[0], *(data for (data,) in rows)]

        whole, parts = self._with(work)
        try:
            if whole is not None:
                return read.parse(_unpacked(whole), f"The check {check}")
            from netcheck.unfinished import as_report

            return as_report(check, _unpacked(parts[0]), [_unpacked(part) for part in parts[1:]])
        except (zlib.error, msgspec.DecodeError, read.ReportError) as error:
            raise HistoryError(f"The check {check[:40]} is damaged: {error}.") from None

    # ---- changing it ----

    def add(self, report: Report, instead_of: str | None = None) -> None:
        """Keep a report, and no longer the observations of the running check ``instead_of``.
        A report that is there already stays as it is."""
        public = () if report.server.embedded else report.nat.public_addresses
        network = network_of(report.host.gateways, public)
        packed = zlib.compress(json_format.render(report).encode("utf-8", "replace"))
        server = "this computer" if report.server.embedded else report.server.host
        row = (
            *(_storable(text) for text in (report.id, report.started_at, network, server)),
            *(report.overall, report.complete, packed),
        )

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO checks VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if instead_of is not None:
                db.execute("DELETE FROM running WHERE id = ?", (instead_of,))
            _forget_the_oldest(db, _storable(report.id))

        self._with(work)

    def delete(self, checks: Collection[str] | None = None) -> int:
        """Delete these checks, or all but those that are running; how many there were."""

        def work(db: sqlite3.Connection) -> int:
            alive = {
                i
                for i, process, began in db.execute(
                    "SELECT id, process, process_began FROM running"
                )
                if _lives(process, began)
            }
            if checks is None:
                known = db.execute("SELECT id FROM checks UNION SELECT id FROM running")
                chosen = {i for (i,) in known} - alive
            else:
                chosen = set(checks)
            if busy := chosen & alive:
                raise HistoryError(f"The check {min(busy)} is still running; stop it first.")
            for table in ("checks", "running"):
                db.executemany(f"DELETE FROM {table} WHERE id = ?", [(i,) for i in chosen])
            return len(chosen)

        return self._with(work)

    # ---- a running check (see netcheck.unfinished) ----

    def begin(self, check: str, started_at: str, begun: bytes) -> None:
        """A check has begun in this process."""
        row = (check, started_at, "unknown", "", os.getpid(), _born(os.getpid()))

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO running VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, zlib.compress(begun))
            )
            dead = [
                i
                for i, process, began in db.execute(
                    "SELECT id, process, process_began FROM running ORDER BY started_at DESC"
                )
                if not _lives(process, began)
            ]
            left = [(i,) for i in dead[MOST_UNFINISHED:]]
            db.executemany("DELETE FROM running WHERE id = ?", left)

        self._with(work)

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

        self._with(work)

    def discard(self, check: str) -> None:
        """Forget a running check: it could not be made at all."""
        self._with(lambda db: db.execute("DELETE FROM running WHERE id = ?", (check,)) and None)

    # ---- the file ----

    def _with(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do `work` as one transaction; a damaged database is set aside, and it is done anew."""
        found = self._identity()
        try:
            with self._open() as db:
                return work(db)
        except sqlite3.Error as error:
            code = _code(error)
            if code not in _DAMAGED:
                raise self._failed(error) from None
        self._set_aside(found)
        try:
            with self._open() as db:
                return work(db)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # It says who was where and when: for nobody else to read.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise HistoryError(
                f"The history {self.path} cannot be opened: {error.strerror}; choose another"
                f" folder with {FOLDER_VARIABLE}."
            ) from None
        db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        try:
            _prepare(db)
            self._migrate(db)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
        finally:
            db.close()

    def _migrate(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise HistoryError(
                f"The history {self.path} was written by a newer netcheck: update netcheck to"
                f" read it, or choose another folder with {FOLDER_VARIABLE}."
            )
        if version == VERSION:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            # Another program may have done it while this one waited.
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for number in range(version, VERSION):
                for statement in _MIGRATIONS[number].split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number + 1}")
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _set_aside(self, damaged: tuple[int, int] | None) -> None:
        """Give the damaged database another name, unless another program has just done so."""
        if damaged is None or self._identity() != damaged:
            return
        stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        aside = self.path.with_name(f"history-damaged-{stamp}.sqlite")
        try:
            self.path.rename(aside)
            for more in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self.path.with_name(FILE + more).rename(aside.with_name(aside.name + more))
        except OSError as error:
            raise HistoryError(
                f"The history {self.path} is damaged and cannot be set aside: {error.strerror}."
            ) from None
        self.notice = f"The history was damaged; it is kept as {aside}, and a new one was begun."

    def _failed(self, error: sqlite3.Error) -> HistoryError:
        reason = _SENTENCES.get(_code(error), str(error))
        return HistoryError(f"The history {self.path} cannot be used: {reason}.")


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code."""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA foreign_keys = ON")
    _switch_to_wal(db)
    # A write-ahead log survives the end of a program without waiting for the disk.
    db.execute("PRAGMA synchronous = NORMAL")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Two programs that make the database at the same moment meet here, and SQLite itself does
    not wait then; some file systems have no write-ahead log, and do without."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)


def _forget_the_oldest(db: sqlite3.Connection, newest: str) -> None:
    """Whatever is beyond the bounds, but not what was just kept."""
    total = 0
    gone = []
    rows: Iterable[tuple[str, int]] = db.execute(
        "SELECT id, length(report) FROM checks ORDER BY id = ? DESC, started_at DESC", (newest,)
    )
    for number, (check, size) in enumerate(rows):
        total += size
        if number and (number >= MOST_CHECKS or total > MOST_BYTES):
            gone.append((check,))
    db.executemany("DELETE FROM checks WHERE id = ?", gone)


def _unpacked(data: bytes) -> bytes:
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
    except psutil.Error:
        return False
