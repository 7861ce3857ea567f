"""What SQLite has committed survives a power cut: every connection of catalog and ledger waits for the disk."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from imgstore.sql import Database, SqlCatalog, SqlLedger

FULL = 2
"""What `PRAGMA synchronous` calls FULL; only with it, or more, a commit in WAL mode is synced before it returns."""


def test_every_commit_on_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/catalog.db"
    for opened in (SqlCatalog(address), SqlLedger(address)):
        with contextlib.closing(opened):
            database = opened._database
            assert database.change(_synchronous) >= FULL
            # One inside the other, so that it is a second connection.
            assert database.read(partial(_of_another, database)) >= FULL


def _of_another(database: Database, connection: sa.Connection) -> int:
    return database.read(_synchronous)


def _synchronous(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
