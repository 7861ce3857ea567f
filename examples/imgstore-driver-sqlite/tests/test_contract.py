"""The driver keeps the contract, and creates atomically."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from imgstore_driver_sqlite import SqliteDriver

from imgstore.testing import AtomicCreation, DriverContract, Subject

CHUNK = 4096


class SqliteSubject(Subject):
    """Drivers on one file, with small chunks; the neighbour's tables are beside."""

    arrives_within = 0.0
    borders = (CHUNK,)

    def __init__(self, directory: Path) -> None:
        self.path = directory / "images.db"
        self.internals = (str(directory),)
        self.open().write_mark("0" * 32)

    def open(self) -> SqliteDriver:
        return self._on(self.path)

    def broken(self) -> SqliteDriver:
        return self._on(Path(f"{self.path}.gone", "images.db"))

    def neighbour(self) -> SqliteDriver:
        beside = self._on(self.path, prefix="images_2")
        beside.write_mark("1" * 32)
        return beside

    def server(self) -> None:
        """Files are no server."""

    def _on(self, path: Path, prefix: str = "images") -> SqliteDriver:
        return SqliteDriver(path=str(path), prefix=prefix, chunk_size=CHUNK)

    def inventory(self) -> set[str]:
        with contextlib.closing(sqlite3.connect(self.path)) as file:
            objects = dict(file.execute("SELECT id, key FROM images_uploads WHERE done"))
            uploads = {name for (name,) in file.execute("SELECT id FROM images_uploads")}
            uploads |= {name for (name,) in file.execute("SELECT upload FROM images_chunks")}
        return {objects.get(name, name) for name in uploads}


class TestSqlite(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return SqliteSubject(tmp_path)
