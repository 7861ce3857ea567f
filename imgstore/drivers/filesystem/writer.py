"""An object being written to a datadir.

Atomic: bytes go into a staged file, are made durable, and get their name by one exclusive link; then the name is made
durable. Undone: an abort takes back the staged file, and the name too if this writer gave it - told by the inode, so
that another's object is never touched. Memory: nothing besides the caller's chunk, which is not copied; with `past`,
the buffers of one `DirectLane` for a file that does not go through the page cache whole.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver.writer import ObjectWriter
from imgstore.drivers.filesystem.direct import Buffers, DirectLane
from imgstore.drivers.filesystem.directory import Directory, info_of
from imgstore.drivers.filesystem.output import FileOutput
from imgstore.drivers.filesystem.page_cache import Claim
from imgstore.model import ObjectInfo


@dataclass(frozen=True, slots=True)
class PastTheCache:
    """How a long file goes past the page cache, and what of it may go through nevertheless; `claim` None: no more than
    the beginning of `buffers.start` bytes."""

    buffers: Buffers
    claim: Claim | None = None

    def room(self) -> int:
        """Bytes of the file that may go through the cache. It may be more when they are written and it is asked
        again."""
        return self.buffers.start if self.claim is None else self.claim.room(self.buffers.start)


class FileWriter(ObjectWriter):
    """Writes one file. Owns `directory` and the staged file of `output`, and the claim of `past`: all are given back
    however it ends. `past` None: all of it goes through the page cache."""

    def __init__(
        self, key: str, *, directory: Directory, output: FileOutput, past: PastTheCache | None, fsync: bool
    ) -> None:
        self._key = key
        self._directory = directory
        self._staged = output.staged
        self._output = output
        self._past = past
        self._cached = sys.maxsize if past is None else past.buffers.start
        self._fsync = fsync
        self._lane: DirectLane | None = None
        self._offset = 0

    def _write(self, chunk: bytes | memoryview) -> None:
        data = memoryview(chunk)
        if self._past is not None and self._offset + len(data) > self._cached:
            data = self._leave_cache(data, self._past)
        if self._lane is not None and self._lane.refused:
            self._end_direct()
        if self._lane is None:
            self._output.write(data, self._offset)
        else:
            self._lane.write(data)
        self._offset += len(data)

    def _commit(self) -> ObjectInfo:
        self._end_direct()
        self._output.end_at(self._offset)
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
        self._end_claim()
        return info

    def _abort(self) -> None:
        with contextlib.ExitStack() as steps:
            steps.callback(self._end_claim)
            steps.callback(self._directory.close)
            steps.callback(self._staged.discard)
            if self._lane is not None:
                self._lane.cancel()
            self._directory.reopen()
            if self._staged.unlink_if_linked(self._key) and self._fsync:
                self._directory.sync()

    def _link(self) -> None:
        try:
            self._staged.link(self._key)
        except FileExistsError as error:
            raise errors.ObjectExists("An object with that key exists already.") from error

    def _leave_cache(self, data: memoryview, past: PastTheCache) -> memoryview:
        """Unless `data` may go through the cache: writes what may, and begins the lane for what may not. Returns the
        rest. It is begun once."""
        if self._fits_in_cache(self._offset + len(data), past):
            return data
        head = self._cached - self._offset
        self._cached = sys.maxsize
        self._output.write(data[:head], self._offset)
        self._offset += head
        self._lane = DirectLane.begun(self._output, past.buffers, offset=self._offset)
        return data[head:]

    def _fits_in_cache(self, total: int, past: PastTheCache) -> bool:
        while self._cached < total:
            room = past.room()
            if room == self._cached:
                return False
            self._cached = room
        return True

    def _end_claim(self) -> None:
        if self._past is not None and self._past.claim is not None:
            self._past.claim.end()

    def _end_direct(self) -> None:
        if self._lane is not None:
            self._lane.finish()
            self._lane = None
