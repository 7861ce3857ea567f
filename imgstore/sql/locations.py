"""The locations in the catalog, for whoever compares them with what the stores hold. It only reads."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from imgstore.model import CatalogLocation
from imgstore.sql.database import Database
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS


class CatalogLocations:
    """Reads the locations. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stores(self) -> set[str]:
        """The stores that have data of images."""
        query = sa.select(LOCATIONS.c.store).where(LOCATIONS.c.state == LIVE).distinct()
        return self._database.read(lambda connection: set(connection.scalars(query)))

    def in_store(self, store: str) -> Sequence[CatalogLocation]:
        """All data in one store."""
        columns = (IMAGES.c.id, LOCATIONS.c.key, IMAGES.c.size, IMAGES.c.os_hash_algo, IMAGES.c.os_hash_value)
        query = (
            sa.select(*columns)
            .join(LOCATIONS, LOCATIONS.c.image_id == IMAGES.c.id)
            .where(LOCATIONS.c.store == store, LOCATIONS.c.state == LIVE)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [CatalogLocation(row.id, row.key, row.size, row.os_hash_algo, row.os_hash_value) for row in rows]

    def strays(self, store: str) -> Sequence[str]:
        """See Locations. There is a key and no URL here, so there are none."""
        return []

    def images_without(self) -> Sequence[str]:
        """Images whose status says that they have data, but that have no location."""
        here = sa.exists().where(LOCATIONS.c.image_id == IMAGES.c.id, LOCATIONS.c.state == LIVE)
        query = sa.select(IMAGES.c.id).where(IMAGES.c.status.in_(("active", "deactivated")), ~here)
        return self._database.read(lambda connection: list(connection.scalars(query)))
