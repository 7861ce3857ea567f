"""An object being read from a datadir: pinned to its inode by the open descriptor, whatever happens to its name.

Memory: one chunk of at most `chunk_size` bytes, the caller's.
"""

from __future__ import annotations

import contextlib
import os

from imgstore.driver.reader import ObjectReader
from imgstore.drivers.filesystem.directory import close_quietly
from imgstore.model import ObjectInfo


class FileReader(ObjectReader):
    """Reads one file from `start` on. Owns the descriptor."""

    def __init__(self, fd: int, info: ObjectInfo, *, start: int, chunk_size: int) -> None:
        self._fd = fd
        self.info = info
        self._chunk_size = chunk_size
        with contextlib.suppress(OSError):
            os.posix_fadvise(fd, start, 0, os.POSIX_FADV_SEQUENTIAL)

    def _read(self, size: int) -> bytes:
        return os.pread(self._fd, min(size, self._chunk_size), self.position)

    def _descriptor(self) -> int | None:
        return self._fd if type(self) is FileReader else None  # another class may have other bytes than the file

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        close_quietly(fd)
