"""Deliberately broken recoveries: for every test of the contract at least one that it catches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from imgstore import errors
from imgstore.catalog import image_gone
from imgstore.model import Attempt, DeadAttempt, Removal, Standing, StoredImage, UploadResult
from tests.contract.hosts.kept_memory import KeptMemory
from tests.contract.hosts.runner import Mutants, meet_another

MUTANTS = Mutants[type[KeptMemory]]()
caught_by = MUTANTS.caught_by


@caught_by("test_attempt_under_way_is_not_dead")
class TellsOfEverybody(KeptMemory):
    def expired(self) -> Sequence[DeadAttempt]:
        return [DeadAttempt(attempt) for attempt in self.begun.values()]


@caught_by("test_attempt_under_way_is_not_dead")
class HasNoLease(KeptMemory):
    lease = None  # type: ignore[assignment] # the mistake


@caught_by("test_attempt_under_way_is_not_dead")
class ReturnsTheRenewed(KeptMemory):
    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        super().renew(attempts)
        return attempts


@caught_by("test_lease_that_ran_out_is_told_with_its_stores")
class RemembersOneStore(KeptMemory):
    def expired(self) -> Sequence[DeadAttempt]:
        return [DeadAttempt(replace(dead.attempt, stores=dead.attempt.stores[:1])) for dead in super().expired()]


@caught_by("test_attempt_that_ended_is_not_dead")
class KeepsTheLease(KeptMemory):
    def _ended(self, attempt: Attempt, stores: Sequence[str]) -> None:
        super()._ended(attempt, stores)
        self.overdue.add((attempt.image_id, attempt.number))


@caught_by("test_renewal_that_comes_late_keeps_the_image")
class LooksAtNoLease(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        self.overdue.add((dead.attempt.image_id, dead.attempt.number))
        return super().take_back(dead)


@caught_by("test_renewal_that_comes_late_keeps_the_image")
class RenewsOnlyInTime(KeptMemory):
    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        late = [attempt for attempt in attempts if (attempt.image_id, attempt.number) in self.overdue]
        return [*super().renew([attempt for attempt in attempts if attempt not in late]), *late]


@caught_by("test_renewal_tells_which_attempts_lost_their_image")
class NobodyIsLost(KeptMemory):
    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        super().renew(attempts)
        return []


@caught_by("test_image_of_a_dead_attempt_is_queued_and_its_data_to_be_removed")
class RecordsNothing(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        return super().take_back(replace(dead, attempt=replace(dead.attempt, stores=())))


@caught_by("test_image_of_a_dead_attempt_is_queued_and_its_data_to_be_removed")
class KillsTheImage(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        taken = super().take_back(dead)
        row = self._rows[dead.attempt.image_id]
        self._rows[dead.attempt.image_id] = replace(row, image=replace(row.image, status="killed"))
        return taken


@caught_by("test_dead_attempt_is_taken_back_once")
class TakesTwice(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        return super().take_back(dead) or True


@caught_by("test_attempt_that_comes_back_owns_nothing")
class ActivatesWhateverIsSaving(KeptMemory):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        row = self._rows.get(attempt.image_id)
        if row is None or row.uploading is None:
            raise image_gone(attempt.image_id)
        super().activate(replace(attempt, number=row.uploading), result)


@caught_by("test_image_deleted_under_a_dead_attempt_stays_deleted")
class BringsBackTheDeleted(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        if dead.attempt.image_id not in self._rows:
            self.create(dead.attempt.image_id, owner=dead.attempt.owner)
        return super().take_back(dead)


@caught_by("test_image_deleted_under_a_dead_attempt_stays_deleted")
class ForgetsTheDeleted(KeptMemory):
    def delete(self, image_id: str) -> StoredImage:
        self.begun = {key: attempt for key, attempt in self.begun.items() if key[0] != image_id}
        return super().delete(image_id)


@caught_by("test_recovery_and_the_owner_have_one_outcome")
class LooksThenEnds(KeptMemory):
    def _owned(self, attempt: Attempt) -> Any:
        row = super()._owned(attempt)
        self._lock.release()
        meet_another()
        self._lock.acquire()
        return row


@caught_by("test_one_of_many_takes_a_lease_back")
class LooksThenTakesBack(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        key = dead.attempt.image_id, dead.attempt.number
        if key not in self.overdue:
            return False
        meet_another()
        self.overdue.add(key)
        return super().take_back(dead)


@caught_by("test_stores_that_failed_are_on_record")
class PassesOverWhatFailed(KeptMemory):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return super().release(attempt)


@caught_by("test_stores_that_failed_are_on_record")
class PassesOverWhatWasLeftOut(KeptMemory):
    def left_out(self, attempt: Attempt, locations: object) -> list[str]:
        return []


@caught_by("test_removal_is_forgotten_when_its_object_is_gone")
class ForgetsAllOfAnImage(KeptMemory):
    def removed(self, removal: Removal) -> None:
        self.left = {number: each for number, each in self.left.items() if each.image_id != removal.image_id}


@caught_by("test_removal_is_forgotten_when_its_object_is_gone")
class ForgetsOnce(KeptMemory):
    def removed(self, removal: Removal) -> None:
        if removal not in self.left.values():
            raise errors.UsageError("There is no such removal.")
        super().removed(removal)


@caught_by("test_removal_is_forgotten_when_its_object_is_gone")
class ForgetsNothing(KeptMemory):
    def removed(self, removal: Removal) -> None:
        """Does nothing."""


@caught_by("test_objects_are_known_by_what_became_of_their_attempts")
class TakesWhatItDoesNotKnowForDead(KeptMemory):
    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        known = super().standings(store, keys)
        return {key: Standing.DEAD if told is Standing.UNKNOWN else told for key, told in known.items()}


@caught_by("test_image_that_is_uploaded_again_keeps_its_former_attempts_apart")
class LooksAtTheImageOnly(KeptMemory):
    def _standing(self, store: str, key: str) -> Standing:
        image_id = key.partition(".")[0]
        return super()._standing(store, self._last(image_id) if image_id in self._rows else key)

    def _last(self, image_id: str) -> str:
        return replace(NOBODYS, image_id=image_id, number=self._spent.get(image_id, 1)).key


@caught_by("test_data_of_a_deleted_image_is_no_images")
class RemembersTheDeleted(KeptMemory):
    def __init__(self) -> None:
        super().__init__()
        self._deleted: set[str] = set()

    def delete(self, image_id: str) -> StoredImage:
        self._deleted.add(image_id)
        return super().delete(image_id)

    def _standing(self, store: str, key: str) -> Standing:
        return Standing.LIVE if key in self._deleted else super()._standing(store, key)


@caught_by("test_dead_copy_is_taken_back_and_its_image_stays_active")
class QueuesCopiedImages(KeptMemory):
    def take_back(self, dead: DeadAttempt) -> bool:
        taken = super().take_back(dead)
        row = self._rows[dead.attempt.image_id]
        self._rows[dead.attempt.image_id] = replace(row, image=replace(row.image, status="queued"))
        return taken


NOBODYS = Attempt("", 1, "", "", "")
