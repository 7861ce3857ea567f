"""A storage that takes parts and is read by ranges, in memory: what `parted` and `ranged` are tested on."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.driver.multipart import MultipartWriter, Part
from imgstore.driver.part_sizes import PartSizes
from imgstore.driver.ranged import Body, Opened, RangedReader
from imgstore.drivers.memory import MemoryDriver, MemoryStorage
from imgstore.model import Leftover, ObjectInfo

PART = 16 * 1024


class PartStorage(MemoryStorage):
    """Objects, and the parts of those that are not there yet."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[tuple[str, int], bytes] = {}
        self.begun: dict[str, str] = {}
        self.lock = threading.Lock()

    def names(self) -> set[str]:
        with self.lock:
            return super().names() | set(self.begun) | {f"{upload}-{number}" for upload, number in self.parts}

    def drop(self, upload: str) -> None:
        """Forgets an upload that is not complete, and its parts."""
        with self.lock:
            self.begun.pop(upload, None)
            for name in [name for name in self.parts if name[0] == upload]:
                del self.parts[name]


class PartWriter(MultipartWriter[int]):
    def __init__(self, storage: PartStorage, key: str, size: int | None) -> None:
        sizes = PartSizes.for_size(size, part_size=PART, most=10_000, largest=2**40)
        super().__init__(size=size, sizes=sizes, threshold=2 * PART, concurrency=3)
        self._storage = storage
        self._key = key
        self._upload = uuid.uuid4().hex
        self._made: ObjectInfo | None = None

    def _put(self, data: memoryview) -> ObjectInfo:
        self._made = self._storage.create(self._key, bytes(data))
        return self._made

    def _begin(self) -> None:
        self._storage.begun[self._upload] = self._key

    def _send(self, part: Part) -> int:
        with self._storage.lock:
            if self._upload not in self._storage.begun:
                raise errors.StoreUnavailable("No such upload.")
            self._storage.parts[self._upload, part.number] = bytes(part.data)
        return part.number

    def _complete(self, sent: list[int], total: int) -> ObjectInfo:
        self._made = self._storage.create(
            self._key, b"".join(self._storage.parts[self._upload, number] for number in sent)
        )
        self._storage.drop(self._upload)
        return self._made

    def _discard(self) -> None:
        self._storage.drop(self._upload)
        if self._made is not None:
            self._storage.remove(self._key, etag=self._made.etag)


class RangeBody:
    """Bytes of an object; a subclass breaks off."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = False

    def read(self, size: int) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        return data

    def close(self) -> None:
        self.closed = True


class PartDriver(MemoryDriver):
    """Writes in parts of PART bytes from 2 * PART on, reads ahead."""

    storage: PartStorage
    concurrency = 3

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        self.check()
        with self.storage.lock:
            begun = [] if older_than else list(self.storage.begun.items())
        return (Leftover(upload, "an upload without an end", key=key) for upload, key in begun)

    def remove_leftover(self, leftover: Leftover) -> None:
        self.storage.drop(leftover.name)

    def clear_leftovers(self, key: str) -> None:
        super().clear_leftovers(key)
        for upload in [upload for upload, begun_for in self.storage.begun.items() if begun_for == key]:
            self.storage.drop(upload)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return PartWriter(self.storage, key, size)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        found = self.storage.get(key)
        end = found.info.size if stop is None else stop
        if start > found.info.size:
            raise errors.RangeNotSatisfiable("Behind the end.", size=found.info.size)

        def fetch(start: int, stop: int) -> Body:
            now = self.storage.get(key)
            if now.info.etag != found.info.etag:
                raise errors.ObjectChanged("The object changed.")
            return RangeBody(now.data[start:stop])

        first = min(start + PART, end)
        opened = Opened(found.info, fetch(start, first), start, first)
        return RangedReader(opened, stop=end, fetch=fetch, block_size=PART, concurrency=self.concurrency)
