"""What the tests of writing past the page cache share: contents, what is written how, and the threads that write."""

from __future__ import annotations

import fcntl
import os
import random
import threading
from collections.abc import Callable

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from tests.filesystem.support import Direct

BUFFERS = Direct.BUFFERS
START, SIZE = BUFFERS.start, BUFFERS.size
CONTENT = random.Random(1).randbytes(START + 5 * SIZE + 1001)
CHUNK = 10_000
Write = Callable[[int, memoryview, int], int]


class Writes:
    """What is written, and how: each call with its offset, its length and whether it goes past the page cache.

    A filesystem that refuses O_DIRECT is made to take it. `instead` writes in place of the calls past the cache.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, int, bool]] = []
        self.instead: Write | None = None
        self.real = os.pwrite
        self._direct: set[int] = set()
        self._fcntl = fcntl.fcntl
        patch.setattr(os, "pwrite", self._pwrite)
        patch.setattr(fcntl, "fcntl", self._set)

    @property
    def direct(self) -> list[tuple[int, int]]:
        """Offset and length of what went past the cache."""
        return [(offset, length) for offset, length, direct in self.calls if direct]

    def _set(self, fd: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL:
            (self._direct.add if flags & os.O_DIRECT else self._direct.discard)(fd)
        try:
            return self._fcntl(fd, command, flags)
        except OSError:
            return 0

    def _pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        direct = fd in self._direct
        self.calls.append((offset, len(data), direct))
        return (self.instead if direct and self.instead else self.real)(fd, data, offset)


def lanes() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "imgstore-direct"]


def put_in_chunks(driver: FilesystemDriver, content: bytes, *, chunk: int = CHUNK) -> None:
    """Out of one buffer that is filled again and again, as a host does that reads into its own."""
    buffer = bytearray(chunk)
    with driver.open_writer("image") as writer:
        for start in range(0, len(content), chunk):
            piece = content[start : start + chunk]
            buffer[: len(piece)] = piece
            writer.write(memoryview(buffer)[: len(piece)])
        assert writer.commit().size == len(content)


def failing(number: int) -> Write:
    def write(fd: int, data: memoryview, offset: int) -> int:
        raise OSError(number, os.strerror(number))

    return write
