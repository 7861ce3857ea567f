"""One object being written, and one being read. The base counts, compares and translates."""

from __future__ import annotations

import sqlite3
import time
import uuid
from typing import Any

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.model import ObjectInfo
from imgstore_driver_sqlite.tables import Tables, Transaction


class ChunkWriter(ObjectWriter):
    """Memory: one chunk of `chunk_size`, and the one that comes in."""

    def __init__(self, tables: Tables, key: str, chunk_size: int) -> None:
        self._tables = tables
        self._key = key
        self._chunk_size = chunk_size
        self._upload = uuid.uuid4().hex
        self._pending = bytearray()
        self._stored = 0
        with tables.transaction() as transaction:
            transaction.run("INSERT INTO @uploads (id, key, touched) VALUES (?, ?, ?)", self._upload, key, time.time())

    def _write(self, chunk: bytes | memoryview) -> None:
        self._pending += chunk
        while len(self._pending) >= self._chunk_size:
            with self._tables.transaction() as transaction:
                self._store(transaction, self._pending[: self._chunk_size])
            del self._pending[: self._chunk_size]

    def _commit(self) -> ObjectInfo:
        touched = time.time()
        query = "UPDATE @uploads SET done = 1, size = ?, touched = ? WHERE id = ?"
        with self._tables.transaction() as transaction:
            if self._pending:
                self._store(transaction, self._pending)
            try:
                kept = transaction.run(query, self.total, touched, self._upload).rowcount
            except sqlite3.IntegrityError:
                raise errors.ObjectExists("The store already has an object under that key.") from None
            if not kept:
                raise errors.StoreUnavailable("The upload was removed while it was under way.")
        return ObjectInfo(self._key, self.total, etag=self._upload, modified=touched)

    def _abort(self) -> None:
        with self._tables.transaction() as transaction:
            transaction.run("DELETE FROM @uploads WHERE id = ?", self._upload)

    def _store(self, transaction: Transaction, data: bytearray) -> None:
        """Takes the next bytes. The upload's row must still be there: the table's reference sees to it."""
        transaction.run("INSERT INTO @chunks VALUES (?, ?, ?)", self._upload, self._stored, data)
        self._stored += len(data)
        query = "UPDATE @uploads SET size = ?, touched = ? WHERE id = ?"
        transaction.run(query, self._stored, time.time(), self._upload)


class ChunkReader(ObjectReader):
    """Keeps nothing open between two reads. A chunk that is gone is an early end, which the base does not let pass."""

    def __init__(self, tables: Tables, info: ObjectInfo, start: int) -> None:
        self.info = info
        self._tables = tables
        self._at = start

    def _read(self, size: int) -> bytes:
        query = (
            "SELECT SUBSTR(data, ? - start + 1, ?) FROM @chunks "
            "WHERE upload = ? AND start <= ? ORDER BY start DESC LIMIT 1"
        )
        with self._tables.reading() as transaction:
            row = transaction.row(query, self._at, size, self.info.etag, self._at)
        data = bytes(row[0]) if row else b""
        self._at += len(data)
        return data

    def _close(self) -> None:
        """Nothing to close."""


def described(row: tuple[Any, ...]) -> ObjectInfo:
    """Of key, size, identifier and time."""
    key, size, upload, touched = row
    return ObjectInfo(key, size, etag=upload, modified=touched)


def missing() -> errors.ObjectNotFound:
    """What is raised for a key that no object has."""
    return errors.ObjectNotFound("The store has no object under that key.")
