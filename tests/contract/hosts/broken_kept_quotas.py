"""A quota in memory whose holds outlive their process, and deliberately broken ones: for every test of the contract at
least one that it catches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imgstore.catalog import image_gone
from imgstore.hosting import ObjectId
from imgstore.model import Attempt, Location
from imgstore.quota import Account, AccountHold, Hold, MemoryQuota
from imgstore.testing import KeptQuotaSubject
from tests.contract.hosts.runner import Mutants


class KeptHold(AccountHold):
    """Tells its quota of its end; one that recovery ended grows no more."""

    def __init__(self, account: Account, ended: Callable[[int], None]) -> None:
        super().__init__(account)
        self._tell = ended

    def extend_to(self, total: int) -> None:
        if not self._open:
            raise image_gone("image")
        super().extend_to(total)

    def settle(self, actual: int) -> None:
        is_first = self._open
        super().settle(actual)
        if is_first:
            self._tell(actual)


class KeptQuota(MemoryQuota):
    """`holds` that are open, `used` bytes by object, and the holds that are `overdue`."""

    HOLD: type[KeptHold] = KeptHold

    def __init__(self, limit_of: Callable[[str], int | None]) -> None:
        super().__init__(limit_of)
        self.holds: dict[ObjectId, KeptHold] = {}
        self.used: dict[ObjectId, int] = {}
        self.overdue: set[ObjectId] = set()

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        object_id = ObjectId(store, attempt.key)
        hold = self.HOLD(self.account(attempt.owner), lambda actual: self.ended(object_id, actual))
        hold.extend_to(size or 0)
        self.holds[object_id] = hold
        return hold

    def ended(self, object_id: ObjectId, actual: int) -> None:
        """A hold became a usage."""
        self.holds.pop(object_id, None)
        self.used[object_id] = actual

    def give_back(self, owner: str, location: Location, size: int) -> None:
        self.forget(ObjectId(location.store, location.key))

    def expired(self) -> Sequence[ObjectId]:
        return [object_id for object_id in self.holds if object_id in self.overdue]

    def held(self) -> Sequence[ObjectId]:
        return list(self.holds)

    def settle(self, object_id: ObjectId, size: int) -> None:
        if object_id in self.holds:
            self.holds[object_id].settle(size)

    def release(self, object_id: ObjectId) -> None:
        self.settle(object_id, 0)

    def forget(self, object_id: ObjectId) -> None:
        self.release(object_id)
        self.account("project").give_back(self.used.pop(object_id, 0))


class KeptQuotaInMemory(KeptQuotaSubject):
    """Such a quota."""

    def __init__(self, quota: type[KeptQuota] = KeptQuota) -> None:
        self.quota = quota(lambda owner: self.limit)

    def open(self) -> KeptQuota:
        return self.quota

    def expire(self, held: ObjectId) -> None:
        self.quota.overdue.add(held)


MUTANTS = Mutants[type[KeptQuota]]()
caught_by = MUTANTS.caught_by


@caught_by("test_holds_are_listed_until_they_end")
class ListsTheEnded(KeptQuota):
    def ended(self, object_id: ObjectId, actual: int) -> None:
        """Does nothing."""


@caught_by("test_holds_of_dead_processes_are_told")
class TellsOfNobody(KeptQuota):
    def expired(self) -> Sequence[ObjectId]:
        return []


@caught_by("test_holds_of_dead_processes_are_told")
class TellsOfTheLiving(KeptQuota):
    def expired(self) -> Sequence[ObjectId]:
        return self.held()


@caught_by("test_hold_of_an_attempt_that_won_becomes_its_usage")
class SettlesForNothing(KeptQuota):
    def settle(self, object_id: ObjectId, size: int) -> None:
        super().settle(object_id, 0)


@caught_by("test_hold_of_an_attempt_that_won_becomes_its_usage")
class SettlesTwice(KeptQuota):
    def settle(self, object_id: ObjectId, size: int) -> None:
        if object_id in self.used and size:
            self.account("project").reserve(size).settle(size)
        super().settle(object_id, size)


@caught_by("test_hold_of_an_attempt_that_lost_is_given_back")
class GrowsAfterItsEnd(KeptQuota):
    class HOLD(KeptHold):
        def extend_to(self, total: int) -> None:
            if self._open:
                super().extend_to(total)


@caught_by("test_hold_of_an_attempt_that_lost_is_given_back")
class KeepsWhatIsReleased(KeptQuota):
    def release(self, object_id: ObjectId) -> None:
        self.settle(object_id, 60)


@caught_by("test_object_that_is_gone_counts_no_more")
class ForgetsHoldsOnly(KeptQuota):
    def forget(self, object_id: ObjectId) -> None:
        self.release(object_id)


@caught_by("test_object_that_is_gone_counts_no_more")
class ForgetsTwice(KeptQuota):
    def forget(self, object_id: ObjectId) -> None:
        self.release(object_id)
        self.account("project").give_back(self.used.get(object_id, 0))


@caught_by("test_step_for_what_is_not_there_does_nothing")
class CountsWhatIsNotThere(KeptQuota):
    def settle(self, object_id: ObjectId, size: int) -> None:
        if object_id not in self.holds:
            self.account("project").reserve(size).settle(size)
        super().settle(object_id, size)


@caught_by("test_step_for_what_is_not_there_does_nothing")
class LooksAtTheKeyOnly(KeptQuota):
    def release(self, object_id: ObjectId) -> None:
        for found in [each for each in self.holds if each.key == object_id.key]:
            super().release(found)
