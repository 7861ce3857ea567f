"""A process that takes uploads of any image into a store that keeps nothing and is slower than any client."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import uvicorn

from imgstore.adapters.asgi import ImageDataApp
from imgstore.catalog import MemoryCatalog
from imgstore.driver import ObjectWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.http import ImageData
from imgstore.model import Attempt, ObjectInfo, UploadRequest
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService
from imgstore.transfers.upload import UploadService
from tests.asgi.serving import LISTENING, listener, url_of

ROUNDS = 8
"""Digests of every chunk: some times what sending it costs."""


class SlowDriver(MemoryDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return _SlowWriter(key)


class _SlowWriter(ObjectWriter):
    def __init__(self, key: str) -> None:
        self._key, self._size = key, 0

    def _write(self, chunk: bytes | memoryview) -> None:
        for _ in range(ROUNDS):
            hashlib.md5(chunk).digest()
        self._size += len(chunk)

    def _commit(self) -> ObjectInfo:
        return ObjectInfo(self._key, self._size)

    def _abort(self) -> None:
        return None


class AnyImage(MemoryCatalog):
    """Creates an image at its upload."""

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        self.create(request.image_id)
        return super().begin(request, stores)


def main() -> None:
    stores, catalog = StoreSet([Store("slow", SlowDriver())], default="slow"), AnyImage()
    data = ImageData(UploadService(stores, catalog=catalog), DownloadService(stores, source=catalog))
    listening = listener()
    print(LISTENING, url_of(listening), flush=True)  # noqa: T201 - read by the test
    app = ImageDataApp(data, context=lambda request: None)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])


if __name__ == "__main__":
    main()
