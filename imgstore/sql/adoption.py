"""Takes an object that no image has as the data of its image: after a restore the store may know more than the catalog.

Runs inside the caller's transaction. The image may be missing (it was made after the backup), `queued`, or `saving`
with an attempt that cannot be alive any more, since its lease ran out; then it is active. An attempt that lives would
find that it lost its image, and remove what it wrote: perhaps the object that was adopted. An image that has data keeps
it.
"""

from __future__ import annotations

import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Attempt, Location, UploadResult
from imgstore.sql.attempts import add_location
from imgstore.sql.clock import Now
from imgstore.sql.leases import ENDED
from imgstore.sql.records import now
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS

ADOPTABLE = ("queued", "saving")
_LIVES = IMAGES.c.lease_until >= Now()


def owner_of(connection: sa.Connection, image_id: str) -> str | None:
    """The owner of an image that can take an object; None if there is no such image. Raises ImageConflict."""
    columns = (IMAGES.c.owner, IMAGES.c.status, sa.case((_LIVES, True), else_=False).label("lives"))
    row = connection.execute(sa.select(*columns).where(IMAGES.c.id == image_id)).one_or_none()
    if row is not None and row.status not in ADOPTABLE:
        raise errors.ImageConflict(f"Image {image_id} is {row.status}: only a queued or saving image takes an object.")
    if row is not None and row.lives:
        raise errors.ImageConflict(f"Image {image_id} has an upload under way: try again when that has ended.")
    return None if row is None else str(row.owner)


def adopt(connection: sa.Connection, attempt: Attempt, result: UploadResult) -> None:
    """Makes the image active with the object of `attempt` at `result.locations`."""
    (location,) = result.locations
    values = {"status": "active", "size": result.size, "virtual_size": result.virtual_size, "checksum": result.checksum}
    values |= {"os_hash_algo": result.hash_algo, "os_hash_value": result.hash_value, **ENDED}
    spent = sa.case((IMAGES.c.attempts < attempt.number, attempt.number), else_=IMAGES.c.attempts)
    dead = sa.or_(IMAGES.c.lease_until.is_(None), IMAGES.c.lease_until < Now())
    here = (IMAGES.c.id == attempt.image_id, IMAGES.c.status.in_(ADOPTABLE), dead)
    active = sa.update(IMAGES).where(*here).values(attempts=spent, updated_at=now(), **values)
    if connection.execute(active).rowcount != 1:
        raise errors.ImageConflict(f"Image {attempt.image_id} changed meanwhile: try again.")
    _take_location(connection, attempt.image_id, location)


def _take_location(connection: sa.Connection, image_id: str, location: Location) -> None:
    """It may be recorded as one to be removed: the restored catalog took its attempt for a dead one."""
    connection.execute(sa.delete(LOCATIONS).where(LOCATIONS.c.store == location.store, LOCATIONS.c.key == location.key))
    add_location(connection, image_id, location, LIVE)
