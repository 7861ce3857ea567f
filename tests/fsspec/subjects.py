"""The subjects of the driver on fsspec's filesystems: each a directory, or what stands for one."""

from __future__ import annotations

import itertools
import json
import shutil
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import fsspec

from imgstore.driver import StoreDriver
from imgstore.drivers.fsspec import FsspecDriver
from imgstore.testing import Subject
from tests.fsspec.servers import PASSWORD, USER, Served

NOWHERE = "sftp://127.0.0.1:1/images"
BROKEN = json.dumps({"username": USER, "password": PASSWORD})
_numbers = itertools.count(1)


class FsspecSubject(Subject):
    """A store in a directory, and another one beside."""

    borders = (64 * 1024,)
    arrives_within = 0.0
    internals: tuple[str, ...] = ("127.0.0.1",)
    options: str | None = None

    def open(self) -> StoreDriver:
        return FsspecDriver(url=self.url(""), storage_options=self.options, patience=20.0)

    def neighbour(self) -> StoreDriver:
        return FsspecDriver(url=self.url("-2"), storage_options=self.options, patience=20.0)

    def broken(self) -> StoreDriver:
        return FsspecDriver(url=NOWHERE, storage_options=BROKEN, patience=20.0)

    def server(self) -> None:
        """What is fsspec's is not broken here, request by request."""

    @abstractmethod
    def url(self, suffix: str) -> str:
        """Of the store, or with a suffix of the one beside."""


class MemorySubject(FsspecSubject):
    """fsspec's memory."""

    shared = False

    def __init__(self) -> None:
        self.name = f"images-{next(_numbers)}"

    def url(self, suffix: str) -> str:
        return f"memory://{self.name}{suffix}"

    def inventory(self) -> set[str]:
        store: Mapping[str, object] = fsspec.filesystem("memory").store
        head = f"/{self.name}/"
        return {path.removeprefix(head) for path in store if path.startswith(head)}


class DirectorySubject(FsspecSubject):
    """A directory of this machine, however it is reached."""

    def __init__(self, root: Path, served: Served | None = None) -> None:
        self._root = root
        self._remote = "" if served is None else served.url
        self.options = None if served is None else served.storage_options
        self.secrets = () if served is None else (PASSWORD,)
        self._images = root / "images"
        self.internals = (str(root), "127.0.0.1")
        for name in ("images", "images-2"):
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir()

    def url(self, suffix: str) -> str:
        return f"{self._remote or f'file://{self._root}'}/images{suffix}"

    def inventory(self) -> set[str]:
        return {path.name for path in self._images.iterdir()}
