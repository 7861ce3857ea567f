"""Where the catalog says that images' data is, for whoever compares that with what the stores hold. It only reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from imgstore.sql.database import Database
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS


@dataclass(frozen=True, slots=True)
class Place:
    """An image's data in one store: what should be there. `size` in bytes; None where nobody knows."""

    image_id: str
    key: str
    size: int | None
    hash_algo: str | None
    hash_value: str | None


class Places:
    """For those who compare. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stores(self) -> set[str]:
        """The stores that the data of some image is in."""
        query = sa.select(LOCATIONS.c.store).where(LOCATIONS.c.state == LIVE).distinct()
        return self._database.read(lambda connection: set(connection.scalars(query)))

    def in_store(self, store: str) -> Sequence[Place]:
        """All data in one store."""
        columns = (IMAGES.c.id, LOCATIONS.c.key, IMAGES.c.size, IMAGES.c.os_hash_algo, IMAGES.c.os_hash_value)
        query = (
            sa.select(*columns)
            .join(LOCATIONS, LOCATIONS.c.image_id == IMAGES.c.id)
            .where(LOCATIONS.c.store == store, LOCATIONS.c.state == LIVE)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [Place(row.id, row.key, row.size, row.os_hash_algo, row.os_hash_value) for row in rows]

    def images_without(self) -> Sequence[str]:
        """Images that have data by their status, and are nowhere."""
        here = sa.exists().where(LOCATIONS.c.image_id == IMAGES.c.id, LOCATIONS.c.state == LIVE)
        query = sa.select(IMAGES.c.id).where(IMAGES.c.status.in_(("active", "deactivated")), ~here)
        return self._database.read(lambda connection: list(connection.scalars(query)))
