"""Deliberately broken catalogs: for every test of the contract at least one that it catches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from imgstore import errors
from imgstore.catalog import MemoryCatalog, image_gone
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult
from tests.contract.hosts.runner import Mutants, meet_another

MUTANTS = Mutants[type[MemoryCatalog]]()
caught_by = MUTANTS.caught_by


class Broken(MemoryCatalog):
    """What mutants are made of."""

    def _change(self, image_id: str, **fields: Any) -> None:
        row = self._rows[image_id]
        self._rows[image_id] = replace(row, image=replace(row.image, **fields))


@caught_by("test_image_without_data_is_queued")
class QueuedImagesAreEmpty(Broken):
    def find(self, image_id: str, context: object = None) -> StoredImage:
        image = super().find(image_id, context)
        return replace(image, size=image.size or 0)


@caught_by("test_image_without_data_is_queued")
class FindsNone(Broken):
    def find(self, image_id: str, context: object = None) -> Any:
        return None


@caught_by("test_begin_grants_what_was_asked_for")
class StaysQueued(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        attempt = super().begin(request, stores)
        self._change(request.image_id, status="queued")
        return attempt


@caught_by("test_begin_grants_what_was_asked_for")
class ForgetsStores(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return replace(super().begin(request, stores), stores=())


@caught_by("test_begin_grants_what_was_asked_for")
class BeginsNothing(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Any:
        super().begin(request, stores)
        return None


@caught_by("test_begin_grants_what_was_asked_for")
class NobodyOwns(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return replace(super().begin(request, stores), owner="")


@caught_by("test_activation_makes_the_image_active_with_its_data")
class ActivatesLater(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> Any:
        async def later() -> None:
            return None

        return later()


@caught_by("test_activation_makes_the_image_active_with_its_data")
class ColumnOf32Bits(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        super().activate(attempt, replace(result, size=result.size % 2**32))


@caught_by("test_activation_makes_the_image_active_with_its_data")
class EmptyIsUnknown(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        super().activate(attempt, result)
        self._change(attempt.image_id, size=result.size or None)


@caught_by("test_activation_makes_the_image_active_with_its_data")
class CutsUrls(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        cut = [replace(location, url=location.url[:255]) for location in result.locations]
        super().activate(attempt, replace(result, locations=cut))


@caught_by("test_activation_makes_the_image_active_with_its_data")
class DatabaseIsLocked(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        raise OSError("database is locked")


@caught_by("test_activation_adds_the_locations_that_it_got")
class KeepsOneLocation(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        super().activate(attempt, replace(result, locations=result.locations[:1]))


@caught_by("test_activation_adds_the_locations_that_it_got")
class BelievesTheAttempt(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        stem = result.locations[0]
        url = stem.url.replace(stem.store, "{}")
        super().activate(
            attempt, replace(result, locations=[Location(s, attempt.key, url.format(s)) for s in attempt.stores])
        )


@caught_by("test_release_gives_the_image_back_for_a_retry")
class SaysNothing(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> Any:
        super().release(attempt, unremoved)
        return None


@caught_by("test_release_gives_the_image_back_for_a_retry")
class KeepsWhatCouldNotBeRemoved(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return not unremoved and super().release(attempt)


@caught_by("test_release_gives_the_image_back_for_a_retry")
class Kills(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        released = super().release(attempt, unremoved)
        self._change(attempt.image_id, status="killed")
        return released


@caught_by("test_attempts_never_share_a_key")
class CountsNothing(Broken):
    def _next_number(self, image_id: str) -> int:
        return 1


@caught_by("test_image_that_is_not_there_is_not_found")
class RaisesKeyError(Broken):
    def _visible(self, image_id: str, project: object, *, pop: bool = False) -> Any:
        self._rows[image_id]
        return super()._visible(image_id, project, pop=pop)


@caught_by("test_image_that_is_not_queued_takes_no_upload")
class BeginsAgain(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        self._change(request.image_id, status="queued")
        return super().begin(request, stores)


@caught_by("test_owner_is_confirmed")
class ConfirmsNobody(Broken):
    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        raise image_gone(attempt.image_id)


@caught_by("test_owner_is_confirmed")
class AnswersConfirm(Broken):
    def confirm(self, attempt: Attempt, *, certain: bool = True) -> Any:
        return False


@caught_by("test_images_do_not_meet")
class UpdatesWithoutWhere(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        released = super().release(attempt, unremoved)
        for image_id in self._rows:
            self._change(image_id, status="queued", size=None, locations=())
        return released


@caught_by("test_attempt_ends_once")
class ReleasesTwice(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return super().release(attempt, unremoved) or True


@caught_by("test_attempt_ends_once", "test_attempt_that_lost_its_image_harms_no_later_one")
class ActivatesForAnybody(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        row = self._rows.get(attempt.image_id)
        if row is None:
            raise image_gone(attempt.image_id)
        self._rows[attempt.image_id] = replace(row, uploading=attempt.number)
        super().activate(attempt, result)


@caught_by("test_attempt_that_lost_its_image_harms_no_later_one")
class LooksAtTheStatusOnly(Broken):
    def _owned(self, attempt: Attempt) -> Any:
        row = self._rows.get(attempt.image_id)
        return None if row is None or row.image.status != "saving" else row


@caught_by("test_attempt_that_lost_its_image_is_told_before_it_commits")
class ConfirmsEverybody(Broken):
    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """Does nothing."""


@caught_by("test_image_deleted_during_its_upload_never_comes_back")
class ActivatesTheDead(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        if attempt.image_id not in self._rows:
            self.create(attempt.image_id, owner=attempt.owner)
            super().begin(UploadRequest(attempt.image_id), attempt.stores)
            attempt = replace(attempt, number=attempt.number + 1)
        super().activate(attempt, result)


@caught_by("test_image_deleted_during_its_upload_never_comes_back")
class RestoresByRelease(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        if attempt.image_id not in self._rows:
            self.create(attempt.image_id, owner=attempt.owner)
        return super().release(attempt, unremoved)


@caught_by("test_stranger_finds_no_image")
class HidesFromFindOnly(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return super().begin(replace(request, context=None), stores)


@caught_by("test_stranger_finds_no_image")
class TellsThatItIsForbidden(Broken):
    def find(self, image_id: str, context: object = None) -> StoredImage:
        try:
            return super().find(image_id, context)
        except errors.ImageNotFound as error:
            raise errors.Forbidden("This image is not yours.") from error


@caught_by("test_image_without_formats_takes_no_upload")
class AsksForNoFormats(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        self._rows[request.image_id] = replace(self._rows[request.image_id], disk_format="raw")
        return super().begin(request, stores)


@caught_by("test_one_of_many_begins")
class ChecksBeforeItChanges(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        row = self._visible(request.image_id, request.context)
        if row.image.status != "queued":
            raise errors.ImageConflict("not queued")
        meet_another()
        return self._granted(replace(row, image=replace(row.image, status="saving")), stores)


class _Slow(Broken):
    """Finds out who owns the image, and acts on it a moment later."""

    def _owned(self, attempt: Attempt) -> Any:
        row = super()._owned(attempt)
        self._lock.release()
        meet_another()
        self._lock.acquire()
        return row


@caught_by("test_activation_and_release_have_one_outcome", "test_release_gives_back_nothing_of_the_next_attempt")
class ReadsThenWrites(_Slow):
    pass
