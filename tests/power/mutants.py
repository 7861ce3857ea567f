"""Drivers that leave a step out, each of which loses something in a power cut. The test must find every one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from imgstore.drivers.filesystem import FilesystemDriver, check
from imgstore.drivers.filesystem.directory import Directory
from imgstore.drivers.filesystem.writer import FileWriter
from imgstore.model import ObjectInfo
from tests.filesystem.support import Named, Unnamed


class Mutant(FilesystemDriver):
    """Writes with a writer of its own."""

    WRITER: type[FileWriter] = FileWriter

    def _open_writer(self, key: str, size: int | None) -> FileWriter:
        writer = super()._open_writer(key, size)
        writer.__class__ = self.WRITER
        return writer


class _NoFileSync(FileWriter):
    def _commit(self) -> ObjectInfo:
        self._fsync = False
        info = super()._commit()
        self._directory.reopen()
        self._directory.sync()
        self._directory.close()
        return info


class _NoDirectorySync(FileWriter):
    def _commit(self) -> ObjectInfo:
        with _no_directory_sync():
            return super()._commit()


class _LinkBeforeSync(FileWriter):
    def _commit(self) -> ObjectInfo:
        self._link()
        return super()._commit()


class _AbortWithoutSync(FileWriter):
    def _abort(self) -> None:
        self._fsync = False
        super()._abort()


class WithoutFileSync(Mutant, Unnamed):
    WRITER = _NoFileSync


class WithoutFileSyncNamed(Mutant, Named):
    WRITER = _NoFileSync


class WithoutDirectorySync(Mutant, Unnamed):
    WRITER = _NoDirectorySync


class WithoutDirectorySyncNamed(Mutant, Named):
    WRITER = _NoDirectorySync


class LinkBeforeSync(Mutant, Unnamed):
    WRITER = _LinkBeforeSync


class LinkBeforeSyncNamed(Mutant, Named):
    WRITER = _LinkBeforeSync


class AbortWithoutSync(Mutant, Unnamed):
    WRITER = _AbortWithoutSync


class DeleteWithoutSync(Unnamed):
    def _delete(self, key: str) -> None:
        with _no_directory_sync():
            super()._delete(key)


class MissWithoutSync(Unnamed):
    """A deletion that finds no object does not ask whether its removal was synced."""

    def _delete(self, key: str) -> None:
        self._stat(key)
        super()._delete(key)


class ParentsWithoutSync(Unnamed):
    """Nobody makes the name of a new datadir durable."""

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "_sync_name", lambda path: None)
            return super().write_mark(mark, replace=replace)


class DatadirOfFailedStart(Unnamed):
    """A datadir that a failed start made is taken as it is."""

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "_is_empty", lambda path: False)
            return super().write_mark(mark, replace=replace)


MUTANTS: Sequence[type[FilesystemDriver]] = (
    WithoutFileSync, WithoutFileSyncNamed, WithoutDirectorySync, WithoutDirectorySyncNamed, LinkBeforeSync,
    LinkBeforeSyncNamed, AbortWithoutSync, DeleteWithoutSync, MissWithoutSync, ParentsWithoutSync, DatadirOfFailedStart,
)  # fmt: skip


@contextlib.contextmanager
def _no_directory_sync() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Directory, "sync", lambda directory: None)
        yield
