"""The law "held": quota is set aside before bytes arrive, so that concurrent uploads cannot exceed it together.

A host supplies `Quota` and `Hold`. `MemoryQuota` is exact for all threads of one process, `imgstore.sql.SqlLedger` for
all processes that share a database, and `UNLIMITED` never refuses. An `Account` is one limit with its usage and its
holds; the capacity of a store is one, too. The functions make the refusals, so that all quotas refuse in the same
words.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from imgstore import errors
from imgstore.host_answers import answer_of, require_plain
from imgstore.limits import require_limit
from imgstore.model import Attempt, Location


class Hold(Protocol):
    """Bytes set aside for one object of one attempt. `settle` or `release` ends it. On an ended hold both do nothing; a
    transaction of the catalog may have ended it."""

    def extend_to(self, total: int) -> None:
        """Makes the hold at least `total` bytes. Raises QuotaExceeded or StoreFull, and keeps what it held; ImageGone
        if recovery has ended the hold, since the attempt counted as dead."""

    def settle(self, actual: int) -> None:
        """Turns the hold into a usage of `actual` bytes, at most what was held. Never fails: if the change cannot be
        written now, it is written later or recovery makes it."""

    def release(self) -> None:
        """Gives the bytes back."""


class Quota(Protocol):
    """The limits of all owners, with what is used and held: one for all sessions of all processes. Each method, and
    each of a hold, has committed when it returns; no rollback of a transaction around it takes that back."""

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """Sets `size` bytes of the owner's quota aside for the object of `attempt` in `store`. None: unknown, the hold
        grows as bytes arrive. Raises QuotaExceeded, StoreFull."""

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """Lowers the usage of `owner`: the object at `location`, of `size` bytes, was deleted."""


Refusal = Callable[[int, int, int], errors.ImgstoreError]


def quota_refusal(limit: int, taken: int, wanted: int) -> errors.ImgstoreError:
    """The error for `wanted` more bytes if `taken` of `limit` bytes are in use or held."""
    return errors.QuotaExceeded(
        f"The quota is {limit} bytes, {taken} are in use or being uploaded, and {wanted} more were asked for."
    )


def store_quota_refusal(store: str, limit: int, taken: int, wanted: int) -> errors.ImgstoreError:
    """The same for the quota of a project in one store."""
    return errors.QuotaExceeded(
        f"The quota in store '{store}' is {limit} bytes, {taken} are in use or being uploaded, and {wanted} more were "
        "asked for."
    )


def images_refusal(limit: int, taken: int) -> errors.ImgstoreError:
    """The error for one more image if there are `taken` of `limit` images."""
    return errors.QuotaExceeded(f"The quota is {limit} images, {taken} are there, and one more was asked for.")


def uploads_refusal(limit: int, taken: int) -> errors.ImgstoreError:
    """The error for one more upload if `taken` of `limit` uploads are under way."""
    return errors.QuotaExceeded(
        f"The quota is {limit} uploads at a time, {taken} are under way, and one more was asked for.", retry_after=10
    )


def capacity_refusal(limit: int, taken: int, wanted: int) -> errors.ImgstoreError:
    """The same for the capacity of a store."""
    return errors.StoreFull(
        f"The capacity is {limit} bytes, {taken} are in use or being uploaded, and {wanted} more were asked for."
    )


class Account:
    """One limit in bytes (None: no limit) with its usage and its holds. Exact under threads."""

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
        """Sets `size` bytes aside (None: none yet). Raises the error of `refusal`, and then holds nothing."""
        hold = AccountHold(self)
        hold.extend_to(size or 0)
        return hold

    def give_back(self, size: int) -> None:
        """Lowers the usage by `size` bytes. An object can be deleted before its hold is settled: then the usage is
        negative for a moment, at most by the bytes held."""
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
        if self._open and total > self._held:
            self._account._take(total - self._held)
            self._held = total

    def settle(self, actual: int) -> None:
        if self._open:
            self._open = False
            self._account._end(self._held, actual)

    def release(self) -> None:
        self.settle(0)


class MemoryQuota:
    """Quota for the threads of one process. `limit_of` returns the limit of an owner in bytes, None for no limit;
    `used_by` the bytes in use at the start, from the catalog. Both are called once for each owner; one that hangs
    holds up no other owner."""

    def __init__(
        self, limit_of: Callable[[str], int | None], *, used_by: Callable[[str], int] = lambda owner: 0
    ) -> None:
        require_plain(limit_of, name="limit_of")
        require_plain(used_by, name="used_by")
        self._limit_of = limit_of
        self._used_by = used_by
        self._accounts: dict[str, Account] = {}
        self._locks: dict[str, threading.Lock] = {}

    def account(self, owner: str) -> Account:
        """The account of `owner`, opened at its first use."""
        with self._lock_of(owner):
            account = self._accounts.get(owner)
            if account is None:
                account = self._accounts[owner] = self._opened(owner)
            return account

    def _opened(self, owner: str) -> Account:
        limit, used = answer_of(self._limit_of, owner), answer_of(self._used_by, owner)
        require_limit(limit, name="What limit_of returned")
        return Account(limit, used=used)

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        return self.account(attempt.owner).reserve(size)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """An account that is not open yet needs nothing: `used_by` will not count the deleted image."""
        with self._lock_of(owner):
            account = self._accounts.get(owner)
        if account is not None:
            account.give_back(size)

    def _lock_of(self, owner: str) -> threading.Lock:
        return self._locks.setdefault(owner, threading.Lock())  # one step of Python's


class _NoHold:
    """Holds nothing, since there is no limit."""

    def extend_to(self, total: int) -> None:
        """Has nothing to ask."""

    def settle(self, actual: int) -> None:
        """Has nothing to count."""

    def release(self) -> None:
        """Has nothing to give back."""


NO_HOLD: Hold = _NoHold()
"""The hold of a quota without a limit."""


class _Unlimited:
    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """Sets nothing aside."""
        return NO_HOLD

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """Nothing was counted."""


UNLIMITED: Quota = _Unlimited()
