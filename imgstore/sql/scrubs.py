"""How far the reading of all data has come, store by store: a cursor that survives whoever moves it.

Locations are read in the order of their numbers, which only grow, so that what comes next was longest not read. A pass
that comes to the end is complete, and whatever is in the store was then read since its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from imgstore.model import CatalogLocation, ScrubCursor
from imgstore.sql.database import Database
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, STATE

PREFIX = "scrub:"


class Scrubs:
    """The cursors. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cursor(self, store: str) -> ScrubCursor:
        """Where to go on in a store."""
        wanted = sa.select(STATE.c.value).where(STATE.c.name == _name(store))
        value = self._database.read(lambda connection: connection.scalar(wanted))
        return ScrubCursor(store) if value is None else _cursor(value)

    def save(self, cursor: ScrubCursor) -> None:
        """Whoever goes on begins there."""
        name = _name(cursor.store)
        value = f"{cursor.after} {cursor.began} {cursor.complete} {cursor.store}"

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(STATE).where(STATE.c.name == name))
            connection.execute(sa.insert(STATE).values(name=name, value=value[:255]))

        self._database.change(work)

    def complete(self) -> Mapping[str, int]:
        """When the last complete pass of each store began."""
        wanted = sa.select(STATE.c.value).where(STATE.c.name.startswith(PREFIX))
        values = self._database.read(lambda connection: list(connection.scalars(wanted)))
        return {found.store: found.complete for found in map(_cursor, values) if found.complete}

    def following(self, cursor: ScrubCursor, limit: int) -> Sequence[tuple[int, CatalogLocation]]:
        """The next data in the store, with its number."""
        columns = (IMAGES.c.size, IMAGES.c.os_hash_algo, IMAGES.c.os_hash_value)
        query = (
            sa.select(LOCATIONS.c.id, LOCATIONS.c.image_id, LOCATIONS.c.key, *columns)
            .join(IMAGES, LOCATIONS.c.image_id == IMAGES.c.id)
            .where(LOCATIONS.c.store == cursor.store, LOCATIONS.c.state == LIVE, LOCATIONS.c.id > cursor.after)
            .order_by(LOCATIONS.c.id)
            .limit(limit)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [
            (row.id, CatalogLocation(row.image_id, row.key, row.size, row.os_hash_algo, row.os_hash_value))
            for row in rows
        ]


def _name(store: str) -> str:
    """Of whatever length the identifier is."""
    return PREFIX + hashlib.sha256(store.encode()).hexdigest()[:40]


def _cursor(value: str) -> ScrubCursor:
    after, began, complete, store = value.split(" ", 3)
    return ScrubCursor(store, int(after), int(began), int(complete))
