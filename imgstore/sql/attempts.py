"""What uploads and copies change, each time by one compare-and-set statement (law 8), and the end of dead ones.

`uploading` names the attempt that owns the image; its number comes from `attempts`, which only grows. A copy is an
attempt of an image that stays active. An attempt has a lease until it ends (`leases`); that the lease ran out changes
nothing by itself, until somebody takes the image back. Every function runs inside the caller's transaction, and changes
the row of the image first, so that no two of them are in the middle of one image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from imgstore.catalog import copy_gone, image_gone, require_copyable, require_formats, require_queued
from imgstore.model import Attempt, Location, UploadResult
from imgstore.sql.leases import ENDED, granted
from imgstore.sql.records import ImageRecord, names_in, now
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, REMOVING


def begin(connection: sa.Connection, image: ImageRecord, stores: Sequence[str], *, lease: float) -> Attempt:
    """queued -> saving, with a lease of so many seconds. Raises InvalidRequest, ImageConflict."""
    require_formats(image.disk_format, image.container_format)
    require_queued(image.id, image.status)
    attempt = _next(connection, image, stores)
    if not _grant(connection, attempt, "queued", status="saving", **granted(lease)):
        require_queued(image.id, "saving")
    return attempt


def activate(connection: sa.Connection, attempt: Attempt, result: UploadResult) -> None:
    """saving -> active, together with the locations. Raises ImageGone if `attempt` does not own the image."""
    ended = _end(
        connection,
        attempt,
        IMAGES.c.status == "saving",
        status="active",
        size=result.size,
        virtual_size=result.virtual_size,
        checksum=result.checksum,
        os_hash_algo=result.hash_algo,
        os_hash_value=result.hash_value,
    )
    if not ended:
        raise image_gone(attempt.image_id)
    _add_all(connection, attempt, result.locations)


def begin_copy(connection: sa.Connection, image: ImageRecord, stores: Sequence[str], *, lease: float) -> Attempt:
    """An attempt of an active image, with a lease of so many seconds. Raises ImageConflict."""
    require_copyable(image.as_stored(), stores, busy=False)
    attempt = _next(connection, image, stores)
    if not _grant(connection, attempt, "active", copy_failed="", **granted(lease)):
        require_copyable(image.as_stored(), stores, busy=True)
    return attempt


def add_locations(connection: sa.Connection, attempt: Attempt, locations: Sequence[Location]) -> None:
    """Ends a copy. Raises ImageGone if its image is not active any more, or not its own, or in such a store already."""
    reached = {location.store for location in locations}
    failed = ",".join(store for store in attempt.stores if store not in reached)
    if not _end(connection, attempt, IMAGES.c.status == "active", copy_failed=failed):
        raise copy_gone(attempt.image_id)
    here = (LOCATIONS.c.image_id == attempt.image_id, LOCATIONS.c.state == LIVE, LOCATIONS.c.store.in_(reached))
    if connection.scalar(sa.select(LOCATIONS.c.store).where(*here)) is not None:
        raise copy_gone(attempt.image_id)
    _add_all(connection, attempt, locations)


def owns(connection: sa.Connection, attempt: Attempt) -> bool:
    """Whether the attempt owns an image that is not deleted."""
    found = sa.select(IMAGES.c.id).where(*_owned_by(attempt), IMAGES.c.deleted_at.is_(None))
    return connection.scalar(found) is not None


def release(connection: sa.Connection, attempt: Attempt, *conditions: sa.ColumnElement[bool]) -> bool:
    """saving -> queued; a deleted image stays deleted, a copied one as it is. True if the attempt had not ended (and
    the conditions hold): nothing of it ever became active."""
    columns = (IMAGES.c.status, IMAGES.c.upload_store)
    row = connection.execute(sa.select(*columns).where(*_owned_by(attempt)).with_for_update()).one_or_none()
    if row is None:
        return False
    copy = row.status not in ("saving", "deleted")
    values = {"copy_failed": row.upload_store} if copy else {}
    return _end(connection, attempt, *conditions, status=_status_after_attempt(), **values)


def all_dead(connection: sa.Connection) -> list[Attempt]:
    """Every attempt that has not ended, for the start of a host that knows that no upload is under way."""
    columns = (IMAGES.c.id, IMAGES.c.owner, IMAGES.c.uploading)
    rows = connection.execute(sa.select(*columns).where(IMAGES.c.uploading.is_not(None)).order_by(IMAGES.c.id))
    return [Attempt(row.id, row.uploading, row.owner, "", "") for row in rows]


def abandon(connection: sa.Connection, attempt: Attempt, *conditions: sa.ColumnElement[bool]) -> Sequence[str]:
    """Ends an attempt that nobody pursues any more, unless it ended (or the conditions do not hold); what it may have
    committed is to be removed. Returns its stores; none, if it was not this call that ended it: of several who do this
    at once, one is told."""
    stores = connection.scalar(sa.select(IMAGES.c.upload_store).where(*_owned_by(attempt)).with_for_update())
    if stores is None or not release(connection, attempt, *conditions):
        return ()
    _remove_from(connection, attempt, names_in(stores))
    return names_in(stores)


def _next(connection: sa.Connection, image: ImageRecord, stores: Sequence[str]) -> Attempt:
    last = connection.scalar(sa.select(IMAGES.c.attempts).where(IMAGES.c.id == image.id)) or 0
    formats = image.disk_format or "", image.container_format or ""
    return Attempt(image.id, last + 1, image.owner, *formats, stores=tuple(stores))


def _grant(connection: sa.Connection, attempt: Attempt, present: str, **values: Any) -> bool:
    """The attempt owns the image if its number is the next one, and none has begun since that was looked up."""
    free = (IMAGES.c.id == attempt.image_id, IMAGES.c.status == present, IMAGES.c.attempts == attempt.number - 1)
    values |= {"attempts": attempt.number, "uploading": attempt.number, "upload_store": ",".join(attempt.stores)}
    taken = connection.execute(
        sa.update(IMAGES).where(*free, IMAGES.c.uploading.is_(None)).values(updated_at=now(), **values)
    )
    return taken.rowcount == 1


def _end(connection: sa.Connection, attempt: Attempt, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
    """The attempt owns the image no more, if it does now and the conditions hold."""
    taken = connection.execute(
        sa.update(IMAGES).where(*_owned_by(attempt), *conditions).values(updated_at=now(), **ENDED, **values)
    )
    return taken.rowcount == 1


def _status_after_attempt() -> sa.Case[str]:
    return sa.case(
        (IMAGES.c.deleted_at.is_not(None), "deleted"), (IMAGES.c.status == "saving", "queued"), else_=IMAGES.c.status
    )


def _owned_by(attempt: Attempt) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return IMAGES.c.id == attempt.image_id, IMAGES.c.uploading == attempt.number


def _add_all(connection: sa.Connection, attempt: Attempt, locations: Sequence[Location]) -> None:
    """The image's new data; a store of the attempt that was left out may hold some all the same."""
    for location in locations:
        add_location(connection, attempt.image_id, location, LIVE)
    reached = {location.store for location in locations}
    _remove_from(connection, attempt, [store for store in attempt.stores if store not in reached])


def _remove_from(connection: sa.Connection, attempt: Attempt, stores: Iterable[str]) -> None:
    for store in stores:
        add_location(connection, attempt.image_id, Location(store, attempt.key, ""), REMOVING)


def add_location(connection: sa.Connection, image_id: str, location: Location, state: str) -> None:
    """An object of the image, or one that is to be removed."""
    connection.execute(
        sa.insert(LOCATIONS).values(
            image_id=image_id, store=location.store, key=location.key, url=location.url, state=state
        )
    )
