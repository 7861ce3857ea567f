"""Bytes to their place in the staged file, through the page cache: within the reserve, zeros left out where it is thin.

One thread at a time uses an output. A short write is written on, which also finds out what is wrong; so a full disk or
a failing one is told in the same words either way.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from imgstore.drivers.filesystem import write_back
from imgstore.drivers.filesystem.space import Reserve
from imgstore.drivers.filesystem.staging import Staged
from imgstore.model import MIB

BLOCK = 64 * 1024
PIECE = 128 * 1024  # for larger writes Linux looks for larger pages, which costs it more than the system calls do
WINDOW = 16 * MIB  # bytes after which the disk is asked to begin
_ZEROS = bytes(BLOCK)


class FileOutput:
    """Writes into one staged file. `reserve`: room to be kept (None: none); `early`: whether the disk begins while
    bytes still arrive, so that the fsync at the end is short."""

    def __init__(self, staged: Staged, *, reserve: Reserve | None, thin: bool, early: bool) -> None:
        self.staged = staged
        self.reserve = reserve
        self.thin = thin
        self._early = early
        self._begun = 0

    def write(self, data: memoryview, offset: int) -> None:
        """Writes `data` at `offset` (bytes). Raises StoreFull for the reserve, OSError for what the system says."""
        if self.thin:
            for start, stop in runs(data, offset):
                self.put(data[start:stop], offset + start)
        else:
            self.put(data, offset)
        reached = offset + len(data)
        if self._early and reached - self._begun >= WINDOW:
            begun, self._begun = self._begun, reached
            write_back.begin(self.staged.fd, begun, reached - begun)

    def put(self, data: memoryview, offset: int) -> None:
        """Writes all of `data`, zeros too."""
        if self.reserve is not None:
            self.reserve.admit(len(data))
        while data:
            written = os.pwrite(self.staged.fd, data[:PIECE], offset)
            if written == 0:
                raise OSError(errno.EIO, "the filesystem takes no more bytes and does not say why")
            data, offset = data[written:], offset + written

    def end_at(self, size: int) -> None:
        """After the last write: `size` bytes, where zeros that were left out at the end do not count yet."""
        if self.thin:
            os.ftruncate(self.staged.fd, size)


def runs(data: memoryview, offset: int) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of blocks that are not all zero; what is between them becomes a hole."""
    run = None
    position = 0
    while position < len(data):
        end = min(len(data), position + BLOCK - (offset + position) % BLOCK)
        # startswith compares memory with memory: no copy, and it ends at the first byte that differs.
        if not _ZEROS.startswith(data[position:end]):
            run = position if run is None else run
        elif run is not None:
            yield run, position
            run = None
        position = end
    if run is not None:
        yield run, len(data)
