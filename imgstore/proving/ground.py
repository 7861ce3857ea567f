"""What the laws work with: one driver, keys that nobody else has, and the promise that nothing of them stays."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import time
from collections.abc import Callable, Iterator
from functools import partial

from imgstore import errors
from imgstore.driver.base import ObjectWriter, StoreDriver
from imgstore.driver.capabilities import ClearsLeftovers, FindsLeftovers, HasBorders, ListsObjects
from imgstore.model import MIB, Leftover, ObjectInfo
from imgstore.undo import Undo

LARGEST = 64 * MIB
"""Bytes of a part beyond which no large object is written: the proof keeps one in memory."""
MOST_OBJECTS, MOST_LEFTOVERS = 5000, 50
"""So many are looked at: a server is asked for a thousand objects by one request, for each leftover by another."""
TRIES, FEW_TRIES, PAUSE = 8, 5, 0.025
"""How often something is looked at that may take a moment: for six seconds, for one; and half of the first pause."""


class Broken(Exception):
    """A law does not hold. The text says what was found instead."""


class NotApplicable(Exception):
    """The law cannot be tried on this store. The text says why."""


def body(size: int, seed: int = 0) -> bytes:
    """`size` bytes that do not repeat; another `seed`, other bytes."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - content of a probe, no secret


def pieces(data: bytes) -> Iterator[memoryview]:
    """`data` in chunks of a mebibyte."""
    return (memoryview(data)[start : start + MIB] for start in range(0, len(data), MIB))


