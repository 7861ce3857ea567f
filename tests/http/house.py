"""A whole image service without any socket: catalog, quota and two stores in memory, and the HTTP semantics on top."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from imgstore.bulkhead import Bulkhead, Slot
from imgstore.catalog import MemoryCatalog
from imgstore.driver import StoreDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.http import ImageData
from imgstore.model import StoredImage
from imgstore.quota import MemoryQuota
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadService, UploadSettings
from tests.http.faulty import FaultyDriver

PATIENCE = 60.0
OCTETS = {"content-type": "application/octet-stream"}


def path(image_id: str) -> str:
    """The path of an image's data."""
    return f"/v2/images/{image_id}/file"


class House:
    """`fast` is the default store, `slow` the other; further ones by name. `quota` is every owner's, in bytes."""

    def __init__(
        self,
        *,
        quota: int | None = None,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
        **drivers: FaultyDriver,
    ) -> None:
        self.catalog = MemoryCatalog()
        self.quota = MemoryQuota(lambda owner: quota)
        self.fast, self.slow = MemoryDriver(), MemoryDriver()
        stores = [Store("fast", self.fast, weight=2), Store("slow", self.slow, weight=1)]
        stores += [Store(name, driver) for name, driver in drivers.items()]
        stores += [Store("frozen", MemoryDriver(), read_only=True)]
        self.stores = StoreSet(stores, default="fast")
        self.uploads = UploadService(self.stores, catalog=self.catalog, quota=self.quota, settings=settings, taps=taps)
        self.downloads = DownloadService(self.stores, source=self.catalog, sleep=lambda seconds: None)
        self.taken: list[Slot] = []
        self.data = ImageData(self.uploads, self.downloads)

    def image(self, **properties: str | None) -> str:
        """A new queued image's identifier."""
        image_id = str(uuid.uuid4())
        self.catalog.create(image_id, **properties)  # type: ignore[arg-type]  # owner is never None here
        return image_id

    def active(self, content: bytes, *, store: str = "fast", **properties: str | None) -> str:
        """A new image with data."""
        image_id = self.image(**properties)
        self.upload(image_id, content, store=store)
        return image_id

    def upload(self, image_id: str, content: bytes, *, store: str = "fast") -> None:
        """A good upload."""
        headers = OCTETS | {"content-length": str(len(content)), "x-image-meta-store": store}
        with self.data.begin_upload(image_id, headers) as exchange:
            exchange.write(content)
            assert exchange.finish().status == 204

    def found(self, image_id: str) -> StoredImage:
        """The image as the catalog has it."""
        return self.catalog.find(image_id)

    def busy(self, *stores: str) -> None:
        """From now on these stores have one slot, which is taken, and who waits for it waits long."""
        for store in stores:
            bulkhead = Bulkhead(max_transfers=1, max_wait=PATIENCE)
            self.taken.append(bulkhead.take())
            object.__setattr__(self.stores.resolve(store), "bulkhead", bulkhead)

    def objects(self) -> dict[str, bytes]:
        """Every object in every store: `store/key` and its content."""
        memories = {store.identifier: _memory_of(store.driver) for store in self.stores}
        return {
            f"{name}/{info.key}": b"".join(memory.open_reader(info.key))
            for name, memory in memories.items()
            for info in memory.objects()
        }

    def assert_refused_without_trace(self, image_id: str, *, retry: bytes = b"good") -> None:
        """Nothing is left of a refused upload, and the next one of the same image succeeds."""
        account = self.quota.account("project")
        assert self.found(image_id).status == "queued"
        assert self.objects() == {}
        assert (account.used, account.held) == (0, 0)
        self.upload(image_id, retry)
        assert list(self.objects().values()) == [retry]
        assert (account.used, account.held) == (len(retry), 0)


def _memory_of(driver: StoreDriver) -> MemoryDriver:
    memory = driver.inner if isinstance(driver, FaultyDriver) else driver
    assert isinstance(memory, MemoryDriver)
    return memory
