"""What can still be read of a damaged database, row by row."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

_MOST_ROWS = 100_000
"""Looked for one by one, which takes some microseconds each; there are a hundredth of it."""

_TYPES: dict[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "INTEGER": (int,),
    "REAL": (float, int),
    "BLOB": (bytes,),
}

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError, OverflowError)
"""What reading a damaged file comes to."""


def take_over(damaged: Path, db: sqlite3.Connection, tables: Sequence[str]) -> int:
    """Copy from ``damaged`` into ``db`` each sound row of ``tables``; how many of the first.

    The packed texts (BLOB) carry a checksum of their own, by which they are known to be whole.
    """
    taken = 0
    with suppress(*_UNREADABLE), closing(sqlite3.connect(damaged)) as source:
        source.execute("PRAGMA query_only = ON")
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        for table in tables:
            kinds = {name: kind for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")}
            for row in _rows(source, table, kinds):
                with suppress(sqlite3.IntegrityError):
                    marks = ", ".join("?" * len(row))
                    columns = ", ".join(("rowid", *kinds))
                    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)
                    taken += table == tables[0]
    return taken


def _rows(
    source: sqlite3.Connection, table: str, kinds: dict[str, str]
) -> Iterator[tuple[Any, ...]]:
    columns = ", ".join(("rowid", *kinds))
    for number in _numbers(source, table):
        row = None
        with suppress(*_UNREADABLE):
            row = source.execute(
                f"SELECT {columns} FROM {table} WHERE rowid = ?", (number,)
            ).fetchone()
        if row is not None and all(map(_is_sound, row[1:], kinds.values())):
            yield row


def _numbers(source: sqlite3.Connection, table: str) -> Iterable[int]:
    """The numbers of its rows: from either end as far as the damage, and all between."""
    found: set[int] = set()
    for order in ("ASC", "DESC"):
        with suppress(*_UNREADABLE):
            for (number,) in source.execute(f"SELECT rowid FROM {table} ORDER BY rowid {order}"):
                found.add(number)
                if len(found) > _MOST_ROWS:
                    break
    if found and max(found) - min(found) < _MOST_ROWS:
        return range(max(1, min(found)), max(found) + 1)
    return sorted(found)


def _is_sound(value: Any, kind: str) -> bool:
    if not isinstance(value, _TYPES[kind]):
        return False
    if not isinstance(value, bytes):
        return True
    unpacking = zlib.decompressobj()
    try:
        rest = value
        while rest and not unpacking.eof:
            unpacking.decompress(rest, 1 << 20)
            rest = unpacking.unconsumed_tail
    except zlib.error:
        return False
    return unpacking.eof
