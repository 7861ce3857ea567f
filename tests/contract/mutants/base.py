"""What mutants are made of."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlsplit

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.drivers.memory import MemoryDriver, MemoryReader, MemoryStorage, MemoryWriter
from imgstore.model import ObjectInfo
from tests.contract.subjects import MemorySubject

SECRET = "s3cret-t0ken"
INTERNAL = "/srv/internal"
VARIABLE = "IMGSTORE_MUTANT"
A_REQUEST = 0.01
"""Seconds that a storage takes, in which others may ask it too."""

Patched = TypeVar("Patched", bound=type)


class MutantStorage(MemoryStorage):
    """Memory in which a mutant can leave traces, and what it must be made to give back after its test."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: set[str] = set()
        self.writers: list[MutantWriter] = []
        self.descriptors: list[int] = []
        self.released = threading.Event()
        self.threads: list[threading.Thread] = []
        self.late: list[tuple[float, str]] = []
        self.links: dict[str, str] = {}
        self.beside: MutantStorage | None = None

    def names(self) -> set[str]:
        now = time.monotonic()
        late = {name for when, name in self.late if when <= now}
        return super().names() | self.traces | late

    def replace(self, key: str, data: bytes) -> ObjectInfo:
        """What exclusive creation is not."""
        with self._lock:
            self._objects.pop(key, None)
        return self.create(key, data)

    def open_descriptor(self) -> int:
        fd = os.open(os.devnull, os.O_RDONLY)
        self.descriptors.append(fd)
        return fd

    def close_descriptor(self, fd: int | None) -> None:
        if fd is not None:
            self.descriptors.remove(fd)
            os.close(fd)

    def close_descriptors(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())

    def start_thread(self) -> None:
        thread = threading.Thread(target=self.released.wait)
        self.threads.append(thread)
        thread.start()

    def end_threads(self) -> None:
        self.released.set()
        for thread in self.threads:
            thread.join()


class StorageBeside(MutantStorage):
    """Another store on the same storage: `storage` has the traces of its objects."""

    def __init__(self, storage: MutantStorage) -> None:
        super().__init__()
        self.storage = storage

    def create(self, key: str, data: bytes) -> ObjectInfo:
        info = super().create(key, data)
        self.storage.traces.add(f"beside/{key}")
        return info

    def remove(self, key: str, *, etag: str | None = None) -> ObjectInfo:
        info = super().remove(key, etag=etag)
        self.storage.traces.discard(f"beside/{key}")
        return info


class MutantWriter(MemoryWriter):
    """The memory driver's writer, with the driver's storage at hand."""

    def __init__(self, storage: MutantStorage, key: str) -> None:
        super().__init__(storage, key)
        self.mutant_storage = storage
        self.key = key
        storage.writers.append(self)

    @property
    def joined(self) -> bytes:
        return b"".join(self._chunks)


class StagingWriter(MutantWriter):
    """Stages under a name that can be seen, one for each upload, and takes it back as it should."""

    numbers = itertools.count()

    def __init__(self, storage: MutantStorage, key: str) -> None:
        super().__init__(storage, key)
        self.staged = f"{key}/{next(self.numbers)}"
        storage.traces.add(self.staged)

    def _commit(self) -> ObjectInfo:
        info = super()._commit()
        self.mutant_storage.traces.discard(self.staged)
        return info

    def _abort(self) -> None:
        super()._abort()
        self.mutant_storage.traces.discard(self.staged)


class Mutant(MemoryDriver):
    """The memory driver, with parts to replace."""

    CAUGHT_BY: ClassVar[tuple[str, ...]] = ()
    WRITER: ClassVar[type[MutantWriter]] = MutantWriter
    READER: ClassVar[type[MemoryReader]] = MemoryReader
    storage: Any  # a MutantStorage, or one that cannot be reached

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if isinstance(self.storage, MutantStorage):
            return self.WRITER(self.storage, key)
        return super()._open_writer(key, size)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return self.READER(self.storage.get(key), start)


class MutantSubject(MemorySubject):
    """Drivers of a mutant's class on one storage."""

    STORAGE = MutantStorage
    arrives_within = 0.4
    storage: MutantStorage
    beside: MutantStorage
    secrets = (SECRET,)
    internals = (INTERNAL,)

    def __init__(self, driver: type[MemoryDriver] = MemoryDriver) -> None:
        super().__init__(driver)
        self.storage.beside = self.beside = StorageBeside(self.storage)

    def neighbour(self) -> MemoryDriver:
        """A driver that works as it should."""
        return Mutant.on(self.beside)

    def fetch(self, url: str) -> tuple[int, bytes]:
        """A URL is good while it is of its key, and for more than a second."""
        parts = urlsplit(url)
        key, given = parts.path.lstrip("/"), dict(parse_qsl(parts.query))
        if key != given.get("of", key) or int(given.get("seconds", 60)) <= 1:
            return 403, b""
        try:
            return 200, self.storage.get(key).data[: int(given.get("most", 10**9))]
        except errors.ObjectNotFound:
            return 404, b""

    def clean_up(self) -> None:
        """Gives back what a mutant kept on purpose."""
        self.storage.end_threads()
        self.storage.close_descriptors()
        os.environ.pop(VARIABLE, None)


MUTANTS: list[type[Mutant]] = []


def caught_by(*tests: str) -> Callable[[type[Mutant]], type[Mutant]]:
    """Registers a mutant and the tests that must catch it."""

    def register(mutant: type[Mutant]) -> type[Mutant]:
        mutant.CAUGHT_BY = tests
        MUTANTS.append(mutant)
        return mutant

    return register


def patched(**methods: object) -> Callable[[Patched], Patched]:
    """Replaces methods after the class is made, the final ones too: `refuse_overrides` sees the making only. It does
    not see that of the class that a bench gives to what it watches."""

    def patch(cls: Patched) -> Patched:
        methods["__init_subclass__"] = classmethod(lambda cls: None)
        for name, method in methods.items():
            setattr(cls, name, method)
        return cls

    return patch
