"""A project of its own for each test, and a service in this process whose stores a test can look into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.store import Store, StoreSet
from tests.support.service import LocalService
from tests.support.waiting import PATIENCE


class Local(LocalService):
    """The service in this process, on three stores in memory, with a quota of 3.5 MiB a project."""

    def __init__(self, root: Path) -> None:
        self.drivers = {"one": MemoryDriver(), "two": MemoryDriver(capacity=10 * MIB), "more": MemoryDriver()}
        stores = StoreSet(
            [
                Store("one", self.drivers["one"], description="the first", weight=7),
                Store("two", self.drivers["two"], read_only=True),
                Store("more", self.drivers["more"]),
            ],
            default="one",
        )
        super().__init__(root, stores, project_quota=3 * MIB + MIB // 2)

    def copy_to_more(self, image_id: str) -> None:
        """A second copy of the image's data."""
        wanted = {"method": {"name": "copy-image"}, "stores": ["more"]}
        assert self.client.post(f"/v2/images/{image_id}/import", wanted).status == 202
        assert self.service.copies.wait_until_idle(PATIENCE)

    def keys(self, store: str) -> list[str]:
        """What the store holds."""
        return sorted(info.key for info in self.drivers[store].objects())


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """See Local."""
    service = Local(tmp_path)
    with service.running():
        yield service
