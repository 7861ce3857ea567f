"""Objects being written: a file under a hidden name that gets its own in the end, or an upload that is ended then.

Whether an object is this writer's is told by its etag, which a file keeps when it is renamed. What a commit that failed
half-way may have made is removed by that, and nothing else is; where object storage did not tell the etag, the abort
says that something may be left. Memory: GATHERED bytes and a chunk, and what the filesystem's file buffers; WebDAV's
keeps the whole image in a temporary file on this machine, until it is committed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from imgstore import errors
from imgstore.driver import ObjectWriter, undo_soon
from imgstore.drivers.fsspec import naming
from imgstore.drivers.fsspec.filesystems import MOMENT, Filesystems, Lent
from imgstore.drivers.fsspec.infos import described, etag_of, size_of
from imgstore.model import MIB, ObjectInfo

GATHERED = 64 * 1024
"""Bytes of small chunks that are handed over at a time."""
A_PATIENCE = 64 * MIB
"""Bytes for which the end of an image may take as long as any other call."""


class FileWriter(ObjectWriter):
    """One file. `staged`: whether it is written under a hidden name."""

    def __init__(
        self, filesystems: Filesystems, protocol: str, root: str, key: str, *, staged: bool, patience: float
    ) -> None:  # fmt: skip
        self._filesystems = filesystems
        self._protocol = protocol
        self._key = key
        self._path = f"{root}/{key}"
        self._written = f"{root}/{naming.hidden_name(key)}" if staged else self._path
        self._patience = patience
        self._lent = Lent(filesystems)
        self._file: Any = None
        self._gathered = bytearray()
        self._etag: str | None = None
        self._committing = False
        with contextlib.ExitStack() as refused:
            refused.callback(self._lent.give_back)
            self._lent.call("opening for writing", self._open)
            refused.pop_all()

    def _open(self, filesystem: Any) -> None:
        naming.refuse_taken(filesystem, self._path)
        self._file = filesystem.open(self._written, "wb", **({} if self._staged else {"autocommit": False}))
        pipelined = getattr(self._file, "set_pipelined", None)
        if pipelined is not None:  # SFTP's waits for the answer to every 32 KiB otherwise
            pipelined(True)

    @property
    def _staged(self) -> bool:
        return self._written != self._path

    def _write(self, chunk: bytes | memoryview) -> None:
        """A call costs a thread, so small chunks are gathered."""
        self._gathered += chunk
        if len(self._gathered) >= GATHERED:
            self._hand_over()

    def _hand_over(self) -> None:
        """A call that is left may go on with the bytes, so they are its own."""
        data, self._gathered = self._gathered, bytearray()
        self._lent.call("writing", lambda _: self._file.write(data))

    def _commit(self) -> ObjectInfo:
        if self._gathered:
            self._hand_over()
        patience = self._patience * (1 + self.total // A_PATIENCE)
        info = self._lent.call("committing", self._ended if self._staged else self._uploaded, patience=patience)
        self._etag = info.etag
        self._lent.give_back()
        return info

    def _ended(self, filesystem: Any) -> ObjectInfo:
        self._end_file()
        found = filesystem.info(self._written)
        if size_of(found) != self.total:
            raise errors.IntegrityError(f"The store holds {size_of(found)} bytes, {self.total} were sent.")
        self._etag, self._committing = etag_of(found), True
        naming.give_name(self._protocol, filesystem, self._written, self._path)
        return self._expected(filesystem.info(self._path))

    def _uploaded(self, filesystem: Any) -> ObjectInfo:
        naming.refuse_taken(filesystem, self._path)
        self._committing = True
        self._file.close()
        self._file.commit()
        filesystem.invalidate_cache()
        return self._expected(filesystem.info(self._path))

    def _expected(self, info: Mapping[str, Any]) -> ObjectInfo:
        """What has the name now. Raises ObjectExists if that is another's, which a filesystem let replace this one: it
        is not taken for this writer's, and not removed."""
        if size_of(info) != self.total:
            raise errors.ObjectExists("Another object is there under that key.")
        return described(self._key, info)

    def _end_file(self) -> None:
        if self._protocol in {"file", "local"}:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def _abort(self) -> None:
        undo_soon(f"what was written of object {self._key}", self._undo)

    def _undo(self) -> None:
        with contextlib.suppress(errors.StoreError):  # what is left of it is removed by another connection
            self._lent.call("aborting", lambda _: self._discard(), patience=MOMENT)
        self._lent.give_back()
        self._filesystems.call("aborting", self._remove)

    def _discard(self) -> None:
        """The file's own way to forget what it has; one that is closed, or collected, would be committed."""
        discard = getattr(self._file, "discard", None)
        if self._staged and discard is None:
            self._file.close()
        elif discard is not None and not self._file.closed:
            discard()
            self._file.closed = True

    def _remove(self, filesystem: Any) -> None:
        if self._staged:
            with contextlib.suppress(FileNotFoundError):
                filesystem.rm_file(self._written)
        if self._committing:
            with contextlib.suppress(FileNotFoundError):
                found = etag_of(filesystem.info(self._path))
                if self._etag is None:
                    raise errors.StoreUnavailable("Image storage did not say whose the object is that is there.")
                if found == self._etag:
                    filesystem.rm_file(self._path)
