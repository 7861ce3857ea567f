"""Drivers that show too much, too early, too little, or take away what is not theirs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from imgstore import errors
from imgstore.model import Leftover, ObjectInfo, Space
from tests.contract.mutants.base import Mutant, MutantStorage, MutantWriter, caught_by


@caught_by("test_nothing_is_visible_before_commit")
class WritesUnderTheFinalName(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            super()._write(chunk)
            self._created = self.mutant_storage.replace(self.key, self.joined)

        def _commit(self) -> ObjectInfo:
            return self.mutant_storage.replace(self.key, self.joined)


@caught_by("test_empty_object_is_invisible_before_commit")
class ReservesTheNameWithAnEmptyObject(Mutant):
    class WRITER(MutantWriter):
        def __init__(self, storage: MutantStorage, key: str) -> None:
            super().__init__(storage, key)
            self._created = storage.create(key, b"")

        def _commit(self) -> ObjectInfo:
            self._created = self.mutant_storage.replace(self.key, self.joined)
            return self._created


@caught_by("test_listing_is_exactly_what_was_committed")
class ListsTheFirstPageOnly(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        return itertools.islice(super().objects(), 2)


@caught_by("test_object_outlives_its_driver")
class ClosingRemovesEverything(Mutant):
    def close(self) -> None:
        for key in self.storage.names():
            self.storage.remove(key)


@caught_by("test_deleted_object_is_gone_everywhere")
class DeleteHidesInThisProcessOnly(Mutant):
    hidden: str | None = None

    def _delete(self, key: str) -> None:
        self._stat(key)
        self.hidden = key

    def _stat(self, key: str) -> ObjectInfo:
        if key == self.hidden:
            raise errors.ObjectNotFound("No object is there under that key.")
        return super()._stat(key)


@caught_by("test_delete_takes_one_object_only")
class DeletesEverythingThatBeginsSo(Mutant):
    def _delete(self, key: str) -> None:
        super()._delete(key)
        for name in self.storage.names():
            if name.startswith(key):
                super()._delete(name)


@caught_by("test_living_upload_is_not_a_leftover")
class PurgesLivingUploads(Mutant):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        return iter([Leftover(str(number), "upload") for number in range(len(self.storage.writers))])

    def remove_leftover(self, leftover: Leftover) -> None:
        self.storage.writers[int(leftover.name)]._chunks.clear()


@caught_by("test_committed_object_is_not_a_leftover")
class PurgesObjects(Mutant):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        return iter([Leftover(info.key, "object") for info in self.objects()])

    def remove_leftover(self, leftover: Leftover) -> None:
        self.delete(leftover.name)


@caught_by("test_space_is_told_in_bytes_or_not_at_all")
class HasMoreFreeThanThereIs(Mutant):
    def space(self) -> Space:
        return Space(total=0, free=13)


@caught_by("test_check_passes_and_leaves_no_trace")
class CheckLeavesItsProbe(Mutant):
    def check(self) -> None:
        with contextlib.suppress(errors.ObjectExists):
            self.storage.create("probe", b"")


@caught_by("test_delete_of_nothing_is_told")
class DeleteOfNothingSucceeds(Mutant):
    def _delete(self, key: str) -> None:
        with contextlib.suppress(errors.ObjectNotFound):
            super()._delete(key)


@caught_by("test_delete_takes_one_object_only")
class DeletesTheKeysBehindADash(Mutant):
    def _delete(self, key: str) -> None:
        super()._delete(key)
        for name in self.storage.names():
            if name.startswith(f"{key}_"):
                super()._delete(name)


@caught_by("test_listing_shows_what_stays_while_others_come_and_go")
class ListsPagesByTheirNumber(Mutant):
    """What is deleted meanwhile moves the rest to the page before."""

    def objects(self) -> Iterator[ObjectInfo]:
        for number in itertools.count():
            page = self.storage.infos()[2 * number : 2 * number + 2]
            if not page:
                return
            yield from page


@caught_by("test_listing_shows_what_stays_while_others_come_and_go")
class LooksAtEachNameThatItLists(Mutant):
    """Which may be gone by then."""

    def objects(self) -> Iterator[ObjectInfo]:
        for key in list(self.storage.names()):
            yield self._stat(key)
