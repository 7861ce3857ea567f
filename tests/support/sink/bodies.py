"""Bodies that nobody keeps: one is measured as it comes in, the other made up as it goes out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Protocol

BLOCK = 1024 * 1024
PERIOD = 1_048_573
"""A prime number of bytes after which generated content begins anew, so that no block of it is like another."""

_PATTERN = random.Random(1).randbytes(PERIOD)


@dataclass(frozen=True)
class Measured:
    """What is known of a body: its size in bytes and its MD5."""

    size: int
    md5: bytes

    @property
    def etag(self) -> str:
        """The MD5 as text."""
        return self.md5.hex()


class Incoming(Protocol):
    """A body that comes in."""

    def readinto(self, buffer: memoryview) -> int:
        """Fills the beginning of `buffer`; 0 at the end."""


class Sized:
    """The next `size` bytes."""

    def __init__(self, source: BufferedIOBase, size: int) -> None:
        self._source = source
        self._left = size

    def readinto(self, buffer: memoryview) -> int:
        """See `Incoming`; raises ConnectionError where the other went before the end."""
        if not self._left:
            return 0
        count = _fill(self._source, buffer[: self._left])
        self._left -= count
        return count


class Chunked:
    """Chunks, each with its size, of HTTP or of Amazon's own signing of a stream; what trails is read and forgotten."""

    def __init__(self, source: BufferedIOBase) -> None:
        self._source = source
        self._left = 0
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        """See `Incoming`."""
        if not self._left and not self._ended:
            self._next_chunk()
        if self._ended:
            return 0
        count = _fill(self._source, buffer[: self._left])
        self._left -= count
        if not self._left:
            self._source.readline()
        return count

    def _next_chunk(self) -> None:
        self._left = int(self._source.readline().partition(b";")[0], 16)
        if not self._left:
            self._ended = True
            while self._source.readline().strip():
                pass


def _fill(source: BufferedIOBase, buffer: memoryview) -> int:
    count = source.readinto(buffer)
    if not count:
        raise ConnectionError("the body ended early")
    return count


def measure(body: Incoming) -> Measured:
    """Reads it to its end."""
    digest, size, buffer = hashlib.md5(usedforsecurity=False), 0, memoryview(bytearray(BLOCK))
    while count := body.readinto(buffer):
        digest.update(buffer[:count])
        size += count
    return Measured(size, digest.digest())


def read_all(body: Incoming) -> bytes:
    """A small one."""
    buffer = memoryview(bytearray(BLOCK))
    return b"".join(bytes(buffer[:count]) for count in iter(lambda: body.readinto(buffer), 0))


def pieces(start: int, stop: int) -> Iterator[memoryview]:
    """Generated content of `start` to `stop`, in pieces of at most PERIOD bytes."""
    view = memoryview(_PATTERN)
    while start < stop:
        offset = start % PERIOD
        piece = view[offset : offset + stop - start]
        yield piece
        start += len(piece)


def generated(start: int, stop: int) -> bytes:
    """The bytes of every object from `start` to `stop`."""
    return b"".join(pieces(start, stop))
