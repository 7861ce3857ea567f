"""An image service on a directory, and what is left in it and in this process."""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path

from imgstore.adapters.asgi import ImageDataApp
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.http import ImageData
from imgstore.quota import MemoryQuota
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService
from imgstore.transfers.upload import UploadService


class World:
    """One filesystem store below `root`, durable as far as the tests need it."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "images"
        driver = FilesystemDriver(datadir=str(self.directory), fsync=False)
        driver.check()
        self.catalog = MemoryCatalog()
        self.quota = MemoryQuota(lambda owner: None)
        stores = StoreSet([Store("files", driver)], default="files")
        uploads = UploadService(stores, catalog=self.catalog, quota=self.quota)
        self._data = ImageData(uploads, DownloadService(stores, source=self.catalog))
        self._threads, self._descriptors = threading.active_count(), _descriptors()

    def app(self) -> ImageDataApp:
        """The application; the caller sees every image."""
        return ImageDataApp(self._data, context=lambda request: None)

    def image(self) -> str:
        """A new queued image's identifier."""
        image_id = str(uuid.uuid4())
        self.catalog.create(image_id)
        return image_id

    def statuses(self, images: list[str]) -> set[str]:
        """The statuses that these images have."""
        return {self.catalog.find(image_id).status for image_id in images}

    def key(self, image_id: str) -> str:
        """Under which an active image is stored."""
        (location,) = self.catalog.find(image_id).locations
        return location.key

    def assert_nothing_left(self) -> None:
        """No object, no temporary file, no quota used or held, no thread and no descriptor more than at the start."""
        account = self.quota.account("project")
        assert os.listdir(self.directory) == []
        assert (account.used, account.held) == (0, 0)
        assert threading.active_count() == self._threads, threading.enumerate()
        assert _descriptors() == self._descriptors


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
