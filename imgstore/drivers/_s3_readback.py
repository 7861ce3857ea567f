"""Reading back what a server confirmed nothing of: the comparison of last resort (law 10).

It costs a download, so it is for servers that return neither a checksum nor an md5; a warning says so once. Memory: one
block of a MiB. What this module refuses to do: read what is confirmed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from imgstore import errors
from imgstore.drivers._s3_errors import translated
from imgstore.drivers._s3_integrity import Integrity, Piece
from imgstore.drivers._s3_objects import Objects
from imgstore.model import MIB


def read_back(objects: Objects, integrity: Integrity, key: str, etag: str | None, pieces: Sequence[Piece]) -> None:
    """Compares every piece of the new object `key` that is not confirmed. Raises IntegrityError, StoreUnavailable."""
    for piece in pieces:
        if piece.confirmed or not piece.size:
            continue
        with translated("reading an object back"):
            found = _md5_of(objects, key, etag, piece)
        if piece.md5 != found:
            raise errors.IntegrityError("The storage holds something else than what was sent: read back.")
        if piece.etag is not None:
            integrity.learn_from_reading(etag_is_md5=piece.etag == found.hex())


def _md5_of(objects: Objects, key: str, etag: str | None, piece: Piece) -> bytes:
    answer = objects.get(key, start=piece.start, stop=piece.start + piece.size, etag=etag)
    found, left = hashlib.md5(usedforsecurity=False), piece.size
    body = answer["Body"]
    try:
        while left and (data := body.read(min(left, MIB))):
            found.update(data)
            left -= len(data)
    finally:
        body.close()
    return found.digest()
