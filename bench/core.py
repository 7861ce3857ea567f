"""What the core costs for each chunk: CPU of the uploading thread from the session to a store that keeps nothing.

The digests have threads of their own and are not in it. The same bytes go straight to hashlib's md5 on one thread, so
that each figure has something beside it.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from bench.body import MIB, Body
from bench.sides import IMAGE, SHA256, our_session
from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver
from imgstore.model import ObjectInfo

CHUNKS = (64 * 1024, 256 * 1024, MIB)
TIMES = 5


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU for each chunk of `chunk` bytes: of the core, and of md5 over such a chunk."""

    chunk: int
    core: float
    md5: float

    def __str__(self) -> str:
        share = self.core / self.md5
        return f"{self.chunk // 1024:5} KiB: {self.core * 1e6:6.1f} us a chunk, {share:.3f} of its md5"


class _Nothing(ObjectWriter):
    def _write(self, chunk: bytes | memoryview) -> None:
        """Forgets the bytes."""

    def _commit(self) -> ObjectInfo:
        return ObjectInfo(IMAGE, self.total, "none")

    def _abort(self) -> None:
        """Nothing is there."""


class Nowhere(StoreDriver):
    """A store without a place."""

    def url(self, key: str) -> str:
        return f"nowhere:///{key}"

    def key_from_url(self, url: str) -> str:
        return url.removeprefix("nowhere:///")

    def check(self) -> None:
        """Nothing can be wrong."""

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return _Nothing()

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        raise errors.ObjectNotFound("Nothing is kept.")

    def _stat(self, key: str) -> ObjectInfo:
        raise errors.ObjectNotFound("Nothing is kept.")

    def _delete(self, key: str) -> None:
        raise errors.ObjectNotFound("Nothing is kept.")


def costs(size: int) -> list[Cost]:
    """For each size of a chunk the least of some uploads of `size` bytes."""
    return [
        Cost(chunk, min(_core(size, chunk) for _ in range(TIMES)), min(_md5(size, chunk) for _ in range(TIMES)))
        for chunk in CHUNKS
    ]


def _core(size: int, chunk: int) -> float:
    run = our_session(Nowhere(), Body(size, piece=chunk), size=size, algorithms=SHA256)
    begin = time.thread_time()
    run()
    return (time.thread_time() - begin) * chunk / size


def _md5(size: int, chunk: int) -> float:
    digest, body = hashlib.md5(usedforsecurity=False), Body(size, piece=chunk)
    begin = time.thread_time()
    for piece in body:
        digest.update(piece)
    return (time.thread_time() - begin) * chunk / size
