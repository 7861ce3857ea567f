"""Changes an image other than by an upload: its description, its status, its deletion as a whole or from one store.

Every function runs inside the caller's transaction, on the record read there, so nothing comes between the check and
the change. The caller has decided who may do it.
"""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Location
from imgstore.sql import words
from imgstore.sql.records import ImageRecord, NewImage, now
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, MEMBERS, REMOVING, WORDS

DESCRIPTION = tuple(item.name for item in dataclasses.fields(NewImage) if item.name != "id")

NOTHING_TOLD: dict[str, object] = {"name": None, "tags": [], "properties": {}}
"""What a deleted image keeps of what its owner wrote: the row stays for its identifier, and is small."""


class Outdated(Exception):
    """What was computed before the transaction rests on what is no longer so: it is computed again."""


class NotInStore(errors.RequestError):
    """The image has no data in that store."""

    status = 404
    code = "image-not-in-store"
    title = "Not Found"


def refuse_changed(image: ImageRecord, seen: ImageRecord) -> None:
    """Raises Outdated if the image's description is not the one that was seen before the transaction."""
    if any(getattr(image, name) != getattr(seen, name) for name in DESCRIPTION):
        raise Outdated(f"Other changes of image {image.id} came between.")


def describe(connection: sa.Connection, image: ImageRecord, new: NewImage) -> None:
    """Replaces the image's description by `new`. Raises Forbidden if it changes the format of an image with data."""
    _refuse_new_format(image, new)
    values = {name: getattr(new, name) for name in DESCRIPTION}
    values |= {"tags": list(new.tags), "properties": dict(new.properties), "updated_at": now()}
    connection.execute(sa.update(IMAGES).where(IMAGES.c.id == image.id).values(**values))
    before, after = (words.of_image(each.owner, each.visibility, each.tags, each.properties) for each in (image, new))
    words.remove(connection, image.id, before - after)
    words.add(connection, image.id, image.created_at, after - before)


def set_active(connection: sa.Connection, image: ImageRecord, *, active: bool) -> None:
    """active <-> deactivated. Raises Forbidden for an image in another status."""
    before, after = ("deactivated", "active") if active else ("active", "deactivated")
    if image.status == after:
        return
    if image.status != before:
        action = "reactivate" if active else "deactivate"
        raise errors.Forbidden(f"It is not allowed to {action} image {image.id} in status {image.status}.")
    connection.execute(sa.update(IMAGES).where(IMAGES.c.id == image.id).values(status=after, updated_at=now()))


def delete(connection: sa.Connection, image: ImageRecord) -> None:
    """Marks the image deleted and its data to be removed. Raises Forbidden if the image is protected."""
    if image.protected:
        raise errors.Forbidden(f"Image {image.id} is protected and cannot be deleted.")
    time = now()
    connection.execute(
        sa.update(IMAGES)
        .where(IMAGES.c.id == image.id, IMAGES.c.deleted_at.is_(None))
        .values(**NOTHING_TOLD, status="deleted", deleted_at=time, updated_at=time)
    )
    connection.execute(sa.update(LOCATIONS).where(LOCATIONS.c.image_id == image.id).values(state=REMOVING))
    for table in (MEMBERS, WORDS):
        connection.execute(sa.delete(table).where(table.c.image_id == image.id))


def delete_location(connection: sa.Connection, image: ImageRecord, store: str) -> list[Location]:
    """Marks the image's data in `store` to be removed; returns where it is.

    Raises ImageConflict, Forbidden, NotInStore.
    """
    if image.status != "active":
        raise errors.ImageConflict(f"Image {image.id} is {image.status}: only data of active images is deleted.")
    if len(image.locations) == 1:
        raise errors.Forbidden(f"There is one copy of image {image.id} only: delete the image instead.")
    if store not in {location.store for location in image.locations}:
        raise NotInStore(f"Image {image.id} is not stored in store {store}.")
    here = (LOCATIONS.c.image_id == image.id, LOCATIONS.c.store == store, LOCATIONS.c.state == LIVE)
    connection.execute(sa.update(LOCATIONS).where(*here).values(state=REMOVING))
    connection.execute(sa.update(IMAGES).where(IMAGES.c.id == image.id).values(updated_at=now()))
    return [location for location in image.locations if location.store == store]


def _refuse_new_format(image: ImageRecord, new: NewImage) -> None:
    for name in ("disk_format", "container_format"):
        if image.status != "queued" and getattr(image, name) != getattr(new, name):
            raise errors.Forbidden(f"Attribute '{name}' can be replaced only for a queued image.")
