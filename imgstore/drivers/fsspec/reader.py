"""Objects being read, pinned to the one that was opened (law "never end short in silence").

An open file of a filesystem that renames is the object that it was opened as, so its etag is compared once, afterwards.
What has no such files is asked for pieces, and the etag is compared after each. Memory: PIECE bytes, and what the
filesystem's file buffers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from imgstore import errors
from imgstore.driver import Opened, RangedReader
from imgstore.drivers.fsspec import naming
from imgstore.drivers.fsspec.filesystems import MOMENT, Filesystems, Lent
from imgstore.drivers.fsspec.infos import etag_of
from imgstore.model import MIB, ObjectInfo

PIECE = MIB
PARTIAL = 206


class FileBody:
    """The bytes `start` to `stop` of one file."""

    def __init__(self, filesystems: Filesystems, path: str, info: ObjectInfo, start: int, stop: int) -> None:
        self._path = path
        self._info = info
        self._at = start
        self._stop = stop
        self._lent = Lent(filesystems)
        self._file: Any = None
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """See Body."""
        if not self._rest and self._at < self._stop:
            data = self._lent.call("reading", self._piece)
            self._at += len(data)
            self._rest = memoryview(data)
        found, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return found

    def close(self) -> None:
        """See Body."""
        if not self._lent.is_over and self._file is not None:
            with contextlib.suppress(errors.StoreError):  # it is read, and the connection is thrown away
                self._lent.call("closing", lambda _: self._file.close(), patience=MOMENT)
        self._lent.give_back()
        self._rest = memoryview(b"")

    def _piece(self, filesystem: Any) -> bytes:
        if self._file is None:
            self._file = filesystem.open(self._path, "rb")
            if self._at:
                self._file.seek(self._at)
            self._expect_object(filesystem)
        return bytes(self._file.read(min(PIECE, self._stop - self._at)))

    def _expect_object(self, filesystem: Any) -> None:
        """It is the object, if it is the object now: the etag was this one before, too."""
        if etag_of(filesystem.info(self._path)) != self._info.etag:
            raise errors.ObjectChanged("The object changed in the store.")


class PiecesBody(FileBody):
    """The same of an object that is asked for by ranges."""

    def _piece(self, filesystem: Any) -> bytes:
        stop = min(self._at + PIECE, self._stop)
        data = self._asked(filesystem, self._at, stop)
        if len(data) > stop - self._at:  # some ignore a range, and send the object from its beginning
            raise errors.IntegrityError("Image storage sends more than it was asked for.")
        filesystem.invalidate_cache()
        self._expect_object(filesystem)
        return data

    def _asked(self, filesystem: Any, start: int, stop: int) -> bytes:
        return bytes(filesystem.cat_file(self._path, start=start, end=stop))


class WebdavBody(PiecesBody):
    """The same by WebDAV, whose open files leave a connection behind at each seek."""

    def _asked(self, filesystem: Any, start: int, stop: int) -> bytes:
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        answer = filesystem.client.request("GET", self._path, headers=headers)
        if answer.status_code != PARTIAL:
            raise errors.StoreUnavailable("Image storage does not serve ranges.")
        return bytes(answer.content)


def body_of(protocol: str) -> type[FileBody]:
    """How the bytes of an object are had."""
    return WebdavBody if protocol in naming.WEBDAV else PiecesBody if protocol in naming.FLAT else FileBody


class FsspecReader(RangedReader):
    """One object. `body`: how its bytes are had."""

    def __init__(
        self, fetch: Callable[[int, int], FileBody], info: ObjectInfo, start: int, stop: int, *, patience: float
    ) -> None:
        super().__init__(Opened(info, fetch(start, stop), start, stop), stop=stop, fetch=fetch, patience=patience)
