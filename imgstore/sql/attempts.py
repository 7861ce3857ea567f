"""The three changes of an upload, each decided by one compare-and-set statement (law 8), and the end of dead ones.

`uploading` names the attempt that owns the image; its number comes from `attempts`, which only grows. Every function
runs inside the caller's transaction.
"""

from __future__ import annotations

import sqlalchemy as sa

from imgstore.catalog import image_gone, require_formats, require_queued
from imgstore.model import Attempt, Location, UploadResult
from imgstore.sql.records import ImageRecord, now
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, REMOVING


def begin(connection: sa.Connection, image: ImageRecord, store: str) -> Attempt:
    """queued -> saving. Raises InvalidRequest, ImageConflict."""
    require_formats(image.disk_format, image.container_format)
    require_queued(image.id, image.status)
    last = connection.scalar(sa.select(IMAGES.c.attempts).where(IMAGES.c.id == image.id)) or 0
    number = last + 1
    taken = connection.execute(
        sa.update(IMAGES)
        .where(IMAGES.c.id == image.id, IMAGES.c.status == "queued", IMAGES.c.attempts == last)
        .values(status="saving", attempts=number, uploading=number, upload_store=store, updated_at=now())
    )
    if taken.rowcount != 1:
        require_queued(image.id, "saving")
    return Attempt(image.id, number, image.owner, image.disk_format or "", image.container_format or "")


def activate(connection: sa.Connection, attempt: Attempt, result: UploadResult) -> None:
    """saving -> active, together with the location. Raises ImageGone if `attempt` does not own the image."""
    taken = connection.execute(
        sa.update(IMAGES)
        .where(*_owned_by(attempt), IMAGES.c.status == "saving")
        .values(
            status="active",
            size=result.size,
            virtual_size=result.virtual_size,
            checksum=result.checksum,
            os_hash_algo=result.hash_algo,
            os_hash_value=result.hash_value,
            uploading=None,
            upload_store=None,
            updated_at=now(),
        )
    )
    if taken.rowcount != 1:
        raise image_gone(attempt.image_id)
    _add_location(connection, attempt.image_id, result.location, LIVE)


def release(connection: sa.Connection, attempt: Attempt) -> bool:
    """saving -> queued; a deleted image stays deleted. True if the attempt had not ended: it never became active."""
    taken = connection.execute(
        sa.update(IMAGES)
        .where(*_owned_by(attempt))
        .values(status=_status_after_attempt(), uploading=None, upload_store=None, updated_at=now())
    )
    return taken.rowcount == 1


def abandon_all(connection: sa.Connection) -> int:
    """Ends every attempt: their images are queued again, what they may have committed is to be removed. For the start
    of a host that knows that no upload is under way. Returns how many there were."""
    columns = (IMAGES.c.id, IMAGES.c.owner, IMAGES.c.uploading)
    dead = connection.execute(sa.select(*columns).where(IMAGES.c.uploading.is_not(None))).all()
    for row in dead:
        abandon(connection, Attempt(row.id, row.uploading, row.owner, "", ""))
    return len(dead)


def abandon(connection: sa.Connection, attempt: Attempt) -> None:
    """Ends an attempt that nobody pursues any more, unless it ended; what it may have committed is to be removed."""
    store = connection.scalar(sa.select(IMAGES.c.upload_store).where(*_owned_by(attempt)))
    if store is not None:
        _add_location(connection, attempt.image_id, Location(store, attempt.key, ""), REMOVING)
        release(connection, attempt)


def _owned_by(attempt: Attempt) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return IMAGES.c.id == attempt.image_id, IMAGES.c.uploading == attempt.number


def _status_after_attempt() -> sa.Case[str]:
    return sa.case((IMAGES.c.deleted_at.is_not(None), "deleted"), else_="queued")


def _add_location(connection: sa.Connection, image_id: str, location: Location, state: str) -> None:
    connection.execute(
        sa.insert(LOCATIONS).values(
            image_id=image_id, store=location.store, key=location.key, url=location.url, state=state
        )
    )
