"""A world with an image in some of its stores, and what copies it to the others."""

from __future__ import annotations

from collections.abc import Sequence

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.model import StoredImage, UploadResult
from imgstore.store import StoreSet
from imgstore.transfers.begin import ALL, UploadSettings
from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
from imgstore.transfers.download import DownloadService
from tests.core.several import NAMES, HookedStore, SeveralStores
from tests.core.world import IMAGE, OWNER

BODY = bytes(range(250)) * 12_000
SIZE = len(BODY)
DOWN = errors.StoreUnavailable("down")


class Copying(SeveralStores):
    """An image in the stores `where`, and what copies it to others."""

    def __init__(
        self, *where: str, limit: int | None = None, capacities: dict[str, int] | None = None,
        rows: MemoryCatalog | None = None, read_only: Sequence[str] = (), body: bytes = BODY,
    ) -> None:  # fmt: skip
        super().__init__(ALL, limit=limit, capacities=capacities, read_only=read_only)
        if rows is not None:
            rows.create(IMAGE, owner=OWNER)
            self.rows = rows
            self.service = type(self.service)(
                self.stores, catalog=rows, quota=self.ledger, settings=UploadSettings(several_stores=ALL)
            )
        self.body = body
        self.where = where or ("fast",)
        self.upload([body], *self.where)
        for driver in self.drivers.values():
            driver.calls.clear()
        self.copying = self.service_on(self.stores)

    def service_on(self, stores: StoreSet) -> CopyService:
        downloads = DownloadService(stores, source=self.rows, resumes=1, sleep=lambda seconds: None)
        return CopyService(stores, catalog=self.rows, downloads=downloads, quota=self.ledger)

    def begin_copy(self, *to: str, need_all: bool = True) -> ImageCopy:
        return self.copying.begin(CopyRequest(IMAGE, to, need_all=need_all))

    def copy(self, *to: str, need_all: bool = True) -> UploadResult:
        return self.begin_copy(*to, need_all=need_all).run()

    @property
    def image(self) -> StoredImage:
        return self.rows.find(IMAGE)

    def assert_in(self, *names: str) -> None:
        """The image is active, whole and counted in each of these stores; nothing else is there."""
        self.assert_active(self.body, *names)

    def assert_undone(self) -> None:
        """The image is where it was, and a copy that nothing disturbs succeeds."""
        self.assert_in(*self.where)
        self.heal()
        rest = [name for name in NAMES if name not in self.where]
        self.copy(*rest)
        self.assert_in(*self.where, *rest)


def damage(world: Copying, store: str, data: bytes) -> None:
    """Somebody replaces the object behind the library's back."""
    storage = world.drivers[store].storage
    storage.remove(IMAGE)
    storage.create(IMAGE, data)


def break_reads(driver: HookedStore, at: int) -> None:
    """Every reader of the store breaks when it comes to byte `at`."""
    real = type(driver)._open_reader

    def open_reader(key, start, stop, etag):  # type: ignore[no-untyped-def]  # signature is the driver's
        reader = real(driver, key, start, stop, etag)
        read = reader._read

        def broken(size: int) -> bytes:
            if reader.position >= at:
                raise ConnectionResetError
            return read(min(size, at - reader.position))

        reader._read = broken  # type: ignore[method-assign]  # the fault
        return reader

    driver._open_reader = open_reader  # type: ignore[method-assign]  # the fault
