"""One SQLite file that outlives kills, other programs and damage.

Every change is one transaction in a write-ahead log.  A damaged file is given another name, and
never deleted; what can still be read of it is taken over into a new one.  A file that is none of
ours, or that a newer netcheck wrote, is left as it is.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

FOLDER_VARIABLE = "NETCHECK_DATA_DIR"

_BUSY_S = 5.0
"""Another program's transaction takes milliseconds; a disk that wakes up, a few seconds."""

_AGAIN_S = 0.01
"""What making an empty database takes."""

_UNUSED_BYTES = 1_000_000
"""What deleted rows may leave empty in the file: giving back less is not worth the writing."""

_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        # A table or a column that was there when the file was made: our statements are right.
        sqlite3.SQLITE_ERROR,
        # A length of more than any of our rows has.
        sqlite3.SQLITE_TOOBIG,
        0,  # Python's own: a text that is none
    }
)
_ELSEWHERE = f"choose another folder with {FOLDER_VARIABLE}"
_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_BUSY: "another program is using it; try again",
    sqlite3.SQLITE_LOCKED: "another program is using it; try again",
    sqlite3.SQLITE_READONLY: f"you may not write there; {_ELSEWHERE}",
    sqlite3.SQLITE_PERM: f"you may not write there; {_ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: f"you may not write there; {_ELSEWHERE}",
    sqlite3.SQLITE_IOERR: f"the disk reports an error; free some space, or {_ELSEWHERE}",
}

_T = TypeVar("_T")


class HistoryError(Exception):
    """The history cannot be read or written; the text is one sentence for the user."""


class DamageError(Exception):
    """What was read from the file cannot have been written there."""


class Database:
    """Opens the file for each piece of work and closes it: any thread may call.

    ``notice`` is a sentence for the user if the file was damaged and had to be set aside.
    """

    def __init__(self, path: Path, migrations: Sequence[str], tables: Sequence[str]) -> None:
        """``migrations``: each brings the file from the version of its place to the next;
        ``tables``: those of the newest version that hold what must not get lost."""
        self.path = path
        self.notice = ""
        self._migrations = migrations
        self._tables = tables

    def do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do ``work`` as one transaction; where the file turns out to be damaged, with a new one
        that holds what could be saved.  Raises HistoryError."""
        found = self._identity()
        try:
            return self._done(work)
        except (sqlite3.Error, DamageError, UnicodeDecodeError) as error:
            if not _is_damage(error):
                raise self._failed(error) from None
        try:
            self._set_aside(found)
            return self._done(work)
        except (sqlite3.Error, DamageError, UnicodeDecodeError) as error:
            raise self._failed(error) from None

    def give_back(self) -> None:
        """Return to the disk what deleted rows took, if that is worth it; what stands in the
        file is not changed by it, and no failure matters."""

        def unused(db: sqlite3.Connection) -> int:
            (pages,) = db.execute("PRAGMA freelist_count").fetchone()
            (size,) = db.execute("PRAGMA page_size").fetchone()
            return int(pages) * int(size)

        with suppress(sqlite3.Error, HistoryError, DamageError):
            if self.do(unused) > _UNUSED_BYTES:
                with self._open() as db:
                    db.execute("VACUUM")

    def _done(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._open() as db, _transaction(db):
            return work(db)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._make_file()
        db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        try:
            version = self._version(db)
            # It says who was where and when: for nobody else to read.
            if self.path.stat().st_mode & 0o077:
                with suppress(OSError):  # somebody else's, and open to us
                    self.path.chmod(0o600)
            db.execute("PRAGMA foreign_keys = ON")
            # What is deleted is gone: overwritten, not only forgotten.
            db.execute("PRAGMA secure_delete = ON")
            _switch_to_wal(db)
            # A write-ahead log survives the end of a program without waiting for the disk.
            db.execute("PRAGMA synchronous = NORMAL")
            if version < len(self._migrations):
                self._migrate(db)
            yield db
        finally:
            db.close()

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Non-blocking: nobody may ever be at the other end of what is no file.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
            file = os.open(self.path, flags, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise HistoryError(
                        f"The history {self.path} is not a file; move it away, or {_ELSEWHERE}."
                    )
            finally:
                os.close(file)
        except OSError as error:
            raise HistoryError(
                f"The history {self.path} cannot be opened: {error.strerror}; {_ELSEWHERE}."
            ) from None

    def _version(self, db: sqlite3.Connection) -> int:
        """Nothing is written to a file that is another program's, or a newer netcheck's."""
        there = {
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if there and not there.intersection(self._tables):
            raise HistoryError(
                f"The history {self.path} is another program's database; move it away, or"
                f" {_ELSEWHERE}."
            )
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise HistoryError(
                f"The history {self.path} was written by a newer netcheck: update netcheck to"
                f" read it, or {_ELSEWHERE}."
            )
        if version < 0 or (not version and there):
            raise DamageError
        return int(version)

    def _migrate(self, db: sqlite3.Connection) -> None:
        with _transaction(db):
            # Another program may have done it while this one waited.
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for number in range(version, len(self._migrations)):
                for statement in self._migrations[number].split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number + 1}")

    # ---- damage ----

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _set_aside(self, damaged: tuple[int, int] | None) -> None:
        """Give the damaged file another name, unless another program has just done so, and begin
        a new one with what can be read of it."""
        if damaged is None or self._identity() != damaged:
            return
        stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        aside = self.path.with_name(f"{self.path.stem}-damaged-{stamp}{self.path.suffix}")
        try:
            self.path.chmod(0o600)
            # The log first: whoever ends between the two must not leave it to a new file.
            for more in ("-wal", "", "-shm"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + more).rename(f"{aside}{more}")
        except OSError as error:
            raise HistoryError(
                f"The history {self.path} is damaged and cannot be set aside: {error.strerror}."
            ) from None
        from netcheck import salvage

        taken = self._done(lambda db: salvage.take_over(aside, db, self._tables))
        self.notice = f"The history was damaged; it is kept as {aside}, and a new one was begun" + (
            f" with the {taken} {'check' if taken == 1 else 'checks'} that could be read."
            if taken
            else "."
        )

    def _failed(self, error: Exception) -> HistoryError:
        reason = _SENTENCES.get(_code(error), str(error) or "it is damaged")
        return HistoryError(f"The history {self.path} cannot be used: {reason}.")


def _is_damage(error: Exception) -> bool:
    return not isinstance(error, sqlite3.Error) or _code(error) in _DAMAGED


def _code(error: Exception) -> int:
    """SQLite's primary result code."""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


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
