"""Early write-back: the disk begins while bytes still arrive, so that the fsync at the end is short.

The kernel is asked to start writing what it has, without being waited for. Where libc has
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

Start: TypeAlias = "Callable[[int, int, int], None]"
"""Descriptor, offset and length in bytes. Raises OSError."""

_DISK_ERRORS = {errno.EIO, errno.ENOSPC, errno.EDQUOT}
_SYNC_FILE_RANGE_WRITE = 2


def by_fadvise(fd: int, offset: int, length: int) -> None:
    """Drops pages that are written already, and starts on the others."""
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


def begin(fd: int, offset: int, length: int) -> None:
    """Asks the kernel to write out `length` bytes from `offset` on. Raises OSError if the disk failed."""
    try:
        start_writing(fd, offset, length)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise
