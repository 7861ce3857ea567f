"""The table of images on sqlite3, and what imgstore does with it."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgstore.hosting import ImageRow, Values

VAR = Path(os.environ.get("IMAGES_DIR", "var")).resolve()
TABLE = """CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, disk_format TEXT DEFAULT 'raw', container_format TEXT DEFAULT 'bare',
    status TEXT DEFAULT 'queued', size INTEGER, version INTEGER DEFAULT 0, unfinished BOOLEAN DEFAULT FALSE,
    record TEXT DEFAULT '')"""

SWAP = """UPDATE images SET status = :status, size = :size, version = :version, unfinished = :unfinished,
    record = :record WHERE id = :id AND version = :was"""


@dataclass(frozen=True)
class Image:
    id: str
    owner: str
    disk_format: str
    container_format: str
    status: str
    size: int | None
    version: int
    unfinished: bool
    record: str


@contextlib.contextmanager
def database() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(VAR / "images.db", timeout=30)) as connection, connection:
        yield connection


class Table:
    def get(self, image_id: str) -> ImageRow | None:
        return next(iter(rows("SELECT * FROM images WHERE id = ?", image_id)), None)

    def unfinished(self) -> Iterable[ImageRow]:
        return rows("SELECT * FROM images WHERE unfinished")

    def swap(self, row: ImageRow, values: Values) -> bool:
        with database() as connection:
            return connection.execute(SWAP, {**values, "id": row.id, "was": row.version}).rowcount == 1


def rows(query: str, *values: str) -> list[Image]:
    with database() as connection:
        return [Image(*row) for row in connection.execute(query, values)]
