"""Bytes to their place in the staged file: within the reserve, zeros left out where the file is thin, through the page
cache or past it.

Past the page cache (O_DIRECT) is a state of the open file, entered and left between writes. It is an attempt: what the
filesystem does not take that way, or takes in part only, goes through the page cache, which also finds out what is
wrong; so a full disk or a failing one is told in the same words either way.

What this module refuses to do: know threads, or see that offsets and buffers are aligned. One thread at a time uses it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator

from imgstore.drivers.filesystem.space import ReserveGuard
from imgstore.drivers.filesystem.staging import Staged

BLOCK = 64 * 1024
PIECE = 256 * 1024  # for larger writes Linux looks for larger pages, which costs it more than the system calls do
_ZEROS = bytes(BLOCK)
_REFUSED = {errno.EINVAL, errno.EOPNOTSUPP}


class FileOutput:
    """Writes into one staged file. `direct`: whether writes go past the page cache now."""

    def __init__(self, staged: Staged, guard: ReserveGuard, *, thin: bool) -> None:
        self._staged = staged
        self._guard = guard
        self._thin = thin
        self.direct = False

    def write(self, data: memoryview, offset: int) -> None:
        """Writes `data` at `offset` (bytes). Raises StoreFull for the reserve, OSError for what the system says."""
        if not self._thin:
            self._put(data, offset)
            return
        for start, stop in _runs(data, offset):
            self._put(data[start:stop], offset + start)

    def end_at(self, size: int) -> None:
        """After the last write: `size` bytes, where zeros that were left out at the end do not count yet."""
        if self._thin:
            os.ftruncate(self._staged.fd, size)

    def enter_direct(self) -> None:
        """From now on writes go past the page cache, if the filesystem lets them; `direct` says so."""
        try:
            self._set_direct(True)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise

    def leave_direct(self) -> None:
        """From now on writes go through the page cache. Raises OSError."""
        if self.direct:
            self._set_direct(False)

    def _set_direct(self, on: bool) -> None:
        # By the flag of the open file: another descriptor would need /proc, and a mode that lets the owner write.
        flags = fcntl.fcntl(self._staged.fd, fcntl.F_GETFL)
        fcntl.fcntl(self._staged.fd, fcntl.F_SETFL, flags | os.O_DIRECT if on else flags & ~os.O_DIRECT)
        self.direct = on

    def _put(self, data: memoryview, offset: int) -> None:
        self._guard.admit(len(data))
        if self.direct:
            done = self._put_directly(data, offset)
            data, offset = data[done:], offset + done
        while data:
            written = os.pwrite(self._staged.fd, data[:PIECE], offset)
            if written == 0:
                raise OSError(errno.EIO, "the filesystem takes no more bytes and does not say why")
            data, offset = data[written:], offset + written

    def _put_directly(self, data: memoryview, offset: int) -> int:
        """How many bytes the filesystem took. Unless it took all, the rest of the file goes through the page cache."""
        try:
            written = os.pwrite(self._staged.fd, data, offset)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            written = 0
        if written < len(data):
            self.leave_direct()
        return written


def _runs(data: memoryview, offset: int) -> Iterator[tuple[int, int]]:
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
