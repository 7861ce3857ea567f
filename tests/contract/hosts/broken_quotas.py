"""Deliberately broken quotas: for every test of the contract at least one that it catches."""

from __future__ import annotations

from typing import Any

from imgstore import errors
from imgstore.model import Attempt, Location
from imgstore.quota import Account, AccountHold, Hold, MemoryQuota, quota_refusal
from tests.contract.hosts.runner import Mutants, meet_another

MUTANTS = Mutants[type[MemoryQuota]]()
caught_by = MUTANTS.caught_by


class Broken(MemoryQuota):
    """A quota whose holds a mutant may replace."""

    HOLD: type[AccountHold] = AccountHold

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        hold = self.HOLD(self.account(attempt.owner))
        hold.extend_to(size or 0)
        return hold


@caught_by("test_limit_is_met_to_the_byte")
class OneTooMany(Broken):
    def account(self, owner: str) -> Account:
        return self._accounts.setdefault(owner, Account((self._limit_of(owner) or 0) + 1))


@caught_by("test_limit_is_met_to_the_byte")
class RaisesValueError(Broken):
    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        if size and size > 1000:
            raise ValueError("too much")
        return super().reserve(attempt, store, size)


@caught_by("test_declared_size_is_held_before_its_bytes_arrive")
class ChecksOnly(Broken):
    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        super().reserve(attempt, store, size).release()
        return super().reserve(attempt, store, None)


@caught_by("test_declared_size_is_held_before_its_bytes_arrive")
class HoldsNothing(Broken):
    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Any:
        return None


@caught_by("test_unknown_size_is_held_as_it_grows")
class HoldsEverything(Broken):
    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        return super().reserve(attempt, store, 1000 if size is None else size)


@caught_by("test_unknown_size_is_held_as_it_grows")
class AddsEachTotal(Broken):
    class HOLD(AccountHold):
        def extend_to(self, total: int) -> None:
            super().extend_to(self._held + total)


@caught_by("test_hold_keeps_what_it_held_when_more_is_refused")
class LosesWhatItHeld(Broken):
    class HOLD(AccountHold):
        def extend_to(self, total: int) -> None:
            try:
                super().extend_to(total)
            except errors.QuotaExceeded:
                self.release()
                raise


@caught_by("test_settlement_counts_what_was_stored")
class SettlesTheHold(Broken):
    class HOLD(AccountHold):
        def settle(self, actual: int) -> None:
            super().settle(self._held)


@caught_by("test_settlement_counts_what_was_stored")
class AnswersSettle(Broken):
    class HOLD(AccountHold):
        def settle(self, actual: int) -> Any:
            super().settle(actual)
            return actual


@caught_by("test_release_gives_everything_back")
class GivesTheDeclaredBack(Broken):
    class HOLD(AccountHold):
        def release(self) -> None:
            super().settle(self._held - 60 if self._held > 60 else 0)


@caught_by("test_hold_ends_once")
class EndsTwice(Broken):
    class HOLD(AccountHold):
        def settle(self, actual: int) -> None:
            self._open = True
            super().settle(actual)


@caught_by("test_hold_ends_once")
class RefusesASecondEnd(Broken):
    class HOLD(AccountHold):
        def release(self) -> None:
            if not self._open:
                raise errors.UsageError("The hold has ended.")
            super().release()


@caught_by("test_deletion_gives_the_bytes_back")
class CountsForEver(Broken):
    def give_back(self, owner: str, location: Location, size: int) -> None:
        """Does nothing."""


@caught_by("test_deletion_may_overtake_the_settlement")
class NeverBelowNothing(Broken):
    def give_back(self, owner: str, location: Location, size: int) -> None:
        account = self.account(owner)
        super().give_back(owner, location, min(size, account.used))


@caught_by("test_owners_do_not_meet")
class OneForAll(Broken):
    def account(self, owner: str) -> Account:
        return super().account("all")


@caught_by("test_each_store_of_an_attempt_counts")
class CountsAnImageOnce(Broken):
    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        return super().reserve(attempt, store, size if store == "fast" else None)


class SlowAccount(Account):
    """Looks, and takes a moment later."""

    def _take(self, more: int) -> None:
        taken = self._used + self._held
        if self.limit is not None and taken + more > self.limit:
            raise quota_refusal(self.limit, taken, more)
        meet_another()
        self._held += more


@caught_by(
    "test_those_who_come_at_once_fill_the_limit_and_do_not_pass_it",
    "test_holds_that_grow_at_once_fill_the_limit_and_do_not_pass_it",
)
class LooksThenTakes(Broken):
    def account(self, owner: str) -> Account:
        return self._accounts.setdefault(owner, SlowAccount(self._limit_of(owner)))
