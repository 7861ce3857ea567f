"""Whether the database was restored from a backup, and so knows less than the stores have.

An upload that was under way at the backup may have ended well since. The restored catalog would count it as dead and
remove a good object. So a restored database removes nothing until an operator has looked.

It is told by its epochs. The epoch of a store grows while the service runs, in the database first and then in the
store's place. A place with a higher epoch than the database has seen later times than the database.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.schema import IMAGES, PLACES, STATE

RESTORED = "restored"
"""The name of the state."""


class RestoredDatabase:
    """What the database says of itself. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reason(self) -> str | None:
        """Why nothing may be removed, for people; None if all is well."""
        wanted = sa.select(STATE.c.value).where(STATE.c.name == RESTORED)
        return self._database.read(lambda connection: connection.scalar(wanted))

    def declare(self, reason: str) -> None:
        """From now on nothing is removed. An earlier reason stays. The leases of the backup are nobody's, so that what
        their uploads left can be adopted at once; who lives renews its own."""

        def work(connection: sa.Connection) -> bool:
            if connection.scalar(sa.select(STATE.c.name).where(STATE.c.name == RESTORED)) is not None:
                return False
            connection.execute(sa.insert(STATE).values(name=RESTORED, value=reason[:255]))
            return True

        if self._database.change(work):  # for itself: a row that somebody keeps locked does not hold it up
            ended = sa.update(IMAGES).where(IMAGES.c.lease_until >= Now()).values(lease_until=Now() - 1)
            self._database.change(lambda connection: connection.execute(ended))

    def resume(self, epochs: Mapping[str, int]) -> bool:
        """An operator has looked: removing goes on. `epochs` are those in the places, by store. False if nothing was
        declared."""

        def work(connection: sa.Connection) -> bool:
            for store, epoch in sorted(epochs.items()):
                behind = (PLACES.c.store == store, PLACES.c.epoch < epoch)
                connection.execute(sa.update(PLACES).where(*behind).values(epoch=epoch))
            return connection.execute(sa.delete(STATE).where(STATE.c.name == RESTORED)).rowcount == 1

        return self._database.change(work)

    def epoch(self, store: str) -> int:
        """The epoch of a store as the database knows it."""
        wanted = sa.select(PLACES.c.epoch).where(PLACES.c.store == store)
        return self._database.read(lambda connection: connection.scalar(wanted) or 0)

    def next_epoch(self, store: str) -> int:
        """Begins another epoch, and returns it."""

        def work(connection: sa.Connection) -> int:
            here = PLACES.c.store == store
            connection.execute(sa.update(PLACES).where(here).values(epoch=PLACES.c.epoch + 1))
            return connection.scalar(sa.select(PLACES.c.epoch).where(here)) or 0

        return self._database.change(work)
