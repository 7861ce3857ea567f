"""What the catalog tells of its changes inside its own transactions, to whoever keeps books in the same database.

So activation and settlement, deletion and what it gives back, are one: no crash comes between them. `NO_BOOKS` is for a
catalog without a ledger. What this module refuses to do: SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa

from imgstore.model import Attempt, Location


class Books(Protocol):
    """A method that is given a connection runs in the catalog's transaction, may be run again, and undoes it if it
    raises; the image's row is locked by then. The others run outside."""

    def bounds(self, owner: str) -> object:
        """What the next two are to be given; asked for before the transaction. Raises CatalogUnavailable."""

    def image_added(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        """An image was created. Raises QuotaExceeded."""

    def image_given(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        """An image has another owner. Raises QuotaExceeded."""

    def image_removed(self, connection: sa.Connection, image_id: str) -> None:
        """An image was deleted; its objects are still to be removed."""

    def stored(self, connection: sa.Connection, attempt: Attempt, locations: Sequence[Location], size: int) -> None:
        """An image has the objects that an attempt wrote, each of `size` bytes."""

    def let_go(self, connection: sa.Connection, store: str, key: str) -> None:
        """No image has an object any more, or ever will; it is still to be removed."""

    def removed(self, connection: sa.Connection, store: str, key: str) -> None:
        """An object is gone from its store."""

    def settled(self, attempt: Attempt, store: str) -> None:
        """What `stored` told of one store is committed."""


class _NoBooks:
    def bounds(self, owner: str) -> object:
        return None

    def image_added(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        pass

    def image_given(self, connection: sa.Connection, image_id: str, owner: str, bounds: object) -> None:
        pass

    def image_removed(self, connection: sa.Connection, image_id: str) -> None:
        pass

    def stored(self, connection: sa.Connection, attempt: Attempt, locations: Sequence[Location], size: int) -> None:
        pass

    def let_go(self, connection: sa.Connection, store: str, key: str) -> None:
        pass

    def removed(self, connection: sa.Connection, store: str, key: str) -> None:
        pass

    def settled(self, attempt: Attempt, store: str) -> None:
        pass


NO_BOOKS: Books = _NoBooks()
