"""The memory driver: objects in a dictionary of this process. The reference in tests, and a store to try things with.

A writer keeps its chunks in a list of its own and puts the whole object into the storage at commit, in one step under
the storage's lock and only if the key is free: so nothing is ever visible, or left behind, before commit.
Memory: the bytes of every object and of every upload under way - by its nature, so give it a `capacity`.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from oslo_config import cfg

from imgstore import errors
from imgstore.driver.base import ObjectReader, ObjectWriter, StoreDriver, check_key
from imgstore.driver.forks import ProcessLock
from imgstore.driver.options import size_opt
from imgstore.model import Leftover, ObjectInfo, Space
from imgstore.quota import Account, Hold, capacity_refusal

if TYPE_CHECKING:
    from typing_extensions import Self

URL_PREFIX = "memory:///"


@dataclass(frozen=True, slots=True)
class MemoryObject:
    info: ObjectInfo
    data: bytes


class MemoryStorage:
    """What several `MemoryDriver`s may share, as processes share a disk: objects by key, and what they take.

    `capacity` is in bytes, None for no limit. Every method is one step under one lock.
    """

    def __init__(self, *, capacity: int | None = None) -> None:
        self.account = Account(capacity, refusal=capacity_refusal)
        self._objects: dict[str, MemoryObject] = {}
        self._etags = itertools.count(1)
        self._lock = ProcessLock()

    def names(self) -> set[str]:
        """The names of everything that is in the storage."""
        with self._lock:
            return set(self._objects)

    def infos(self) -> list[ObjectInfo]:
        """What `stat` says of every object, all at one moment."""
        with self._lock:
            return [found.info for found in self._objects.values()]

    def get(self, key: str) -> MemoryObject:
        """The object under `key`. Raises ObjectNotFound."""
        with self._lock:
            return self._find(key)

    def create(self, key: str, data: bytes) -> ObjectInfo:
        """Adds an object with an etag that no other ever had. Raises ObjectExists."""
        with self._lock:
            if key in self._objects:
                raise errors.ObjectExists("An object is already there under that key.")
            info = ObjectInfo(key, len(data), etag=str(next(self._etags)), modified=time.time())
            self._objects[key] = MemoryObject(info, data)
            return info

    def remove(self, key: str, *, etag: str | None = None) -> ObjectInfo:
        """Removes the object, or only the one with that `etag`; returns what it was. Raises ObjectNotFound."""
        with self._lock:
            found = self._find(key)
            if etag not in (None, found.info.etag):
                raise errors.ObjectNotFound("Another object is there under that key.")
            del self._objects[key]
            return found.info

    def _find(self, key: str) -> MemoryObject:
        try:
            return self._objects[key]
        except KeyError:
            raise errors.ObjectNotFound("No object is there under that key.") from None


class MemoryDriver(StoreDriver):
    """Objects in memory. `capacity`: bytes of all objects together, None for no limit. URLs are `memory:///key`."""

    OPTIONS: ClassVar[Sequence[cfg.Opt]] = (
        size_opt("capacity", help="Bytes that all objects together may take; unset: no limit."),
    )

    def __init__(self, *, capacity: int | None = None) -> None:
        self.storage = MemoryStorage(capacity=capacity)

    @classmethod
    def on(cls, storage: MemoryStorage) -> Self:
        """A driver on a storage that others use, too."""
        driver = cls()
        driver.storage = storage
        return driver

    @property
    def capacity(self) -> int | None:
        """See HasCapacity."""
        return self.storage.account.limit

    def check(self) -> None:
        """Memory needs no proof, but a storage that a test broke shows it here."""
        self.storage.names()

    def url(self, key: str) -> str:
        """See StoreDriver."""
        return URL_PREFIX + check_key(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver."""
        if not url.startswith(URL_PREFIX):
            raise errors.InvalidKey("Not the URL of an object in memory.")
        return check_key(url[len(URL_PREFIX) :])

    def objects(self) -> Iterator[ObjectInfo]:
        """See ListsObjects."""
        return iter(self.storage.infos())

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers: a process that died left nothing in memory."""
        self.check()
        return iter(())

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers."""

    def clear_leftovers(self, key: str) -> None:
        """See ClearsLeftovers: nothing is in the storage before commit."""
        check_key(key)
        self.check()

    def space(self) -> Space:
        """See MeasuresSpace."""
        self.check()
        account = self.storage.account
        if account.limit is None:
            return Space(total=None, free=None)
        return Space(total=account.limit, free=max(0, account.limit - account.used - account.held))

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return self.storage.account.reserve(size)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return MemoryWriter(self.storage, key)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return MemoryReader(self.storage.get(key), start)

    def _stat(self, key: str) -> ObjectInfo:
        return self.storage.get(key).info

    def _delete(self, key: str) -> None:
        self.storage.account.give_back(self.storage.remove(key).size)


class MemoryWriter(ObjectWriter):
    """Memory: the bytes written so far, twice while they are joined at commit."""

    def __init__(self, storage: MemoryStorage, key: str) -> None:
        self._storage = storage
        self._key = key
        self._chunks: list[bytes] = []
        self._created: ObjectInfo | None = None

    def _write(self, chunk: bytes | memoryview) -> None:
        self._chunks.append(bytes(chunk))

    def _commit(self) -> ObjectInfo:
        self._created = self._storage.create(self._key, b"".join(self._chunks))
        self._chunks.clear()
        return self._created

    def _abort(self) -> None:
        self._chunks.clear()
        if self._created is not None:
            with contextlib.suppress(errors.ObjectNotFound):
                self._storage.remove(self._key, etag=self._created.etag)


class MemoryReader(ObjectReader):
    def __init__(self, found: MemoryObject, start: int) -> None:
        self.info = found.info
        self._view = memoryview(found.data)
        self._position = start

    def _read(self, size: int) -> bytes:
        data = bytes(self._view[self._position : self._position + size])
        self._position += len(data)
        return data

    def _close(self) -> None:
        self._view.release()
