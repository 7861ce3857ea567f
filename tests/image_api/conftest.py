"""One service for a module's tests; each test has a project of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.sql import EVERYTHING, LedgerEntry, ObjectId
from imgstore.store import Store, StoreSet
from tests.support.client import Client, new_id
from tests.support.service import LocalService, ServiceProcess


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A process of its own, with the filesystem stores `fast` and `slow`."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(shared_service: ServiceProcess) -> Client:
    """A project that has no images yet."""
    return shared_service.client.of(new_id())


class Local(LocalService):
    """The service in this process, on two stores in memory, with a quota of 3.5 MiB a project."""

    def __init__(self, root: Path) -> None:
        self.drivers = {"one": MemoryDriver(), "two": MemoryDriver(capacity=10 * MIB)}
        stores = StoreSet(
            [
                Store("one", self.drivers["one"], description="the first", weight=7),
                Store("two", self.drivers["two"], read_only=True),
            ],
            default="one",
        )
        super().__init__(root, stores, project_quota=3 * MIB + MIB // 2)

    def copy_to(self, store: str, image_id: str) -> None:
        """A second copy of the image's data, made behind the service's back."""
        with self.drivers["one"].open_reader(image_id) as reader:
            data = reader.read()
        with self.drivers[store].open_writer(image_id, size=len(data)) as writer:
            writer.write(data)
            writer.commit()
        with sqlite3.connect(self.catalog.database) as connection:
            connection.execute(
                "INSERT INTO image_locations (image_id, store, key, url, state) VALUES (?, ?, ?, '', 'live')",
                (image_id, store, image_id),
            ).close()
        connection.close()
        owner = self.service.catalog.get(image_id, EVERYTHING).owner
        self.service.quota.adopt(LedgerEntry(ObjectId(store, image_id), owner, image_id, 1, "used", len(data)))

    def keys(self, store: str) -> list[str]:
        """What the store holds."""
        return sorted(info.key for info in self.drivers[store].objects())


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """See Local."""
    service = Local(tmp_path)
    with service.running():
        yield service
