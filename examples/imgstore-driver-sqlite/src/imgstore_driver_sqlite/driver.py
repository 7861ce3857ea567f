"""The driver: what is asked of one store, in SQL."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

from imgstore import errors
from imgstore.driver import (
    ObjectReader,
    ObjectWriter,
    Options,
    StoreDriver,
    bad,
    check_key,
    option,
    size_option,
    storage_failures,
)
from imgstore.model import Leftover, ObjectInfo, Place
from imgstore_driver_sqlite.objects import ChunkReader, ChunkWriter, described, missing
from imgstore_driver_sqlite.tables import Tables, Transaction

URL = "sqlite:///"
PREFIX = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
FIELDS = "SELECT key, size, id, touched FROM @uploads"


@dataclass(frozen=True, kw_only=True)
class SqliteOptions(Options):
    """The options of a store."""

    path: str = option(cfg.StrOpt, required=True, help="The SQLite file. Its directory must be there.")
    prefix: str = option(
        cfg.StrOpt, default="images", help="What the names of the tables begin with: stores may share a file."
    )
    chunk_size: int = size_option(default=1024 * 1024, min=1024, max=512 * 1024 * 1024, help="Bytes of one chunk.")
    timeout: float = option(
        cfg.FloatOpt, default=30.0, min=0.1, max=3600.0, help="Seconds for which a transaction waits for another one."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if PREFIX.fullmatch(self.prefix) is None:
            raise bad("prefix", f"'{self.prefix}' cannot begin the name of a table.", "Use up to 32 of a-z 0-9 _.")


class SqliteDriver(StoreDriver):
    """One file, several stores in it."""

    OPTIONS = SqliteOptions.options()

    def __init__(self, **options: Any) -> None:
        self._options = SqliteOptions(**options)
        self._tables = Tables(self._options.path, self._options.prefix, self._options.timeout)

    def check(self) -> None:
        if not os.path.exists(self._options.path):
            raise bad("path", "The file is not there.", "Mount its disk; for a new store: imgstore check --create.")
        with storage_failures("checking the store"), self._tables.transaction() as transaction:
            transaction.run("INSERT INTO @uploads (id, key, touched) VALUES ('check', '.check', 0)")
            transaction.run("DELETE FROM @uploads WHERE id = 'check'")

    def url(self, key: str) -> str:
        return URL + check_key(key)

    def key_from_url(self, url: str) -> str:
        if not url.startswith(URL):
            raise errors.InvalidKey("Not the URL of an object in an SQLite file.")
        return check_key(url.removeprefix(URL))

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return ChunkWriter(self._tables, key, self._options.chunk_size)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return ChunkReader(self._tables, self._stat(key), start)

    def _stat(self, key: str) -> ObjectInfo:
        with self._tables.reading() as transaction:
            return _found(transaction, key)

    def _delete(self, key: str) -> None:
        with self._tables.transaction() as transaction:
            if not transaction.run("DELETE FROM @uploads WHERE key = ? AND done", key).rowcount:
                raise missing()

    def objects(self) -> Iterator[ObjectInfo]:
        """See ListsObjects."""
        self.expect_place()
        with storage_failures("listing objects"), self._tables.reading() as transaction:
            for row in transaction.run(f"{FIELDS} WHERE done"):
                yield described(row)

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers."""
        self.expect_place()
        query = f"{FIELDS} WHERE NOT done AND touched <= ?"
        with storage_failures("listing leftovers"), self._tables.reading() as transaction:
            rows = transaction.run(query, time.time() - older_than).fetchall()
        for key, size, upload, touched in rows:
            yield Leftover(upload, "an upload that was not committed", size, touched, key=key)

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers."""
        self.expect_place()
        with storage_failures("removing a leftover"), self._tables.transaction() as transaction:
            transaction.run("DELETE FROM @uploads WHERE id = ? AND NOT done", leftover.name)

    def clear_leftovers(self, key: str) -> None:
        """See ClearsLeftovers."""
        check_key(key)
        self.expect_place()
        with storage_failures("clearing leftovers"), self._tables.transaction() as transaction:
            transaction.run("DELETE FROM @uploads WHERE key = ? AND NOT done", key)

    @property
    def place(self) -> Place:
        """See HasPlace."""
        path = os.path.realpath(self._options.path)
        return Place("sqlite", (path,), (self._options.prefix,), f"{path}, tables {self._options.prefix}_*")

    def read_mark(self) -> str | None:
        """See HasPlace."""
        if not os.path.exists(self._options.path):
            return None
        with storage_failures("reading the mark"), self._tables.reading() as transaction:
            if transaction.row("SELECT 1 FROM sqlite_master WHERE name = '@mark'") is None:
                return None
            return _mark(transaction)

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        """See HasPlace."""
        with storage_failures("writing the mark"):
            if not replace:
                self._tables.create()
            with self._tables.transaction() as transaction:
                if replace:
                    transaction.run("DELETE FROM @mark")
                transaction.run("INSERT OR IGNORE INTO @mark VALUES (1, ?)", mark)
                return _mark(transaction) or mark


def _found(transaction: Transaction, key: str) -> ObjectInfo:
    row = transaction.row(f"{FIELDS} WHERE key = ? AND done", key)
    if row is None:
        raise missing()
    return described(row)


def _mark(transaction: Transaction) -> str | None:
    row = transaction.row("SELECT mark FROM @mark")
    return None if row is None else str(row[0])
