"""An object being written to a datadir.

Law 1: bytes go into a staged file, are made durable, and get their name by one exclusive link; then the name is made
durable. Law 3: an abort takes back the staged file, and the name too if this writer gave it - told by the inode, so
that another's object is never touched. Memory (law 6): nothing besides the caller's chunk, which is not copied.
"""

from __future__ import annotations

import contextlib
import errno
import os

from imgstore import errors
from imgstore.drivers._fs_directory import Directory, info_of
from imgstore.drivers._fs_space import ReserveGuard
from imgstore.drivers._fs_staging import Staged
from imgstore.drivers._fs_writeback import WriteBack
from imgstore.model import ObjectInfo
from imgstore.writer import ObjectWriter

BLOCK = 64 * 1024
PIECE = 256 * 1024  # for larger writes Linux looks for larger pages, which costs it more than the system calls do
_ZEROS = bytes(BLOCK)


class FileWriter(ObjectWriter):
    """Writes one file. Owns `directory` and `staged`: both are given back however it ends."""

    def __init__(
        self, key: str, *, directory: Directory, staged: Staged, guard: ReserveGuard, thin: bool, fsync: bool,
    ) -> None:  # fmt: skip
        self._key = key
        self._directory = directory
        self._staged = staged
        self._guard = guard
        self._thin = thin
        self._fsync = fsync
        self._write_back = WriteBack(staged.fd)
        self._offset = 0

    def _write(self, chunk: bytes | memoryview) -> None:
        if self._thin:
            self._put_without_zeros(memoryview(chunk))
        else:
            self._put(chunk, self._offset)
        self._offset += len(chunk)
        if self._fsync:
            self._write_back.reached(self._offset)

    def _commit(self) -> ObjectInfo:
        if self._thin:
            os.ftruncate(self._staged.fd, self._offset)
        if self._fsync:
            # Not fdatasync: the time of the last write is part of the etag.
            os.fsync(self._staged.fd)
        info = info_of(self._key, os.fstat(self._staged.fd))
        if info.size != self._offset:
            raise errors.IntegrityError(f"The file has {info.size} bytes, {self._offset} were written.")
        self._directory.expect_in_place()
        self._link()
        if self._fsync:
            self._directory.sync()
        self._staged.close()
        self._directory.close()
        return info

    def _abort(self) -> None:
        with contextlib.ExitStack() as steps:
            steps.callback(self._directory.close)
            steps.callback(self._staged.discard)
            self._directory.reopen()
            if self._staged.unlink_if_linked(self._key) and self._fsync:
                self._directory.sync()

    def _link(self) -> None:
        try:
            self._staged.link(self._key)
        except FileExistsError as error:
            raise errors.ObjectExists("An object with that key exists already.") from error

    def _put(self, data: bytes | memoryview, offset: int) -> None:
        self._guard.admit(len(data))
        left = memoryview(data)
        while left:
            written = os.pwrite(self._staged.fd, left[:PIECE], offset)
            if written == 0:
                raise OSError(errno.EIO, "the filesystem takes no more bytes and does not say why")
            left = left[written:]
            offset += written

    def _put_without_zeros(self, data: memoryview) -> None:
        """Writes the runs of blocks that are not all zero; what is skipped becomes a hole."""
        run = None
        position = 0
        while position < len(data):
            end = min(len(data), position + BLOCK - (self._offset + position) % BLOCK)
            # startswith compares memory with memory: no copy, and it ends at the first byte that differs.
            if not _ZEROS.startswith(data[position:end]):
                run = position if run is None else run
            elif run is not None:
                self._put(data[run:position], self._offset + run)
                run = None
            position = end
        if run is not None:
            self._put(data[run:], self._offset + run)
