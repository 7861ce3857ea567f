"""The bytes that every side stores: random, from memory, through a `read` that costs all of them the same copy.

Never through a disk: those who read a file have it in memory too, where there is room.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.body import MIB
from bench.machine import shared_memory

BLOCK = 64 * MIB


class Source:
    """A file of `size` bytes that is not on a disk: one block, again and again, each time from another offset."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._position = 0
        self._block = memoryview(random.Random(0).randbytes(min(size, BLOCK)) or b"\0")

    def read(self, size: int = -1) -> bytes:
        """The next bytes; empty at the end. As from a socket, they are new each time."""
        left = self.size - self._position
        wanted = left if size < 0 else min(size, left)
        pieces = list(self._pieces(wanted))
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def chunks(self, size: int = MIB) -> Iterator[bytes]:
        """All bytes that are left."""
        while chunk := self.read(size):
            yield chunk

    def _pieces(self, wanted: int) -> Iterator[memoryview]:
        while wanted > 0:
            lap, done = divmod(self._position, len(self._block))
            start = (done + lap * 4096) % len(self._block)
            piece = self._block[start : start + min(wanted, len(self._block) - done)]
            self._position += len(piece)
            wanted -= len(piece)
            yield piece


class Nowhere:
    """A file that takes everything, and counts it."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> int:
        """Takes `data`."""
        self.size += len(data)
        return len(data)


@contextlib.contextmanager
def image_file(size: int) -> Iterator[Path]:
    """The same bytes as a file, for the sides that read one."""
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=shared_memory(3 * size)) as work:
        source = Path(work) / "source"
        with source.open("wb") as file:
            file.writelines(Source(size).chunks())
        yield source
