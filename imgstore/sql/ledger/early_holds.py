"""Holds that are made in the transaction in which an upload begins, where catalog and ledger share a database.

That is one transaction for both. The session asks the quota a moment later (`SqlLedger.reserve`), and gets the hold
that is there. So neither the session nor a host's own quota around the ledger has to know of it.

A host may have told the catalog of another ledger than the one that its sessions ask, with other limits. So what waits
to be asked for is known to all ledgers of the process on one database, and one that did not make it ends it first.

It is a hold like every other: if the process dies, it expires, and whoever finds it asks the catalog. If a limit is in
the way, nothing is made here: the session's own question waits for spare bytes of others, and is refused in its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from imgstore import errors
from imgstore.limits import FixedLimits, Limits
from imgstore.model import Attempt, ObjectId
from imgstore.sql.ledger.accounts import Bounds, Refused, bounds_of
from imgstore.sql.ledger.entries import AlreadyCounted, LedgerEntry
from imgstore.sql.ledger.hold import SqlHold
from imgstore.sql.quota_hooks import NotHeld


class LedgerOfEarlyHolds(Protocol):
    """What is asked of the ledger."""

    limits: Limits

    def entry_held(self, attempt: Attempt, store: str, size: int) -> LedgerEntry:
        """The entry of a hold."""

    def reserve_within(self, connection: sa.Connection, entry: LedgerEntry, bounds: Bounds) -> None:
        """Makes the entry of a new attempt in the catalog's transaction. Raises Refused, AlreadyCounted."""

    def kept(self, attempt: Attempt, store: str, size: int | None) -> SqlHold:
        """The hold whose entry is made, looked after from now on."""


@dataclass(frozen=True)
class Waiting:
    """A hold that no session has asked for yet."""

    ledger: LedgerOfEarlyHolds
    hold: SqlHold
    size: int


_WAITING: dict[tuple[sa.URL, ObjectId], Waiting] = {}
"""Those of the process, with their databases."""


class EarlyHolds:
    """What one ledger, on the database at `url`, makes and hands out."""

    def __init__(self, ledger: LedgerOfEarlyHolds, url: sa.URL) -> None:
        self._ledger = ledger
        self._url = url

    def prepared(self, owner: str | None, store: str, size: int) -> PreparedHold | None:
        """A hold for an upload that begins, or None where the limits of its project are not known beforehand."""
        limits = self._ledger.limits
        if type(limits) is FixedLimits:
            return PreparedHold(self, self._ledger, store, size, limits, None)
        try:
            bounds = {owner: bounds_of(limits, owner, store)} if owner else {}
        except errors.ImgstoreError:  # the session asks again, and tells
            return None
        return PreparedHold(self, self._ledger, store, size, None, bounds)

    def add(self, attempt: Attempt, store: str, size: int) -> None:
        """The hold is made."""
        hold = self._ledger.kept(attempt, store, size)
        _WAITING[self._url, hold.object_id] = Waiting(self._ledger, hold, size)

    def take(self, attempt: Attempt, store: str, size: int | None) -> SqlHold | None:
        """The hold that was made for the attempt. One of another size, or of another ledger, ends here."""
        found = self.forget(ObjectId(store, attempt.key))
        if found is None:
            return None
        if found.ledger is self._ledger and found.size == size and found.hold.owner == attempt.owner:
            return found.hold
        found.hold.release()
        return None

    def release(self, attempt: Attempt) -> None:
        """The attempt ended before its session asked."""
        for store in attempt.stores:
            found = self.forget(ObjectId(store, attempt.key))
            if found is not None:
                found.hold.release()

    def forget(self, object_id: ObjectId) -> Waiting | None:
        """The hold waits no more, because it is asked for or has ended."""
        return _WAITING.pop((self._url, object_id), None)


@dataclass(frozen=True)
class PreparedHold:
    """See EarlyHold. `limits`: those of every project, where they may be asked inside a transaction; else `bounds`
    has those that were asked before."""

    holds: EarlyHolds
    ledger: LedgerOfEarlyHolds
    store: str
    size: int
    limits: FixedLimits | None
    bounds: dict[str, Bounds] | None

    def hold(self, connection: sa.Connection, attempt: Attempt) -> None:
        """See EarlyHold."""
        bounds = self._bounds(attempt.owner)
        if bounds is None or not attempt.owner:
            raise NotHeld
        try:
            self.ledger.reserve_within(connection, self.ledger.entry_held(attempt, self.store, self.size), bounds)
        except (Refused, AlreadyCounted) as error:
            raise NotHeld from error

    def committed(self, attempt: Attempt) -> None:
        """See EarlyHold."""
        self.holds.add(attempt, self.store, self.size)

    def _bounds(self, owner: str) -> Bounds | None:
        if self.limits is not None:
            return bounds_of(self.limits, owner, self.store)
        return (self.bounds or {}).get(owner)
