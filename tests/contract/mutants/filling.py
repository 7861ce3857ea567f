"""Drivers of a directory that do the wrong thing when the disk is full, and a right one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver, check_key
from imgstore.model import ObjectInfo
from imgstore.testing import Subject

LAW = "test_full_disk_leaves_nothing_of_an_object"
FILLING: list[tuple[type[FileDriver], str]] = []
"""Mutants, and what is said of each."""

M = TypeVar("M", bound="type[FileDriver]")


class FileWriter(ObjectWriter):
    """Writes beside, and links when it is done."""

    def __init__(self, path: Path) -> None:
        self.path, self.staged = path, path.with_name(f".{uuid.uuid4().hex}")
        self.file = self.staged.open("xb", buffering=0)

    def _write(self, chunk: bytes | memoryview) -> None:
        view = memoryview(chunk)
        while view:
            view = view[self.file.write(view) :]

    def _commit(self) -> ObjectInfo:
        os.link(self.staged, self.path)
        self._abort()
        return ObjectInfo(self.path.name, self.total)

    def _abort(self) -> None:
        self.file.close()
        self.staged.unlink(missing_ok=True)


class FileReader(ObjectReader):
    def __init__(self, path: Path, info: ObjectInfo, start: int) -> None:
        self.info, self.data = info, path.read_bytes()[start:]

    def _read(self, size: int) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        return data

    def _close(self) -> None:
        """Nothing is open."""


class FileDriver(StoreDriver):
    OPTIONS = ()
    WRITER: ClassVar[type[FileWriter]] = FileWriter

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """It is there."""

    def url(self, key: str) -> str:
        return f"file-of-a-mutant:{check_key(key)}"

    def key_from_url(self, url: str) -> str:
        return check_key(url.rpartition(":")[2])

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return self.WRITER(self.root / key)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return FileReader(self.root / key, self._stat(key), start)

    def _stat(self, key: str) -> ObjectInfo:
        try:
            return ObjectInfo(key, (self.root / key).stat().st_size)
        except FileNotFoundError:
            raise errors.ObjectNotFound("No object is there under that key.") from None

    def _delete(self, key: str) -> None:
        self._stat(key)
        (self.root / key).unlink()


class FileSubject(Subject):
    """Drivers of one class on one directory."""

    arrives_within = 0.0

    def __init__(self, driver: type[FileDriver], root: Path) -> None:
        self.driver, self.root = driver, root

    def open(self) -> FileDriver:
        return self.driver(self.root)

    def broken(self) -> FileDriver:
        return self.driver(self.root / "gone")

    def inventory(self) -> set[str]:
        return set(os.listdir(self.root))


def caught(told: str) -> Callable[[M], M]:
    """Registers a mutant, which the law catches for this."""

    def register(mutant: M) -> M:
        FILLING.append((mutant, told))
        return mutant

    return register


@caught("an object is visible whose disk ran full")
class LeavesATruncatedObject(FileDriver):
    class WRITER(FileWriter):
        """Writes under the key itself. What is there is the object's if it was written to the end."""

        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self.chunks: list[bytes] = []
            self.made = False

        def _write(self, chunk: bytes | memoryview) -> None:
            self.chunks.append(bytes(chunk))

        def _commit(self) -> ObjectInfo:
            self.path.write_bytes(b"".join(self.chunks))
            self.made = True
            super()._abort()
            return ObjectInfo(self.path.name, self.total)

        def _abort(self) -> None:
            super()._abort()
            if self.made:
                self.path.unlink()


@caught("stat tells another size")
class TakesAShortWriteForAWholeOne(FileDriver):
    class WRITER(FileWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            self.file.write(chunk)


@caught("too much, and [] too little")
class LeavesItsFileWhereTheDiskIsFull(FileDriver):
    class WRITER(FileWriter):
        failed = False

        def _write(self, chunk: bytes | memoryview) -> None:
            self.failed = True
            super()._write(chunk)
            self.failed = False

        def _abort(self) -> None:
            self.file.close()
            self.staged.unlink() if not self.failed else None


@caught("a full disk is no StoreFull")
class BlamesTheClientForAFullDisk(FileDriver):
    class WRITER(FileWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            try:
                super()._write(chunk)
            except OSError:
                raise errors.ImageTooLarge("The image is larger than the disk.") from None
