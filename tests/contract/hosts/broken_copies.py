"""Deliberately broken catalogs for copies: for every test of the contract at least one that it catches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from imgstore import errors
from imgstore.catalog import MemoryCatalog, copy_gone
from imgstore.model import Attempt, Location, StoredImage
from tests.contract.hosts.broken_catalogs import Broken, ReadsThenWrites
from tests.contract.hosts.runner import Mutants, meet_another

MUTANTS = Mutants[type[MemoryCatalog]]()
caught_by = MUTANTS.caught_by


@caught_by("test_copy_adds_locations_and_leaves_all_else_as_it_was")
class SavesDuringTheCopy(Broken):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        begun = super().begin_copy(image_id, stores, context)
        self._change(image_id, status="saving")
        return begun


@caught_by("test_copy_adds_locations_and_leaves_all_else_as_it_was")
class GivesTheAttemptOnly(Broken):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> Any:
        return super().begin_copy(image_id, stores, context)[0]


@caught_by("test_copy_adds_locations_and_leaves_all_else_as_it_was")
class ReplacesLocations(Broken):
    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        super().add_locations(attempt, locations)
        self._change(attempt.image_id, locations=tuple(locations))


@caught_by("test_copy_adds_locations_and_leaves_all_else_as_it_was")
class ForgetsTheDigest(Broken):
    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        super().add_locations(attempt, locations)
        self._change(attempt.image_id, hash_value=None)


@caught_by("test_copy_adds_no_location_of_a_store_that_was_left_out")
class AddsEveryStore(Broken):
    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        super().add_locations(attempt, [replace(locations[0], store=store) for store in attempt.stores])


@caught_by("test_released_copy_leaves_the_image_as_it_was")
class QueuesAfterACopy(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        released = super().release(attempt, unremoved)
        if released:
            self._change(attempt.image_id, status="queued")
        return released


@caught_by("test_copies_and_uploads_never_share_a_key")
class CountsCopiesApart(Broken):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        self._spent[image_id] = 0
        return super().begin_copy(image_id, stores, context)


@caught_by("test_image_that_is_not_there_is_not_copied")
class CannotTell(Broken):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        if image_id not in self._rows:
            raise errors.CatalogUnavailable("The row is not there.")
        return super().begin_copy(image_id, stores, context)


class _Lenient(Broken):
    """Begins a copy of an image that this calls active, not busy, and nowhere."""

    def _lenient(self, image_id: str, stores: Sequence[str], image: StoredImage, **fields: Any) -> Any:
        row = self._rows[image_id]
        self._rows[image_id] = replace(row, image=image, **fields)
        attempt, _ = super().begin_copy(image_id, stores)
        self._change(image_id, status=row.image.status, locations=row.image.locations)
        return attempt, row.image


@caught_by("test_only_active_images_are_copied")
class CopiesWhatIsNotThere(_Lenient):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        active: tuple[Attempt, StoredImage] = self._lenient(
            image_id, stores, replace(self.find(image_id), status="active")
        )
        return active


@caught_by("test_store_that_has_the_image_is_told")
class CopiesTwice(_Lenient):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        nowhere: tuple[Attempt, StoredImage] = self._lenient(
            image_id, stores, replace(self.find(image_id), locations=())
        )
        return nowhere


@caught_by("test_one_copy_of_an_image_at_a_time")
class TakesOver(_Lenient):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        free: tuple[Attempt, StoredImage] = self._lenient(image_id, stores, self.find(image_id), uploading=None)
        return free


@caught_by("test_copy_ends_once")
class AddsForAnybody(Broken):
    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        row = self._rows.get(attempt.image_id)
        if row is None:
            raise copy_gone(attempt.image_id)
        self._rows[attempt.image_id] = replace(row, uploading=attempt.number)
        super().add_locations(attempt, locations)


class _Revives(Broken):
    def __init__(self) -> None:
        super().__init__()
        self._graves: dict[str, Any] = {}

    def delete(self, image_id: str) -> StoredImage:
        self._graves[image_id] = self._rows[image_id]
        return super().delete(image_id)


@caught_by("test_image_deleted_during_its_copy_never_comes_back")
class RevivesByACopy(_Revives):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        self._rows[attempt.image_id] = self._graves.get(attempt.image_id) or self._rows[attempt.image_id]
        return super().release(attempt, unremoved)


@caught_by("test_addition_and_deletion_have_one_outcome")
class WritesTheRowBack(_Revives):
    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        row = self._rows.get(attempt.image_id) or self._graves[attempt.image_id]
        meet_another()
        self._rows[attempt.image_id] = row


@caught_by("test_one_of_many_begins_a_copy")
class ChecksBeforeItCopies(Broken):
    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        row = self._visible(image_id, context)
        if row.uploading is not None:
            raise errors.ImageConflict("busy")
        meet_another()
        return self._granted(row, stores), row.image


caught_by("test_addition_and_release_have_one_outcome")(ReadsThenWrites)
