"""Sorts what does not fit into memory, on disk: drivers list in no order, and are compared in the order of keys.

SQLite does it, in a database of its own in temporary files (where TMPDIR says). They take about 100 bytes a row, and
are gone when the last row is read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any


def in_order(rows: Iterable[tuple[Any, ...]], *, width: int) -> Iterator[tuple[Any, ...]]:
    """The rows, of `width` values each, in the order of the first: of text by code points, as catalogs sort it."""
    columns, values = (", ".join(each) for each in ([f"c{number}" for number in range(width)], "?" * width))
    with contextlib.closing(sqlite3.connect("")) as spool:
        spool.execute("PRAGMA temp_store = FILE")
        spool.execute(f"CREATE TABLE spool ({columns})")
        spool.executemany(f"INSERT INTO spool VALUES ({values})", rows)  # noqa: S608 - nothing but question marks
        yield from spool.execute("SELECT * FROM spool ORDER BY c0")


def without(rows: Iterable[tuple[Any, ...]], keys: Iterator[str]) -> Iterator[tuple[Any, ...]]:
    """The rows whose first value is not one of the keys; both are in order."""
    key = next(keys, None)
    for row in rows:
        while key is not None and key < row[0]:
            key = next(keys, None)
        if row[0] != key:
            yield row
