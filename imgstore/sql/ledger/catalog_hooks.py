"""The ledger as the catalog's books, where the two share a database (see `imgstore.sql.quota_hooks`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from imgstore.model import Attempt, Location
from imgstore.sql.ledger import entries
from imgstore.sql.ledger.accounts import NO_BOUNDS, Bounds, Refused
from imgstore.sql.ledger.entries import Entry, Place
from imgstore.sql.ledger.ledger import SqlLedger
from imgstore.sql.ledger.schema import USED


class LedgerBooks:
    """Implements `Books` on a ledger."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def bounds(self, owner: str) -> object:
        """See Books."""
        return self._ledger.bounds(owner)

    def image_added(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        """See Books."""
        with _refusals():
            entries.add_image(connection, image_id, owner, _bounds(bounds))

    def image_given(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        """See Books."""
        with _refusals():
            entries.give_image(connection, image_id, owner, _bounds(bounds))

    def image_removed(self, connection: sa.Connection, image_id: str) -> None:
        """See Books."""
        entries.remove_image(connection, image_id)

    def stored(self, connection: sa.Connection, attempt: Attempt, locations: Sequence[Location], size: int) -> None:
        """See Books. An object that was never held counts all the same: the catalog has it. In the order of the stores,
        as all locks are taken."""
        for place in sorted((Place(location.store, location.key) for location in locations), key=lambda at: at.store):
            if not entries.settle(connection, place, size):
                entry = Entry(place, attempt.owner, attempt.image_id, attempt.number, USED, size)
                entries.adopt(connection, entry)

    def let_go(self, connection: sa.Connection, store: str, key: str) -> None:
        """See Books."""
        entries.let_go(connection, Place(store, key))

    def removed(self, connection: sa.Connection, store: str, key: str) -> None:
        """See Books."""
        entries.forget(connection, Place(store, key))

    def settled(self, attempt: Attempt, store: str) -> None:
        """See Books."""
        self._ledger.ended(Place(store, attempt.key))


def _bounds(value: object) -> Bounds:
    return value if isinstance(value, Bounds) else NO_BOUNDS


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise refused.error() from refused
