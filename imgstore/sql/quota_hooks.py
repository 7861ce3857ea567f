"""What the catalog tells the quota, inside its own transactions, when both share a database.

So an activation and its settlement are one transaction, and a deletion and what it gives back are another: no crash
comes between them. `NO_HOOKS` is for a catalog without a ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa

from imgstore.model import Attempt, Location


class NotHeld(Exception):
    """The quota holds nothing in this transaction, which is to be rolled back: the upload begins without a hold, and
    asks the quota by itself."""


class EarlyHold(Protocol):
    """A hold for an upload that begins, made in the transaction in which it begins."""

    def hold(self, connection: sa.Connection, attempt: Attempt) -> None:
        """Sets the size aside. It may run again. Raises NotHeld."""

    def committed(self, attempt: Attempt) -> None:
        """The transaction is committed, or may be."""


class QuotaHooks:
    """Does nothing; a ledger overrides it (`LedgerHooks`).

    A method with a `connection` runs in the catalog's transaction, with the image's row locked. It may run again, and
    the catalog changes nothing if it raises. The other methods run outside a transaction.
    """

    def bounds(self, owner: str) -> object:
        """The limits to hand to the next two methods. Raises CatalogUnavailable."""
        return None

    def image_created(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        """An image was created. Raises QuotaExceeded."""

    def owner_changed(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        """An image belongs to another project now. Raises QuotaExceeded."""

    def early_hold(self, owner: str | None, stores: Sequence[str], size: int | None) -> EarlyHold | None:
        """What sets `size` bytes aside when an upload begins. None: its session asks the quota, as every other.
        `owner`: the project that probably has the image. Runs outside a transaction, and does not fail."""
        return None

    def attempt_released(self, attempt: Attempt) -> None:
        """An attempt ended. If an early hold was made for it, and its session never asked for it, nobody needs it."""

    def image_deleted(self, connection: sa.Connection, image_id: str) -> None:
        """An image was deleted; its objects are still to be removed."""

    def objects_stored(
        self, connection: sa.Connection, attempt: Attempt, locations: Sequence[Location], size: int
    ) -> None:
        """An image has the objects that an attempt wrote, each of `size` bytes."""

    def object_unused(self, connection: sa.Connection, store: str, key: str) -> None:
        """No image has this object any more, or ever will; it is still to be removed."""

    def object_removed(self, connection: sa.Connection, store: str, key: str) -> None:
        """An object is gone from its store."""

    def settlement_committed(self, attempt: Attempt, store: str) -> None:
        """The transaction in which `objects_stored` was told of this store is committed."""


NO_HOOKS = QuotaHooks()
