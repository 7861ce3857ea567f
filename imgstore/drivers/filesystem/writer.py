"""An object being written to a datadir.

Atomic: bytes go into a staged file, are made durable, and get their name by one exclusive link; then the name is made
durable. Undone: an abort takes back the staged file, and the name too if this writer gave it - told by the inode, so
that another's object is never touched. Memory: nothing besides the caller's chunk, which is not copied; with `direct`,
the buffers of one `DirectLane` for a file longer than `direct.start`.
"""

from __future__ import annotations

import contextlib
import os

from imgstore import errors
from imgstore.driver.writer import ObjectWriter
from imgstore.drivers.filesystem.direct import Buffers, DirectLane
from imgstore.drivers.filesystem.directory import Directory, info_of
from imgstore.drivers.filesystem.output import FileOutput
from imgstore.model import ObjectInfo


class FileWriter(ObjectWriter):
    """Writes one file. Owns `directory` and the staged file of `output`: both are given back however it ends. `direct`
    None: all of it goes through the page cache."""

    def __init__(
        self, key: str, *, directory: Directory, output: FileOutput, direct: Buffers | None, fsync: bool
    ) -> None:
        self._key = key
        self._directory = directory
        self._staged = output.staged
        self._output = output
        self._direct = direct
        self._fsync = fsync
        self._lane: DirectLane | None = None
        self._offset = 0

    def _write(self, chunk: bytes | memoryview) -> None:
        data = memoryview(chunk)
        if self._direct is not None and self._offset + len(data) > self._direct.start:
            data = self._begin_direct(data, self._direct)
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
        return info

    def _abort(self) -> None:
        with contextlib.ExitStack() as steps:
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

    def _begin_direct(self, data: memoryview, buffers: Buffers) -> memoryview:
        """Writes what is missing before the lane's part of the file, and begins the lane. Returns the rest. It is
        tried once."""
        self._direct = None
        head = buffers.start - self._offset
        self._output.write(data[:head], self._offset)
        self._offset += head
        self._lane = DirectLane.begun(self._output, buffers, offset=self._offset)
        return data[head:]

    def _end_direct(self) -> None:
        if self._lane is not None:
            self._lane.finish()
            self._lane = None
