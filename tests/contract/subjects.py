"""The subjects of the library's own drivers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from imgstore import errors
from imgstore.driver import StoreDriver
from imgstore.drivers.memory import MemoryDriver, MemoryObject, MemoryStorage
from imgstore.model import ObjectInfo
from imgstore.quota import Account, capacity_refusal
from imgstore.testing import Subject

SLACK = 128 * 1024
"""Bytes that have nothing to do with an object's."""


class UnreachableStorage(MemoryStorage):
    """Memory that cannot be reached."""

    def names(self) -> set[str]:
        raise errors.StoreUnavailable("The storage cannot be reached.")

    def infos(self) -> list[ObjectInfo]:
        raise errors.StoreUnavailable("The storage cannot be reached.")

    def get(self, key: str) -> MemoryObject:
        raise ConnectionRefusedError(111, "Connection refused")

    def create(self, key: str, data: bytes) -> ObjectInfo:
        raise ConnectionRefusedError(111, "Connection refused")

    def remove(self, key: str, *, etag: str | None = None) -> ObjectInfo:
        raise ConnectionRefusedError(111, "Connection refused")


class MemorySubject(Subject):
    """Drivers of one class on one memory; the broken one is on a memory that cannot be reached."""

    STORAGE: ClassVar[type[MemoryStorage]] = MemoryStorage
    NOWHERE: ClassVar[type[UnreachableStorage]] = UnreachableStorage
    arrives_within = 0.0
    shared = False

    def __init__(self, driver: type[MemoryDriver] = MemoryDriver) -> None:
        self.driver = driver
        self.storage = self.STORAGE()
        self.beside = self.STORAGE()

    def neighbour(self) -> MemoryDriver:
        return self.driver.on(self.beside)

    def server(self) -> str | None:
        return None

    def open(self) -> MemoryDriver:
        return self.driver.on(self.storage)

    def broken(self) -> MemoryDriver:
        return self.driver.on(self.NOWHERE())

    def limited(self, capacity: int) -> MemoryDriver:
        used = sum(info.size for info in self.storage.infos())
        self.storage.account = Account(capacity, used=used, refusal=capacity_refusal)
        return self.open()

    def memory(self, size: int) -> int | None:
        """The chunks, and the whole while they are joined."""
        return 2 * size + SLACK

    def inventory(self) -> set[str]:
        return self.storage.names()


class FilesystemSubject(Subject):
    """Drivers on one directory. The broken one's directory is below a file, where no directory can be."""

    borders = (4096, 64 * 1024)
    arrives_within = 0.0

    def __init__(
        self, root: Path, *, driver: Callable[..., StoreDriver], thin_provisioning: bool, direct_io: str
    ) -> None:  # fmt: skip
        self._driver = driver
        self._thin = thin_provisioning
        self._direct_io = direct_io
        self._datadir = root / "images"
        self._datadir.mkdir()
        (root / "file").touch()
        self._nowhere = root / "file" / "images"
        self.internals = (str(root),)

    def open(self) -> StoreDriver:
        return self._at(self._datadir)

    def broken(self) -> StoreDriver:
        return self._at(self._nowhere)

    def server(self) -> str | None:
        return None

    def neighbour(self) -> StoreDriver:
        beside = self._datadir.with_name("images-2")
        beside.mkdir()
        return self._at(beside)

    def limited(self, capacity: int) -> StoreDriver:
        return self._at(self._datadir, capacity=capacity)

    def memory(self, size: int) -> int:
        """Nothing besides a chunk: buffers past the page cache are no allocations of Python's."""
        return SLACK

    def _at(self, datadir: Path, *, capacity: int | None = None) -> StoreDriver:
        return self._driver(
            datadir=str(datadir), thin_provisioning=self._thin, direct_io=self._direct_io, capacity=capacity
        )

    def inventory(self) -> set[str]:
        return {str(path.relative_to(self._datadir)) for path in self._datadir.rglob("*")}
