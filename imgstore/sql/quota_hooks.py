"""What the catalog tells the quota, inside its own transactions, when both share a database.

So an activation and its settlement are one transaction, and a deletion and what it gives back are another: no crash
comes between them. `NO_HOOKS` is for a catalog without a ledger.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from imgstore.model import Attempt, Location


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
