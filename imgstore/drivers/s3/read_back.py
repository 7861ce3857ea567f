"""Reading back what a server confirmed nothing of: the comparison of last resort (law 10).

It costs a download, so it is for servers that return neither a checksum that counts nor an md5; a warning says so once.
The object is known by its writer's marker, since its ETag is what is in doubt. Memory: one block of a MiB. What this
module refuses to do: read what is confirmed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from imgstore import errors
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.integrity import Answer, Integrity, Piece
from imgstore.drivers.s3.objects import MARKER, Objects
from imgstore.model import MIB


def read_back(objects: Objects, integrity: Integrity, key: str, marker: str, pieces: Sequence[Piece]) -> None:
    """Compares every piece of a new object that is not confirmed. Raises IntegrityError, StoreUnavailable."""
    for piece in pieces:
        if piece.confirmed or not piece.size:
            continue
        with translated("reading an object back"):
            answer = objects.get(key, start=piece.start, stop=piece.start + piece.size)
            found = _md5_of(answer, piece.size)
        if answer.get("Metadata", {}).get(MARKER) != marker or piece.md5 != found:
            raise errors.IntegrityError("The storage holds something else than what was sent: it was read back.")
        integrity.learn_etag(piece)


def _md5_of(answer: Answer, size: int) -> bytes:
    """Of the first `size` bytes of the body."""
    found, left = hashlib.md5(usedforsecurity=False), size
    body = answer["Body"]
    try:
        while left and (data := body.read(min(left, MIB))):
            found.update(data)
            left -= len(data)
    finally:
        body.close()
    return found.digest()
