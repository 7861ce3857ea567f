"""A world with an image in some of its stores, and what copies it to the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgstore.model import StoredImage, UploadResult
from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import Observer
from tests.core.stores import HookedStore
from tests.core.world import IMAGE, NAMES, World

BODY = bytes(range(250)) * 12_000
SIZE = len(BODY)


class Copying(World):
    """An image in the stores `where`, and what copies it to others."""

    def __init__(self, *where: str, body: bytes = BODY, watching_copies: Sequence[Observer] = (), **world: Any) -> None:
        super().__init__(*NAMES, **world)
        self.body = body
        self.where = where or ("fast",)
        self.upload([body], *self.where)
        for driver in self.drivers.values():
            driver.calls.clear()
        downloads = DownloadService(self.stores, source=self.rows, resumes=1, sleep=lambda seconds: None)
        self.copying = CopyService(
            self.stores, catalog=self.rows, downloads=downloads, quota=self.ledger, observers=watching_copies
        )

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
