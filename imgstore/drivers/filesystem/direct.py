"""Past the page cache: the long middle of a large file is written with O_DIRECT, on a thread of its own.

Through the page cache every page is looked for, filled and given back, which costs the kernel more than the
digests leave of two cores; and a large image drives everything else out of the cache. The first `start` bytes of a file
go through the cache, so a small image never starts a thread; so does what does not fill a buffer at the end.

Memory: at most `count` buffers of `size` bytes for an upload longer than `start`, none for a shorter one. The
owner's thread copies chunks into a buffer (O_DIRECT needs aligned memory) and waits while all of them are being
written; they are made when they are first needed and serve again.

One thread owns a lane; `finish` and `cancel` return when the lane's own thread has ended. What fails on that thread is
raised on the owner's, at its next call. Where the filesystem refuses a write, the rest of the file goes through the
page cache.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import fcntl
import mmap
import os
import threading
from dataclasses import dataclass

from imgstore.drivers.filesystem.options import AUTO, ON
from imgstore.drivers.filesystem.output import FileOutput, runs
from imgstore.model import MIB

_REFUSED = {errno.EINVAL, errno.EOPNOTSUPP}


@dataclass(frozen=True, slots=True)
class Buffers:
    """Bytes that go through the page cache first, bytes of a buffer, and how many there are.

    `start` and `size` are multiples of 64 KiB: no filesystem asks for more alignment.
    """

    start: int = 16 * MIB
    size: int = 4 * MIB
    count: int = 2


def wanted(choice: str, *, fsync: bool, device: int) -> bool:
    """What an option's value means for a file on `device`.

    AUTO: where the disk is waited for in any case (fsync), and on a filesystem that has a disk of its own (ext4, XFS).
    The others - network filesystems, Btrfs, ZFS, memory - have a device number without a driver; most of them take
    O_DIRECT, but pass it on as a write-through, copy once more, or do without checksums.
    """
    return choice == ON or (choice == AUTO and fsync and os.major(device) != 0)


class DirectLane:
    """Writes what comes from `offset` on. Nobody else uses `output` until `finish` or `cancel` has returned."""

    def __init__(self, output: FileOutput, buffers: Buffers, *, offset: int) -> None:
        self.refused = False
        """Whether the filesystem does not take it: the owner had better `finish` and go on without a lane."""
        self._output = output
        self._fd = output.staged.fd
        self._buffers = buffers
        self._offset = offset
        self._buffer: mmap.mmap | None = None
        self._filled = 0
        self._made = 0
        self._spare: list[mmap.mmap] = []
        self._full: collections.deque[tuple[mmap.mmap, int]] = collections.deque()
        self._ending = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="imgstore-direct", daemon=True)

    @classmethod
    def begun(cls, output: FileOutput, buffers: Buffers, *, offset: int) -> DirectLane | None:
        """A lane for the rest of the file; None where the filesystem has none. Raises OSError."""
        lane = cls(output, buffers, offset=offset)
        try:
            lane._set_direct(True)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            return None
        return lane

    def write(self, data: memoryview) -> None:
        """Copies the next bytes of the file. Raises what failed meanwhile."""
        while data:
            buffer = self._buffer
            if buffer is None:
                buffer = self._buffer = self._take()
            count = min(len(data), self._buffers.size - self._filled)
            buffer[self._filled : self._filled + count] = data[:count]
            self._filled += count
            data = data[count:]
            if self._filled == self._buffers.size:
                self._hand_over(buffer)

    def finish(self) -> None:
        """Everything is written; what is in the last buffer through the page cache. Raises what failed."""
        self._end()
        self._raise_failure()
        self._leave_direct()
        if self._buffer is not None:
            self._output.write(memoryview(self._buffer)[: self._filled], self._offset)

    def cancel(self) -> None:
        """Nothing more is written. The buffers go now, and not when the writer or an error raised here is forgotten."""
        with self._changed:
            self._full.clear()
        self._end()
        self._buffer = self._failure = None
        self._spare.clear()

    def _take(self) -> mmap.mmap:
        """A buffer to fill; waits while all are being written."""
        with self._changed:
            self._changed.wait_for(lambda: self._spare or self._made < self._buffers.count or self._failure)
            self._raise_failure()
            if self._spare:
                return self._spare.pop()
        self._made += 1
        return _aligned(self._buffers.size)

    def _hand_over(self, buffer: mmap.mmap) -> None:
        with self._changed:
            self._raise_failure()
            self._full.append((buffer, self._offset))
            self._changed.notify_all()
        self._offset += self._filled
        self._buffer, self._filled = None, 0
        if self._thread.ident is None:
            self._thread.start()

    def _run(self) -> None:
        try:
            while (found := self._next()) is not None:
                buffer, offset = found
                self._write_out(memoryview(buffer), offset)
                with self._changed:
                    self._spare.append(buffer)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the owner's thread
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _write_out(self, data: memoryview, offset: int) -> None:
        if not self._output.thin:
            self._put(data, offset)
            return
        for start, stop in runs(data, offset):
            self._put(data[start:stop], offset + start)

    def _put(self, data: memoryview, offset: int) -> None:
        if self._output.reserve is not None:
            self._output.reserve.admit(len(data))
        done = 0
        if not self.refused:
            try:
                done = os.pwrite(self._fd, data, offset)
            except OSError as error:
                if error.errno not in _REFUSED:
                    raise
        if done < len(data):
            self._leave_direct()
            self._output.put(data[done:], offset + done)

    def _set_direct(self, on: bool) -> None:
        # By the flag of the open file: another descriptor would need /proc, and a mode that lets the owner write.
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | os.O_DIRECT if on else flags & ~os.O_DIRECT)

    def _leave_direct(self) -> None:
        """From now on writes go through the page cache. Raises OSError."""
        if not self.refused:
            self._set_direct(False)
            self.refused = True

    def _next(self) -> tuple[mmap.mmap, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._full or self._ending)
            return self._full.popleft() if self._full else None

    def _end(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _aligned(size: int) -> mmap.mmap:
    """Memory that begins at a page. Large pages, where there are any, make fewer pieces for the disk."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
