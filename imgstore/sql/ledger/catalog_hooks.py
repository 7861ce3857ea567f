"""The ledger as the catalog's `QuotaHooks`, where the two share a database.

A host with a table of its own in that database calls the methods, too, in its own transactions: after it has changed
(and so locked) the image's row, and before it commits. A method that raises is a reason to roll back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from imgstore.model import Attempt, Location, ObjectId
from imgstore.sql.ledger import entries
from imgstore.sql.ledger.accounts import NO_BOUNDS, Bounds, Refused
from imgstore.sql.ledger.entries import LedgerEntry
from imgstore.sql.ledger.ledger import SqlLedger
from imgstore.sql.ledger.schema import USED
from imgstore.sql.ledger.three_accounts import LARGEST
from imgstore.sql.quota_hooks import EarlyHold, QuotaHooks


class LedgerHooks(QuotaHooks):
    """Keeps a ledger in step with the catalog. If the host's transaction is rolled back, the ledger is as it was, and
    the hold goes on. `settlement_committed` saves the session a transaction, and may be left out."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def bounds(self, owner: str) -> object:
        return self._ledger.bounds(owner)

    def image_created(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        with _refusals():
            entries.add_image(connection, image_id, owner, _bounds(bounds))

    def owner_changed(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        with _refusals():
            entries.change_owner(connection, image_id, owner, _bounds(bounds))

    def early_hold(self, owner: str | None, stores: Sequence[str], size: int | None) -> EarlyHold | None:
        if size is None or size > LARGEST or len(stores) != 1:
            return None
        return self._ledger.early.prepared(owner, stores[0], size)

    def attempt_released(self, attempt: Attempt) -> None:
        self._ledger.early.release(attempt)

    def image_deleted(self, connection: sa.Connection, image_id: str) -> None:
        entries.remove_image(connection, image_id)

    def objects_stored(
        self, connection: sa.Connection, attempt: Attempt, locations: Sequence[Location], size: int
    ) -> None:
        """Sorted by store: every transaction takes its locks in that order. An object that was never held counts all
        the same, because the catalog has it."""
        for location in sorted(locations, key=lambda each: each.store):
            object_id = ObjectId(location.store, location.key)
            if not _settled(connection, object_id, size, attempt.owner):
                entry = LedgerEntry(object_id, attempt.owner, attempt.image_id, attempt.number, USED, size)
                entries.adopt(connection, entry)

    def object_unused(self, connection: sa.Connection, store: str, key: str) -> None:
        entries.mark_removing(connection, ObjectId(store, key))

    def object_removed(self, connection: sa.Connection, store: str, key: str) -> None:
        entries.forget(connection, ObjectId(store, key))

    def settlement_committed(self, attempt: Attempt, store: str) -> None:
        self._ledger.ended(ObjectId(store, attempt.key))


def _settled(connection: sa.Connection, object_id: ObjectId, size: int, owner: str) -> bool:
    expected = entries.settle_expected(connection, object_id, size, owner=owner)
    return expected or entries.settle(connection, object_id, size)


def _bounds(value: object) -> Bounds:
    return value if isinstance(value, Bounds) else NO_BOUNDS


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise refused.error() from refused
