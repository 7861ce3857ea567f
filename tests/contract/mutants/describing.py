"""Drivers that describe an object wrongly, or end more than themselves."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, MutantStorage, caught_by


def _in_milliseconds(info: ObjectInfo) -> ObjectInfo:
    return dataclasses.replace(info, modified=(info.modified or 0) * 1000)


@caught_by("test_modified_is_in_seconds")
class StatTellsMilliseconds(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        return _in_milliseconds(super()._stat(key))


@caught_by("test_modified_is_in_seconds")
class ListsMilliseconds(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        return map(_in_milliseconds, super().objects())


@caught_by("test_listing_tells_what_stat_tells")
class ListsTheFirstPartsSizeOnly(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        return (dataclasses.replace(info, size=min(info.size, 64 * 1024)) for info in super().objects())


@caught_by("test_listing_tells_what_stat_tells")
class ListsAnotherEtag(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        return (dataclasses.replace(info, etag=f'"{info.etag}"') for info in super().objects())


@caught_by("test_closing_a_driver_leaves_the_others_alone")
class CloseEndsEveryUpload(Mutant):
    def close(self) -> None:
        if isinstance(self.storage, MutantStorage):
            for writer in self.storage.writers:
                writer._chunks.clear()


@caught_by("test_modified_is_in_seconds")
class TellsLocalTime(Mutant):
    """The storage says UTC, and it is read as the time of this place."""

    def _stat(self, key: str) -> ObjectInfo:
        info = super()._stat(key)
        return dataclasses.replace(info, modified=time.mktime(time.gmtime(info.modified)))


@caught_by("test_modified_is_in_seconds")
class TellsWhenItWasAsked(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        return dataclasses.replace(super()._stat(key), modified=time.time())
