"""Quota is a hold, not a check (law 4): room is set aside before bytes arrive, so concurrent uploads cannot pass it.

`Quota` and `Hold` are what a host supplies; `MemoryQuota` is exact for all threads of one process, `UNLIMITED` never
refuses, and `imgstore.sql.SqlLedger` is exact for all processes that share a database. An `Account` is one limit with
its usage and its holds, also used for the capacity of a store. The functions make the refusals, so that all quotas
refuse in the same words. What this module refuses to do: know who an owner is, or remember anything after the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from imgstore import errors
from imgstore.model import Attempt, Location


class Hold(Protocol):
    """Room set aside for one object of one attempt. One of `settle` and `release` ends it; both are no-ops afterwards,
    and where the catalog's own transaction has ended it already."""

    def extend_to(self, total: int) -> None:
        """Makes the hold at least `total` bytes. Raises QuotaExceeded (or StoreFull) and then holds what it held;
        ImageGone if the hold was taken away, since the attempt counted as dead."""

    def settle(self, actual: int) -> None:
        """Turns the hold into a usage of `actual` bytes, which is not more than was held. Does not fail: what cannot
        be written now is written later, or found by recovery."""

    def release(self) -> None:
        """Gives the room back."""


class Quota(Protocol):
    """Where all sessions of all processes take their room from."""

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """Sets `size` bytes aside for the object that `attempt` writes to `store`, at the expense of its owner; None:
        unknown, the hold grows as bytes arrive. Raises QuotaExceeded, StoreFull."""

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """Lowers the usage of `owner` by the `size` bytes of an object that was deleted."""


Refusal = Callable[[int, int, int], errors.ImgstoreError]


def quota_refusal(limit: int, taken: int, wanted: int) -> errors.ImgstoreError:
    """The error for `wanted` bytes more where `taken` of `limit` bytes are in use or held."""
    return errors.QuotaExceeded(
        f"The quota is {limit} bytes, {taken} are in use or being uploaded, and {wanted} more were asked for."
    )


def store_quota_refusal(store: str, limit: int, taken: int, wanted: int) -> errors.ImgstoreError:
    """The same for what a project may take in one store."""
    return errors.QuotaExceeded(
        f"The quota in store '{store}' is {limit} bytes, {taken} are in use or being uploaded, and {wanted} more were "
        "asked for."
    )


def images_refusal(limit: int, taken: int) -> errors.ImgstoreError:
    """The error for one image more where `taken` of `limit` are there."""
    return errors.QuotaExceeded(f"The quota is {limit} images, {taken} are there, and one more was asked for.")


def uploads_refusal(limit: int, taken: int) -> errors.ImgstoreError:
    """The error for one upload more where `taken` of `limit` are under way."""
    return errors.QuotaExceeded(
        f"The quota is {limit} uploads at a time, {taken} are under way, and one more was asked for.", retry_after=10
    )


def capacity_refusal(limit: int, taken: int, wanted: int) -> errors.ImgstoreError:
    """The same for the capacity of a store."""
    return errors.StoreFull(
        f"The capacity is {limit} bytes, {taken} are in use or being uploaded, and {wanted} more were asked for."
    )


class Account:
    """One limit in bytes (None: no limit), what is used of it, and what is held. Exact under threads."""

    def __init__(self, limit: int | None, *, used: int = 0, refusal: Refusal = quota_refusal) -> None:
        self.limit = limit
        self._used = used
        self._held = 0
        self._refusal = refusal
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes of finished objects."""
        with self._lock:
            return max(0, self._used)

    @property
    def held(self) -> int:
        """Bytes set aside for sessions under way."""
        with self._lock:
            return self._held

    def reserve(self, size: int | None) -> AccountHold:
        """Sets `size` bytes aside (None: none yet). Raises what `refusal` makes, and then nothing is held."""
        hold = AccountHold(self)
        hold.extend_to(size or 0)
        return hold

    def give_back(self, size: int) -> None:
        """Lowers the usage by `size` bytes: of an object whose hold is not settled yet, too, since it can be seen and
        deleted in between. Never below what the holds will make up for."""
        with self._lock:
            self._used = max(-self._held, self._used - size)

    def _take(self, more: int) -> None:
        with self._lock:
            taken = self._used + self._held
            if self.limit is not None and taken + more > self.limit:
                raise self._refusal(self.limit, taken, more)
            self._held += more

    def _end(self, held: int, used: int) -> None:
        with self._lock:
            self._held -= held
            self._used += used


class AccountHold:
    """A hold on one account; belongs to one session."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._held = 0
        self._open = True

    def extend_to(self, total: int) -> None:
        """See Hold."""
        if self._open and total > self._held:
            self._account._take(total - self._held)
            self._held = total

    def settle(self, actual: int) -> None:
        """See Hold."""
        if self._open:
            self._open = False
            self._account._end(self._held, actual)

    def release(self) -> None:
        """See Hold."""
        self.settle(0)


class MemoryQuota:
    """Quota for the threads of one process. `limit_of` gives an owner's limit in bytes, None for no limit; it and
    `used_by` (bytes in use at the start, from the catalog) are asked once an owner."""

    def __init__(
        self, limit_of: Callable[[str], int | None], *, used_by: Callable[[str], int] = lambda owner: 0
    ) -> None:
        self._limit_of = limit_of
        self._used_by = used_by
        self._accounts: dict[str, Account] = {}
        self._lock = threading.Lock()

    def account(self, owner: str) -> Account:
        """The account of `owner`, opened at its first use."""
        with self._lock:
            account = self._accounts.get(owner)
            if account is None:
                account = Account(self._limit_of(owner), used=self._used_by(owner))
                self._accounts[owner] = account
            return account

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """See Quota."""
        return self.account(attempt.owner).reserve(size)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """See Quota. Where the owner's account is not open yet `used_by` will not count the deleted image anyway."""
        with self._lock:
            account = self._accounts.get(owner)
        if account is not None:
            account.give_back(size)


class _NoHold:
    """Holds nothing, since there is no limit."""

    def extend_to(self, total: int) -> None:
        """Has nothing to ask."""

    def settle(self, actual: int) -> None:
        """Has nothing to count."""

    def release(self) -> None:
        """Has nothing to give back."""


NO_HOLD: Hold = _NoHold()
"""What a quota without a limit returns: nobody asks it for more."""


class _Unlimited:
    """No limit, and nothing to remember of anybody."""

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """Returns NO_HOLD."""
        return NO_HOLD

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """See Quota."""


UNLIMITED: Quota = _Unlimited()
