"""Reads images with their locations, and decides who may see them. Every function runs inside the caller's
transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from imgstore import errors
from imgstore.catalog import no_such_image
from imgstore.model import Location
from imgstore.sql.records import SHARED, Caller, ImageRecord, record_of
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, MEMBERS

_PRESENT = sa.select(IMAGES).where(IMAGES.c.id == sa.bindparam("image_id"), IMAGES.c.deleted_at.is_(None))
_LOCKED = _PRESENT.with_for_update()
"""Statements of every request are built once: that costs more than the database takes for them."""

WITHOUT_DATA = frozenset({"queued", "saving"})
"""The statuses of images without a location: an image gets its first one when it becomes active."""


def visible(connection: sa.Connection, image_id: str, caller: Caller, *, lock: bool = False) -> ImageRecord:
    """One image; `lock`: it stays locked. Raises ImageNotFound if it does not exist or the caller may not see it."""
    images = records(connection, _LOCKED if lock else _PRESENT, {"image_id": image_id})
    if images and caller.sees(images[0].owner, images[0].visibility):
        return images[0]
    if images and _is_member(connection, images[0], caller):
        return dataclasses.replace(images[0], member=caller.project_id)
    raise no_such_image(image_id)


def _is_member(connection: sa.Connection, image: ImageRecord, caller: Caller) -> bool:
    """Whether the image is shared with the caller's project, whatever that said to it."""
    here = (MEMBERS.c.image_id == image.id, MEMBERS.c.member == caller.project_id)
    return image.visibility == SHARED and connection.scalar(sa.select(MEMBERS.c.member).where(*here)) is not None


def permitted(connection: sa.Connection, image_id: str, caller: Caller, action: str) -> ImageRecord:
    """The image, locked, so that the permission holds until the end of the transaction. Raises ImageNotFound,
    Forbidden."""
    image = visible(connection, image_id, caller, lock=True)
    caller.require(action, image)
    return image


def records(
    connection: sa.Connection, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
) -> list[ImageRecord]:
    """The images that a query for rows of `images` finds, with their locations."""
    rows = connection.execute(query, parameters).mappings().all()
    locations = _locations(connection, [row["id"] for row in rows if row["status"] not in WITHOUT_DATA])
    return [record_of(dict(row), locations.get(row["id"], ())) for row in rows]


def _locations(connection: sa.Connection, image_ids: list[str]) -> dict[str, list[Location]]:
    found: dict[str, list[Location]] = {}
    if not image_ids:
        return found
    query = sa.select(LOCATIONS).where(LOCATIONS.c.image_id.in_(image_ids), LOCATIONS.c.state == LIVE)
    for row in connection.execute(query.order_by(LOCATIONS.c.id)):
        found.setdefault(row.image_id, []).append(Location(row.store, row.key, row.url))
    return found


def marker_of(connection: sa.Connection, marker: str, caller: Caller) -> ImageRecord:
    """The image that a page begins after. Raises InvalidRequest."""
    try:
        return visible(connection, marker, caller)
    except errors.ImageNotFound as error:
        raise errors.InvalidRequest(f"The marker {marker[:64]} is not an image.") from error
