"""Readers that deliver something else, too much, too little, or of another object."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from imgstore import errors
from imgstore.driver import READ_SIZE, ObjectReader, StoreDriver
from imgstore.driver.reader import EmptyReader
from imgstore.drivers.memory import MemoryObject, MemoryReader, MemoryStorage
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, caught_by, patched

BLOCK = 64 * 1024


@caught_by("test_every_range_of_a_small_object")
class IgnoresRanges(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return super()._open_reader(key, 0, stop, etag)


@caught_by("test_ranges_around_borders")
class BeginsAtABlock(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return super()._open_reader(key, start if start < BLOCK else start - start % BLOCK, stop, etag)


@caught_by("test_range_of_an_empty_object")
class HasNoRangeOfAnEmptyObject(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        if self._stat(key).size == 0:
            raise errors.RangeNotSatisfiable("The object is empty.")
        return super()._open_reader(key, start, stop, etag)


def _open_clamped(
    self: StoreDriver, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
) -> ObjectReader:
    size = self.stat(key).size
    return StoreDriver.open_reader(self, key, start=min(start, size), stop=min(stop or size, size), etag=etag)


@caught_by("test_range_beyond_the_end_is_refused", "test_range_of_an_empty_object")
@patched(open_reader=_open_clamped)
class ClampsRanges(Mutant):
    pass


def _open_from_the_end(
    self: StoreDriver, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
) -> ObjectReader:
    size = self.stat(key).size
    first, last = start % (size + 1), None if stop is None else stop % (size + 1)
    return StoreDriver.open_reader(self, key, start=first, stop=last, etag=etag)


@caught_by("test_negative_offset_is_the_callers_mistake")
@patched(open_reader=_open_from_the_end)
class CountsNegativeOffsetsFromTheEnd(Mutant):
    pass


@caught_by("test_read_is_never_more_than_asked_for_nor_less_than_a_byte")
class ReadsAByteMore(Mutant):
    class READER(MemoryReader):
        def _read(self, size: int) -> bytes:
            return super()._read(size + 1)


def _read_like_a_file(self: ObjectReader, size: int = READ_SIZE) -> bytes:
    return ObjectReader.read(self, size) if size > 0 else b""


@caught_by("test_reading_no_bytes_is_the_callers_mistake")
class AnswersNoBytesWithTheEnd(Mutant):
    @patched(read=_read_like_a_file)
    class READER(MemoryReader):
        pass


@caught_by("test_missing_object_is_not_found")
class TakesAMissingObjectForAnEmptyOne(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        if key not in self.storage.names():
            return EmptyReader(ObjectInfo(key, 0))
        return super()._open_reader(key, start, stop, etag)


@caught_by("test_stat_tells_size_and_etag")
class StatTellsNoEtag(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        return dataclasses.replace(super()._stat(key), etag=None)


@caught_by("test_etag_is_the_same_until_the_object_changes")
class GivesEveryProcessAnEtagOfItsOwn(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        return dataclasses.replace(super()._stat(key), etag=str(id(self)))


def _open_unpinned(
    self: StoreDriver, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
) -> ObjectReader:
    return StoreDriver.open_reader(self, key, start=start, stop=stop)


@caught_by("test_pinned_read_is_of_that_object")
@patched(open_reader=_open_unpinned)
class IgnoresThePin(Mutant):
    pass


@caught_by("test_recreated_object_is_never_taken_for_the_first")
class MakesTheEtagOfTheSize(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        info = super()._stat(key)
        return dataclasses.replace(info, etag=str(info.size))

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        reader = super()._open_reader(key, start, stop, etag)
        reader.info = self._stat(key)
        return reader


class _ByName(MemoryReader):
    def __init__(self, storage: MemoryStorage, found: MemoryObject, start: int) -> None:
        super().__init__(found, start)
        self._storage = storage

    def _read(self, size: int) -> bytes:
        self._view = memoryview(self._storage.get(self.info.key).data)
        return super()._read(size)


@caught_by("test_open_read_of_a_deleted_object_is_whole_or_raises")
class OpensTheNameAgainAtEveryRead(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return _ByName(self.storage, self.storage.get(key), start)


@caught_by("test_reader_may_be_closed_early")
class CannotBeClosedEarly(Mutant):
    class READER(MemoryReader):
        def _close(self) -> None:
            if self.position < self.stop:
                raise ConnectionAbortedError("unread data")


class _OnePosition(MemoryReader):
    def __init__(self, found: MemoryObject, start: int, places: dict[str, Any]) -> None:
        super().__init__(found, start)
        self._places = places
        places.setdefault(found.info.key, itertools.count(start))

    def _read(self, size: int) -> bytes:
        self._position = next(self._places[self.info.key])
        return super()._read(size)


@caught_by("test_readers_do_not_share_a_position", "test_readers_of_one_object_do_not_meet")
class ReadersShareAPosition(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        places: dict[str, Any] = vars(self).setdefault("places", {})
        return _OnePosition(self.storage.get(key), start, places)


@caught_by("test_ranges_around_borders")
class BeginsAByteBeforeTheSecondBlock(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return super()._open_reader(key, start - (start == 2 * BLOCK), stop, etag)


@caught_by("test_recreated_object_is_never_taken_for_the_first")
class RemembersBytesByKeyAndSize(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        found = self.storage.get(key)
        kept: dict[tuple[str, int], bytes] = vars(self).setdefault("kept", {})
        data = kept.setdefault((key, found.info.size), found.data)
        return MemoryReader(dataclasses.replace(found, data=data), start)
