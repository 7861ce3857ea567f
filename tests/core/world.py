"""A small world for the core: one store in memory, a catalog, a quota - and what must be true of it afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from imgstore.catalog import ImageCatalog, MemoryCatalog
from imgstore.driver import StoreDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import UploadRequest, UploadResult
from imgstore.quota import MemoryQuota, Quota
from imgstore.store import Store, StoreSet
from imgstore.transfers.session import UploadSession
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadService, UploadSettings

IMAGE = "5d2c6f6e-37b3-4e1c-8d07-6a2f0c9f1b11"
OWNER = "project"
MIB = 1024 * 1024


class World:
    """One host: everything but the faults."""

    def __init__(
        self,
        *,
        driver: StoreDriver | None = None,
        limit: int | None = None,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
        catalog: ImageCatalog | None = None,
        quota: Quota | None = None,
        read_only: bool = False,
    ) -> None:
        self.rows = MemoryCatalog()
        self.rows.create(IMAGE, owner=OWNER)
        self.ledger = MemoryQuota(lambda owner: limit)
        self.driver = MemoryDriver() if driver is None else driver
        self.stores = StoreSet([Store("fast", self.driver, read_only=read_only)], default="fast")
        self.service = UploadService(
            self.stores, catalog=catalog or self.rows, quota=quota or self.ledger, settings=settings, taps=taps
        )

    def service_of(self) -> UploadService:
        """A service on this world in which nothing fails."""
        return UploadService(self.stores, catalog=self.rows, quota=self.ledger)

    def begin(self, *, size: int | None = None, store: str | None = None) -> UploadSession:
        return self.service.begin(UploadRequest(IMAGE, stores=[] if store is None else [store], size=size))

    def upload(self, chunks: Iterable[bytes | bytearray | memoryview], *, size: int | None = None) -> UploadResult:
        with self.begin(size=size) as session:
            for chunk in chunks:
                session.write(chunk)
            return session.finish()

    def read(self, key: str = IMAGE) -> bytes:
        with self.driver.open_reader(key) as reader:
            return b"".join(reader)

    @property
    def status(self) -> str:
        return self.rows.find(IMAGE).status

    @property
    def objects(self) -> set[str]:
        assert isinstance(self.driver, MemoryDriver)
        return self.driver.storage.names()

    def assert_untouched(self) -> None:
        """The upload left nothing: status, objects, both accounts, threads; and a retry succeeds."""
        assert self.status == "queued"
        self.assert_nothing_left()
        assert self.upload([b"retry"]).size == 5
        assert self.read(self.rows.find(IMAGE).locations[0].key) == b"retry"

    def assert_untouched_after_retry(self) -> None:
        """The same, for worlds whose store has faults of its own."""
        self.service = self.service_of()
        self.assert_untouched()

    def assert_nothing_left(self) -> None:
        account = self.ledger.account(OWNER)
        assert (account.held, account.used) == (0, 0)
        assert self.objects == set()
        assert isinstance(self.driver, MemoryDriver)
        assert (self.driver.storage.account.held, self.driver.storage.account.used) == (0, 0)
        assert digest_threads() == []

    def assert_active(self, data: bytes) -> None:
        """The image is active, readable, counted once, and nothing else is there."""
        image = self.rows.find(IMAGE)
        assert (image.status, image.size) == ("active", len(data))
        assert self.read(image.locations[0].key) == data
        assert self.objects == {image.locations[0].key}
        account = self.ledger.account(OWNER)
        assert (account.held, account.used) == (0, len(data))
        assert digest_threads() == []


def digest_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("imgstore-digest")]


def pieces(data: bytes, step: int) -> list[bytes]:
    return [data[start : start + step] for start in range(0, len(data), step)]
