"""Deliberately broken recoveries: for every test of the contract at least one that it catches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from imgstore import errors
from imgstore.catalog import image_gone
from imgstore.hosting import TableCatalog
from imgstore.hosting.rows import State, state_of, values_of
from imgstore.model import Attempt, DeadAttempt, Removal, Standing, UploadRequest, UploadResult, attempt_of
from tests.contract.hosts.runner import Mutants, meet_another
from tests.hosting.tables import DictTable

MUTANTS = Mutants[type[TableCatalog]]()
caught_by = MUTANTS.caught_by


class Broken(TableCatalog):
    """What mutants are made of."""

    _table: DictTable

    def _state(self, image_id: str) -> State:
        return state_of(self._table.rows[image_id])

    def _set(self, image_id: str, **fields: Any) -> None:
        row = self._table.rows[image_id]
        self._table.rows[image_id] = replace(row, **fields)


@caught_by("test_attempt_under_way_is_not_dead")
class TellsOfEverybody(Broken):
    def expired(self) -> Sequence[DeadAttempt]:
        self._clock = lambda: 1e12
        return super().expired()


@caught_by("test_attempt_under_way_is_not_dead")
class HasNoLease(Broken):
    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        self.lease, attempt = 60.0, super().begin(request, stores)
        self.lease = 0.0
        return attempt


@caught_by("test_attempt_under_way_is_not_dead")
class ReturnsTheRenewed(Broken):
    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        super().renew(attempts)
        return attempts


@caught_by("test_lease_that_ran_out_is_told_with_its_stores")
class RemembersOneStore(Broken):
    def expired(self) -> Sequence[DeadAttempt]:
        return [DeadAttempt(replace(dead.attempt, stores=dead.attempt.stores[:1])) for dead in super().expired()]


@caught_by("test_attempt_that_ended_is_not_dead")
class EndsOnlyTheLiving(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        before = self._state(attempt.image_id)
        super().activate(attempt, result)
        after = replace(self._state(attempt.image_id), lease_until=before.lease_until)
        self._set(attempt.image_id, **values_of(after, version=100))


@caught_by("test_renewal_that_comes_late_keeps_the_image")
class LooksAtNoLease(Broken):
    def take_back(self, dead: DeadAttempt) -> bool:
        return self._ended(dead.attempt, dead.attempt.stores, lambda state: True)


@caught_by("test_renewal_that_comes_late_keeps_the_image")
class RenewsOnlyInTime(Broken):
    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        late = {dead.attempt for dead in self.expired()}
        return [*super().renew([attempt for attempt in attempts if attempt not in late]), *late]


@caught_by("test_renewal_tells_which_attempts_lost_their_image")
class NobodyIsLost(Broken):
    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        super().renew(attempts)
        return []


@caught_by("test_image_of_a_dead_attempt_is_queued_and_its_data_to_be_removed")
class RecordsNothing(Broken):
    def take_back(self, dead: DeadAttempt) -> bool:
        return super().take_back(replace(dead, attempt=replace(dead.attempt, stores=())))


@caught_by("test_image_of_a_dead_attempt_is_queued_and_its_data_to_be_removed")
class KillsTheImage(Broken):
    def take_back(self, dead: DeadAttempt) -> bool:
        taken = super().take_back(dead)
        self._set(dead.attempt.image_id, status="killed")
        return taken


@caught_by("test_dead_attempt_is_taken_back_once")
class TakesTwice(Broken):
    def take_back(self, dead: DeadAttempt) -> bool:
        return super().take_back(dead) or True


@caught_by("test_attempt_that_comes_back_owns_nothing")
class ActivatesWhateverIsSaving(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        state = self._state(attempt.image_id)
        if state.status != "saving":
            raise image_gone(attempt.image_id)
        super().activate(replace(attempt, number=state.attempts), result)


@caught_by("test_image_deleted_under_a_dead_attempt_stays_deleted")
class BringsBackTheDeleted(Broken):
    def take_back(self, dead: DeadAttempt) -> bool:
        taken = super().take_back(dead)
        self._set(dead.attempt.image_id, status="queued")
        return taken


@caught_by("test_image_deleted_under_a_dead_attempt_stays_deleted")
class ForgetsTheDeleted(Broken):
    def expired(self) -> Sequence[DeadAttempt]:
        return [dead for dead in super().expired() if self._state(dead.attempt.image_id).status != "deleted"]


@caught_by("test_one_of_many_takes_a_lease_back", "test_recovery_and_the_owner_have_one_outcome")
class ReadsThenWrites(Broken):
    def _change(self, image_id: str, decide: Callable[[State], State | None]) -> bool:
        state = decide(self._state(image_id))
        meet_another()
        if state is not None:
            self._set(image_id, **values_of(state, version=self._table.rows[image_id].version + 1))
        return state is not None


@caught_by("test_stores_that_failed_are_on_record")
class PassesOverWhatFailed(Broken):
    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return super().release(attempt)


@caught_by("test_stores_that_failed_are_on_record")
class PassesOverWhatWasLeftOut(Broken):
    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        super().activate(replace(attempt, stores=[location.store for location in result.locations]), result)


@caught_by("test_removal_is_forgotten_when_its_object_is_gone")
class ForgetsAllOfAnImage(Broken):
    def removed(self, removal: Removal) -> None:
        for each in self.removals(removal.image_id):
            super().removed(each)


@caught_by("test_removal_is_forgotten_when_its_object_is_gone")
class ForgetsOnce(Broken):
    def removed(self, removal: Removal) -> None:
        if removal not in self.removals(removal.image_id):
            raise errors.UsageError("There is no such removal.")
        super().removed(removal)


@caught_by("test_removal_is_forgotten_when_its_object_is_gone")
class ForgetsNothing(Broken):
    def removed(self, removal: Removal) -> None:
        """Does nothing."""


@caught_by("test_removal_that_is_told_again_takes_no_images_data")
class GoesByTheNumberOfARow(Broken):
    """That of the last row is given to the next one when it is gone, as in SQLite."""

    def removed(self, removal: Removal) -> None:
        if removal in self.removals(removal.image_id):
            super().removed(removal)
            return
        for image_id, row in list(self._table.rows.items()):
            self._set(image_id, **values_of(replace(state_of(row), locations=()), version=row.version + 1))


@caught_by("test_objects_are_known_by_what_became_of_their_attempts")
class TakesWhatItDoesNotKnowForDead(Broken):
    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        known = super().standings(store, keys)
        return {key: Standing.DEAD if told is Standing.UNKNOWN else told for key, told in known.items()}


@caught_by("test_image_that_is_uploaded_again_keeps_its_former_attempts_apart")
class LooksAtTheImageOnly(Broken):
    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        return {key: super(Broken, self).standings(store, [last])[last] for key in keys for last in [self._last(key)]}

    def _last(self, key: str) -> str:
        image_id = attempt_of(key)[0]
        number = self._state(image_id).attempts if image_id in self._table.rows else 1
        return Attempt(image_id, number, "", "", "").key


@caught_by("test_data_of_a_deleted_image_is_no_images")
class RemembersTheDeleted(Broken):
    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        known = super().standings(store, keys)
        return {key: Standing.LIVE if told is Standing.REMOVING else told for key, told in known.items()}


@caught_by("test_dead_copy_is_taken_back_and_its_image_stays_active")
class QueuesCopiedImages(Broken):
    def take_back(self, dead: DeadAttempt) -> bool:
        taken = super().take_back(dead)
        self._set(dead.attempt.image_id, status="queued")
        return taken
