"""Images in an SQLite file: an upload is a row, its chunks are rows of another table.

An upload becomes an object in one transaction: its row is marked as done, and an index lets one row that is done have a
key. The row's identifier is the etag. Whatever is removed goes with its chunks, in one transaction.

Several stores may share the file: the names of a store's tables begin with its prefix. Memory: one chunk of
`chunk_size` for each upload, and the chunk that comes in.
"""

from __future__ import annotations

from imgstore_driver_sqlite.driver import SqliteDriver

__all__ = ["SqliteDriver"]
