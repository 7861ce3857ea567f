"""Where the house's stores keep their objects, and how a test looks at them behind the drivers' backs."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from imgstore.driver import StoreDriver
from imgstore.driver.place import NOTES
from imgstore.drivers.filesystem import FilesystemDriver
from tests.filesystem.support import Named

STORES = ("fast", "slow", "faulty", "frozen")


class Storage(ABC):
    """The places of the stores. Names of what is no object are those that no object can have."""

    @abstractmethod
    def driver(self, store: str) -> StoreDriver:
        """A driver for the store."""

    @abstractmethod
    def names(self) -> set[str]:
        """`store/name` of everything that is there: the keys of the objects, and other names for anything else."""

    @abstractmethod
    def content(self, store: str, key: str) -> bytes:
        """The bytes of an object."""

    @abstractmethod
    def replace(self, store: str, key: str, data: bytes) -> None:
        """Other bytes under the name of an object, as somebody puts them there."""

    @abstractmethod
    def without(self, store: str) -> AbstractContextManager[None]:
        """Inside, the store's place is gone."""


StorageFactory = Callable[[Path], AbstractContextManager[Storage]]


class DirectoryStorage(Storage):
    """A directory for each store. Some stage under hidden names: what is left behind there is seen."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @classmethod
    @contextlib.contextmanager
    def opened(cls, root: Path) -> Iterator[Storage]:
        """See StorageFactory."""
        yield cls(root)

    def driver(self, store: str) -> StoreDriver:
        kind = Named if store in {"fast", "faulty"} else FilesystemDriver
        return kind(datadir=str(self._root / store), fsync=False)

    def names(self) -> set[str]:
        found = {store: set(os.listdir(self._root / store)) - set(NOTES) for store in STORES}
        return {f"{store}/{name}" for store, names in found.items() for name in names}

    def content(self, store: str, key: str) -> bytes:
        return (self._root / store / key).read_bytes()

    def replace(self, store: str, key: str, data: bytes) -> None:
        path = self._root / store / key
        path.chmod(0o600)
        path.write_bytes(data)

    @contextlib.contextmanager
    def without(self, store: str) -> Iterator[None]:
        (self._root / store).rename(self._root / "elsewhere")
        try:
            yield
        finally:
            (self._root / "elsewhere").rename(self._root / store)
