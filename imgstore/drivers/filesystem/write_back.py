"""Early write-back: the disk begins while bytes still arrive, so that the fsync at the end is short.

Every WINDOW bytes the kernel is asked to start writing what it has, without being waited for. Where libc has
sync_file_range that is what asks; it leaves the pages in memory, for the download that often follows. Elsewhere
posix_fadvise(DONTNEED) has the same effect, but drops pages that are written already.

It is advice: where it is not supported it is not given. Only an error of the disk itself is raised, because the kernel
may report it once only and the fsync would then succeed.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from typing import TypeAlias

from imgstore.model import MIB

WINDOW = 16 * MIB

Start: TypeAlias = "Callable[[int, int, int], None]"
"""Descriptor, offset and length in bytes. Raises OSError."""

_DISK_ERRORS = {errno.EIO, errno.ENOSPC, errno.EDQUOT}
_SYNC_FILE_RANGE_WRITE = 2


def by_fadvise(fd: int, offset: int, length: int) -> None:
    """See Start."""
    os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def _by_sync_file_range() -> Start | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def start(fd: int, offset: int, length: int) -> None:
        if function(fd, offset, length, _SYNC_FILE_RANGE_WRITE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return start


start_writing: Start = _by_sync_file_range() or by_fadvise


class WriteBack:
    """Starts writing out one file, window by window. `start` is what asks the kernel."""

    def __init__(self, fd: int, *, start: Start | None = None) -> None:
        self._fd = fd
        self._start = start or start_writing
        self._begun = 0

    def reached(self, offset: int) -> None:
        """The file is written up to `offset`. Raises OSError if the disk failed."""
        if offset - self._begun < WINDOW:
            return
        begun, self._begun = self._begun, offset
        try:
            self._start(self._fd, begun, offset - begun)
        except OSError as error:
            if error.errno in _DISK_ERRORS:
                raise
