"""Drivers that blame the wrong side, or say what may not be said."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.drivers.memory import MemoryStorage
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import INTERNAL, SECRET, Mutant, MutantStorage, caught_by

LOG = logging.getLogger(__name__)


def reached(storage: MemoryStorage) -> bool:
    return isinstance(storage, MutantStorage)


@caught_by("test_unreachable_storage_is_unavailable")
class TakesAnUnreachableStorageForAnEmptyOne(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        if not reached(self.storage):
            raise errors.ObjectNotFound("No object is there under that key.")
        return super()._stat(key)


@caught_by("test_unreachable_storage_is_unavailable")
class TakesAnUnreachableStorageForAFullOne(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if not reached(self.storage):
            raise errors.StoreFull("The storage takes nothing.")
        return super()._open_writer(key, size)


@caught_by("test_check_finds_that_the_storage_is_unreachable")
class CheckLooksAtNothing(Mutant):
    def check(self) -> None:
        pass


@caught_by("test_unreachable_storage_is_unavailable_to_what_is_optional")
class ListsNothingWhenItCannotList(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        return super().objects() if reached(self.storage) else iter(())


@caught_by("test_refusals_are_blamed_on_the_right_side")
class CallsAnExistingObjectAFullStore(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if reached(self.storage) and key in self.storage.names():
            raise errors.StoreFull("No room under that key.")
        return super()._open_writer(key, size)


@caught_by("test_no_secret_in_the_text_of_an_object")
class ShowsItsPassword(Mutant):
    def __repr__(self) -> str:
        return f"<driver with token={SECRET}>"


@caught_by("test_no_secret_in_a_url")
class PutsItsPasswordIntoUrls(Mutant):
    def url(self, key: str) -> str:
        return f"memory://user:{SECRET}@/{key}"


@caught_by("test_no_secret_in_an_error")
class QuotesItsPasswordInWhatCausedAnError(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        if not reached(self.storage):
            raise ValueError(f"https://user:{SECRET}@storage.invalid refused the connection")
        return super()._open_reader(key, start, stop, etag)


@caught_by("test_nothing_internal_in_a_message")
class TellsThePath(Mutant):
    def _delete(self, key: str) -> None:
        if not reached(self.storage):
            raise errors.StoreUnavailable(f"{INTERNAL}/{key} cannot be removed.")
        super()._delete(key)


@caught_by("test_no_secret_in_the_log")
class LogsItsRequests(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        LOG.debug("PUT %s X-Auth-Token: %s", key, SECRET)
        return super()._open_writer(key, size)
