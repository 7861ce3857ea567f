"""The tables of one store, and one transaction at a time on them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from imgstore import errors

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS @mark (id INTEGER PRIMARY KEY CHECK (id = 1), mark TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @uploads (id TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL DEFAULT 0, "
    "touched REAL NOT NULL, done INTEGER NOT NULL DEFAULT 0)",
    "CREATE UNIQUE INDEX IF NOT EXISTS @objects ON @uploads (key) WHERE done",
    "CREATE TABLE IF NOT EXISTS @chunks (upload TEXT NOT NULL REFERENCES @uploads (id) ON DELETE CASCADE, "
    "start INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (upload, start))",
)
FULL = "database or disk is full"


class Transaction:
    """One transaction. In its statements `@` stands for the store's prefix."""

    def __init__(self, connection: sqlite3.Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = f"{prefix}_"

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement.replace("@", self._prefix), values)

    def row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self.run(statement, *values).fetchone()
        return found


@dataclass(frozen=True)
class Tables:
    """The store's tables. A connection is opened for each transaction: no thread and no child shares one."""

    path: str
    prefix: str
    timeout: float

    @contextlib.contextmanager
    def transaction(self, *, create: bool = False) -> Iterator[Transaction]:
        """All or nothing. The file must be there, unless `create`. Raises StoreFull, sqlite3.Error."""
        with self._opened("rwc" if create else "rw") as connection, _told_if_full():
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            yield Transaction(connection, self.prefix)
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """For statements that change nothing, and wait for nobody who writes."""
        with self._opened("rw") as connection:
            yield Transaction(connection, self.prefix)

    def create(self) -> None:
        """Makes the file and the tables where they are missing."""
        with self._opened("rwc") as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with self.transaction(create=True) as transaction:
            for statement in SCHEMA:
                transaction.run(statement)

    @contextlib.contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Closing it ends what was not committed."""
        uri = f"file:{quote(os.path.abspath(self.path))}?mode={mode}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=self.timeout, isolation_level=None)) as opened:
            yield opened


@contextlib.contextmanager
def _told_if_full() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if FULL in str(error):
            raise errors.StoreFull("Image storage has no space left.") from error
        raise
