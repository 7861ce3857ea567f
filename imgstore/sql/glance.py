"""The database of an OpenStack Glance, read and never written: its images, and where they say that their data is.

The transactions are read-only, by the database's own word (`Database`). Rows that Glance has deleted are read too: it
keeps them, and they tell whose an object was. The columns have been the same since Glance 18.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from imgstore.sql import address as addresses
from imgstore.sql.address import Address
from imgstore.sql.database import Database

METADATA = sa.MetaData()
IMAGES = sa.Table(
    "images", METADATA,
    sa.Column("id", sa.String), sa.Column("status", sa.String), sa.Column("size", sa.BigInteger),
    sa.Column("checksum", sa.String), sa.Column("os_hash_algo", sa.String), sa.Column("os_hash_value", sa.String),
    sa.Column("deleted", sa.Boolean),
    *(sa.Column(f"{name}_at", sa.DateTime) for name in ("created", "updated", "deleted")),
)  # fmt: skip
LOCATIONS = sa.Table(
    "image_locations", METADATA,
    sa.Column("id", sa.Integer), sa.Column("image_id", sa.String), sa.Column("value", sa.Text),
    sa.Column("meta_data", sa.Text), sa.Column("status", sa.String), sa.Column("deleted", sa.Boolean),
)  # fmt: skip
PROPERTIES = sa.Table(
    "image_properties", METADATA,
    sa.Column("image_id", sa.String), sa.Column("name", sa.String), sa.Column("value", sa.Text),
    sa.Column("deleted", sa.Boolean),
)  # fmt: skip

WITH_DATA = ("active", "deactivated")
PENDING = "pending_delete"
"""Of what Glance's scrubber is to remove; until then it can be restored."""
IMPORTING = ("os_glance_importing_to_stores", "os_glance_import_task")
"""The properties of an image while an import or a copy of it is under way."""
AT_ONCE = 200
PAGE = 1000
_DRIVER = re.compile(r"^(\w+)\+\w+(?=://)")


@dataclass(frozen=True, slots=True)
class GlanceImage:
    """An image, deleted or not. `changed`: when its row was changed last. `importing`: an import has not ended."""

    id: str
    status: str
    deleted: bool
    changed: float
    importing: bool


@dataclass(frozen=True, slots=True)
class GlanceLocation:
    """Where an image says that its data is. `url` may hold a credential. `store`: the backend, if Glance has noted one.
    `pending`: the image is deleted, and its data is not yet."""

    id: int
    image_id: str
    url: str = field(repr=False)
    store: str | None
    pending: bool
    size: int | None
    hash_algo: str | None
    hash_value: str | None


def glance_address(text: str) -> Address:
    """The address in Glance's `[database] connection`, reached by our own drivers. Raises ValueError, without it."""
    return addresses.parse(_DRIVER.sub(r"\1", text))


class GlanceTables:
    """Reads them. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def images(self, ids: Collection[str]) -> Mapping[str, GlanceImage]:
        """Those of these images that Glance knows, or knew."""
        return {image.id: image for some in _portions(sorted(ids)) for image in self._images(some)}

    def _images(self, ids: Sequence[str]) -> list[GlanceImage]:
        filled = (PROPERTIES.c.name.in_(IMPORTING), PROPERTIES.c.value != "", sa.not_(PROPERTIES.c.deleted))
        importing = sa.exists().where(PROPERTIES.c.image_id == IMAGES.c.id, *filled)
        query = sa.select(IMAGES, importing.label("importing")).where(IMAGES.c.id.in_(ids))
        return [_image(row) for row in self._rows(query)]

    def active_without_location(self) -> Sequence[str]:
        """Images that should have data, and say not where."""
        there = sa.exists().where(LOCATIONS.c.image_id == IMAGES.c.id, sa.not_(LOCATIONS.c.deleted))
        wanted = (IMAGES.c.status.in_(WITH_DATA), sa.not_(IMAGES.c.deleted), sa.not_(there))
        return [row.id for row in self._rows(sa.select(IMAGES.c.id).where(*wanted).order_by(IMAGES.c.id))]

    def locations(self) -> Iterator[GlanceLocation]:
        """All that are in use, in the order in which they were made, read page by page."""
        after = 0
        while page := self.following(after, PAGE):
            yield from page
            after = page[-1].id

    def following(self, after: int, limit: int) -> Sequence[GlanceLocation]:
        """The first of those whose number is higher than `after`."""
        return [_location(row) for row in self._rows(_LOCATIONS.where(LOCATIONS.c.id > after).limit(limit))]

    def locations_of(self, keys: Collection[str], ids: Collection[str]) -> Sequence[GlanceLocation]:
        """Those of these images, and those whose URL ends like that of an object with one of these keys."""
        ends = [LOCATIONS.c.value.endswith(f"/{key}", autoescape=True) for key in keys]
        return [_location(row) for row in self._rows(_LOCATIONS.where(sa.or_(LOCATIONS.c.image_id.in_(ids), *ends)))]

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())


_LOCATIONS = (
    sa.select(LOCATIONS, IMAGES.c.size, IMAGES.c.checksum, IMAGES.c.os_hash_algo, IMAGES.c.os_hash_value)
    .join(IMAGES, LOCATIONS.c.image_id == IMAGES.c.id)
    .where(sa.or_(sa.not_(LOCATIONS.c.deleted), LOCATIONS.c.status == PENDING))
    .order_by(LOCATIONS.c.id)
)


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from (ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE))


def _image(row: Any) -> GlanceImage:
    changes = [time for time in (row.created_at, row.updated_at, row.deleted_at) if time is not None]
    changed = max((time.replace(tzinfo=datetime.timezone.utc).timestamp() for time in changes), default=0.0)
    return GlanceImage(row.id, row.status, bool(row.deleted), changed, bool(row.importing))


def _location(row: Any) -> GlanceLocation:
    known = bool(row.os_hash_algo and row.os_hash_value)
    algorithm, value = (row.os_hash_algo, row.os_hash_value) if known else ("md5", row.checksum)
    pending = bool(row.deleted) or row.status == PENDING
    return GlanceLocation(
        row.id, row.image_id, row.value, _store(row.meta_data), pending, row.size, algorithm if value else None, value
    )


def _store(metadata: str | None) -> str | None:
    try:
        found = json.loads(metadata or "{}").get("store")
    except (ValueError, AttributeError):  # an operator's own text; then nobody knows the store
        return None
    return found if isinstance(found, str) else None
