"""A small world for the core: stores in memory, a catalog, a quota - and what must be true of them afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgstore import errors
from imgstore.bulkhead import Bulkhead
from imgstore.catalog import MemoryCatalog
from imgstore.model import Chunk, UploadRequest, UploadResult
from imgstore.quota import MemoryQuota, Quota
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import ALL, UploadSettings
from imgstore.transfers.observer import Observer
from imgstore.transfers.session import UploadSession
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadService
from tests.core.stores import HookedStore

IMAGE = "5d2c6f6e-37b3-4e1c-8d07-6a2f0c9f1b11"
OWNER = "project"
MIB = 1024 * 1024
NAMES = ("fast", "cold", "far")
PATIENCE = 60.0
DOWN = errors.StoreUnavailable("down")


class World:
    """One host with the store `fast`, or with the stores `names`; `transfers` and `wait`: of each store's
    bulkhead; `settings` are fields of UploadSettings."""

    def __init__(
        self, *names: str, mode: str = ALL, limit: int | None = None, capacities: Mapping[str, int] | None = None,
        driver: type[HookedStore] = HookedStore, rows: MemoryCatalog | None = None, quota: Quota | None = None,
        taps: Sequence[TapFactory] = (), observers: Sequence[Observer] = (), read_only: Sequence[str] = (),
        transfers: int = 32, wait: float = PATIENCE, **settings: Any,
    ) -> None:  # fmt: skip
        self.names = names or ("fast",)
        self.rows = rows or MemoryCatalog()
        self.rows.create(IMAGE, owner=OWNER)
        self.ledger = MemoryQuota(lambda owner: limit)
        self.drivers = {name: driver(capacity=(capacities or {}).get(name)) for name in self.names}
        self.driver = self.drivers[self.names[0]]
        stores = [
            Store(
                name,
                each,
                read_only=name in read_only,
                bulkhead=Bulkhead(max_transfers=transfers, max_wait=wait),
            )
            for name, each in self.drivers.items()
        ]
        self.stores = StoreSet(stores, default=self.names[0])
        self.service = UploadService(
            self.stores, catalog=self.rows, quota=quota or self.ledger, taps=taps, observers=observers,
            settings=UploadSettings(several_stores=mode, **settings),
        )  # fmt: skip

    def begin(self, *names: str, size: int | None = None, **request: Any) -> UploadSession:
        return self.service.begin(UploadRequest(IMAGE, stores=names or self.names, size=size, **request))

    def upload(self, chunks: Iterable[Chunk], *names: str, size: int | None = None, **request: Any) -> UploadResult:
        with self.begin(*names, size=size, **request) as session:
            for chunk in chunks:
                session.write(chunk)
            return session.finish()

    def heal(self) -> None:
        """From now on nothing fails."""
        for driver in self.drivers.values():
            driver.hooks.clear()

    @property
    def status(self) -> str:
        return self.rows.find(IMAGE).status

    @property
    def objects(self) -> dict[str, bytes]:
        """What the stores hold, by `store/key`."""
        return {
            f"{name}/{key}": driver.storage.get(key).data
            for name, driver in self.drivers.items()
            for key in driver.storage.names()
        }

    @property
    def quota(self) -> tuple[int, int]:
        """Bytes used and held by the owner of the image."""
        account = self.ledger.account(OWNER)
        return account.used, account.held

    @property
    def under_way(self) -> int:
        """Transfers of all stores together."""
        return sum(store.bulkhead.under_way for store in self.stores)

    def called(self, hook: str) -> list[str]:
        """The stores that came to this hook."""
        return [name for name, driver in self.drivers.items() if hook in driver.calls]

    def assert_nothing_left(self) -> None:
        """Neither objects nor holds on quota and capacity nor threads nor slots."""
        assert self.objects == {}
        assert self.quota == (0, 0)
        for driver in self.drivers.values():
            assert (driver.storage.account.used, driver.storage.account.held) == (0, 0)
        assert helpers() == []
        assert self.under_way == 0

    def assert_untouched(self) -> None:
        """The same, the image is queued, and a retry succeeds."""
        assert self.status == "queued"
        self.assert_nothing_left()
        self.heal()
        self.upload([b"retry"])
        self.assert_active(b"retry")

    def assert_active(self, data: bytes, *names: str) -> None:
        """The image is active with `data` in each of these stores (all of them, if none is named), in this order, and
        counted so; nothing else is there."""
        names = names or self.names
        image = self.rows.find(IMAGE)
        assert (image.status, image.size) == ("active", len(data))
        assert [location.store for location in image.locations] == list(names)
        assert self.objects == {f"{location.store}/{location.key}": data for location in image.locations}
        assert self.quota == (len(data) * len(names), 0)
        for name, driver in self.drivers.items():
            assert (driver.storage.account.used, driver.storage.account.held) == (len(data) * (name in names), 0)
        assert helpers() == []
        assert self.under_way == 0


def helpers(*kinds: str) -> list[str]:
    """The threads that help a session: those for its stores, for its digests, or both."""
    names = tuple(f"imgstore-{kind}" for kind in kinds or ("store", "digest"))
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def pieces(data: bytes, step: int) -> list[bytes]:
    return [data[start : start + step] for start in range(0, len(data), step)]
