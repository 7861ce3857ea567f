"""The locations in the catalog, for whoever compares them with what the stores hold. It only reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from imgstore.model import CatalogLocation
from imgstore.sql.database import Database
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, WITH_DATA

PAGE = 1000
"""Locations that are read by one statement."""


class CatalogLocations:
    """Reads the locations. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stores(self) -> set[str]:
        """The stores that have data of images."""
        query = sa.select(LOCATIONS.c.store).where(LOCATIONS.c.state == LIVE).distinct()
        return self._database.read(lambda connection: set(connection.scalars(query)))

    def in_store(self, store: str, *, after: str = "") -> Iterator[CatalogLocation]:
        """See Locations."""
        while page := self._page(store, after):
            yield from page
            after = page[-1].key

    def number_in(self, store: str) -> int:
        """See Locations."""
        query = sa.select(sa.func.count()).select_from(LOCATIONS).where(*_data_in(store))
        return self._database.read(lambda connection: connection.scalar(query)) or 0

    def _page(self, store: str, after: str) -> list[CatalogLocation]:
        columns = (IMAGES.c.id, LOCATIONS.c.key, IMAGES.c.size, IMAGES.c.os_hash_algo, IMAGES.c.os_hash_value)
        found = sa.select(*columns).join(LOCATIONS, LOCATIONS.c.image_id == IMAGES.c.id)
        query = found.where(*_data_in(store), LOCATIONS.c.key > after).order_by(LOCATIONS.c.key).limit(PAGE)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [CatalogLocation(row.id, row.key, row.size, row.os_hash_algo, row.os_hash_value) for row in rows]

    def strays(self, store: str) -> Sequence[str]:
        """See Locations. There is a key and no URL here, so there are none."""
        return []

    def images_without(self) -> Sequence[str]:
        """Images whose status says that they have data, but that have no location."""
        here = sa.exists().where(LOCATIONS.c.image_id == IMAGES.c.id, LOCATIONS.c.state == LIVE)
        query = sa.select(IMAGES.c.id).where(IMAGES.c.status.in_(WITH_DATA), ~here)
        return self._database.read(lambda connection: list(connection.scalars(query)))


def _data_in(store: str) -> tuple[sa.ColumnElement[bool], ...]:
    return LOCATIONS.c.store == store, LOCATIONS.c.state == LIVE