class Ground:
    """A part of the store that is the proof's own: all keys begin with `prefix`. `safe_point` is called where nothing
    is half done, and may raise what ends the proof."""

    def __init__(self, driver: StoreDriver, prefix: str, *, safe_point: Callable[[], object] = lambda: None) -> None:
        self.driver = driver
        self.prefix = prefix
        self._safe_point = safe_point
        self._numbers = itertools.count(1)
        self._keys: list[str] = []
        self._writers: list[ObjectWriter] = []
        self._unfinished: set[str] = set()
        self.largest_written = 0

    @property
    def border(self) -> int:
        """Bytes at which the driver changes what it does. Raises NotApplicable where an object of more is too large."""
        borders = self.driver.borders if isinstance(self.driver, HasBorders) else (MIB,)
        if max(borders) > LARGEST:
            raise NotApplicable(f"an object of several parts has more than {LARGEST // MIB} MiB")
        return max(borders)

    def large(self, seed: int = 0) -> bytes:
        """A body of two parts, the last one of 7 bytes. Raises NotApplicable."""
        return body(self.border + 7, seed)

    def new_key(self, tail: str = "", *, length: int = 0) -> str:
        """A key that no other law has, of `length` characters at least. Whatever is under it in the end is removed."""
        self._safe_point()
        key = f"{self.prefix}{next(self._numbers)}{tail}".ljust(length, "x")
        self._keys.append(key)
        return key

    def put(self, data: bytes, key: str, *, declared: bool = True) -> ObjectInfo:
        """Commits an object."""
        self._unfinished.add(key)
        with self.driver.open_writer(key, size=len(data) if declared else None) as writer:
            self.fill(writer, data)
            info = writer.commit()
        self._unfinished.discard(key)
        self.largest_written = max(self.largest_written, len(data))
        return info

    def begin(self, key: str, data: bytes) -> ObjectWriter:
        """An upload that has got `data` and is not committed; it is aborted in the end."""
        self._unfinished.add(key)
        writer = self.driver.open_writer(key)
        self._writers.append(writer)
        self.fill(writer, data)
        return writer

    @contextlib.contextmanager
    def unfinished(self, key: str) -> Iterator[ObjectWriter]:
        """An upload with a part in the storage, which is aborted."""
        writer = self.begin(key, self.large())
        try:
            yield writer
        finally:
            with contextlib.suppress(errors.StoreUnavailable):  # an abort that goes on behind its caller's back
                writer.abort()

    def fill(self, writer: ObjectWriter, data: bytes) -> None:
        """Writes `data`."""
        for piece in pieces(data):
            self._safe_point()
            writer.write(piece)

    def read(self, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        """What a reader delivers."""
        with self.driver.open_reader(key, start=start, stop=stop, etag=etag) as reader:
            return b"".join(reader)

    def expect_same(self, key: str, data: bytes) -> None:
        """Raises Broken if the object is not `data`."""
        with self.driver.open_reader(key) as reader:
            if reader.info.size != len(data):
                raise Broken(f"the store tells {reader.info.size} bytes of an object of {len(data)}")
            if b"".join(reader) != data:
                raise Broken(f"other bytes are read than the {len(data)} that were written")

    def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""
        with contextlib.suppress(errors.ObjectNotFound):
            self.driver.stat(key)
            return True
        return False

    def is_listed(self, key: str) -> bool:
        """Whether a listing names `key`. Raises NotApplicable."""
        if not isinstance(self.driver, ListsObjects):
            raise NotApplicable("the driver lists no objects")
        for number, info in enumerate(self.driver.objects(), start=1):
            if info.key == key:
                return True
            if number >= MOST_OBJECTS:
                raise NotApplicable(f"the store has more than {MOST_OBJECTS} objects")
        return False

    def leftovers(self, key: str) -> list[Leftover]:
        """Those of `key` that are found. Raises NotApplicable."""
        if not isinstance(self.driver, FindsLeftovers):
            raise NotApplicable("the driver finds no leftovers")
        found = self._some_leftovers()
        of_key = [leftover for leftover in found if leftover.key == key]
        if not of_key and len(found) == MOST_LEFTOVERS:
            raise NotApplicable(f"the store has {MOST_LEFTOVERS} leftovers or more: purge it first")
        return of_key

    def clean(self) -> None:
        """Removes everything of the proof. What fails is logged, and the rest is removed all the same."""
        undo = Undo()
        for key in self._keys:
            undo.push(f"the writing of {key}", partial(self._remove, key))
        for writer in self._writers:
            undo.push("an upload of the proof", writer.abort)
        undo.run()
        self._writers = []

    def remains(self) -> list[str]:
        """Its keys under which there is an object, or a leftover."""
        found = [leftover.key or "" for leftover in self._some_leftovers()]
        return [key for key in (*self._objects(), *found) if key.startswith(self.prefix)]

    def _objects(self) -> list[str]:
        """Those keys that are listed, or those of the proof that are there where too many objects are."""
        if isinstance(self.driver, ListsObjects):
            listed = [info.key for info in itertools.islice(self.driver.objects(), MOST_OBJECTS)]
            if len(listed) < MOST_OBJECTS:
                return listed
        return list(filter(self.exists, self._keys))

    def _some_leftovers(self) -> list[Leftover]:
        if not isinstance(self.driver, FindsLeftovers):
            return []
        return list(itertools.islice(self.driver.leftovers(), MOST_LEFTOVERS))

    def _remove(self, key: str) -> None:
        with contextlib.suppress(errors.ObjectNotFound):
            self.driver.delete(key)
        if key not in self._unfinished:
            return
        if isinstance(self.driver, ClearsLeftovers):
            self.driver.clear_leftovers(key)
        elif isinstance(self.driver, FindsLeftovers):
            for leftover in self.leftovers(key):
                self.driver.remove_leftover(dataclasses.replace(leftover, certain=True))


def eventually(done: Callable[[], bool], *, tries: int = TRIES) -> str:
    """When `done` was true: at once, or after some seconds; empty if it was not. The pauses between grow."""
    began = time.monotonic()
    for number in range(tries):
        if number:
            time.sleep(PAUSE * 2**number)
        if done():
            return f"after {time.monotonic() - began:.1f} s" if number else "at once"
    return ""
