"""Begins and ends attempts (uploads and copies). Each change of an image is one compare-and-set statement.

`uploading` names the attempt that owns the image; its number comes from `attempts`, which only grows. A copy is an
attempt of an image that stays active. An attempt has a lease until it ends (`leases`). That the lease ran out changes
nothing by itself; somebody has to take the image back (`recovery`). Every function runs inside the caller's transaction
and changes the image's row first, so no two of them work on one image at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from imgstore.catalog import copy_gone, image_gone, require_copyable, require_formats, require_queued
from imgstore.model import Attempt, Location, UploadResult
from imgstore.sql.leases import ENDED, GRANTED, granted
from imgstore.sql.quota_hooks import QuotaHooks
from imgstore.sql.records import ImageRecord, names_in, now
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, REMOVING

_ALWAYS = sa.true()
_LOCATED = sa.insert(LOCATIONS)
_THE_IMAGE = IMAGES.c.id == sa.bindparam("of_image")


def _begins(present: str, **values: Any) -> sa.Update:
    free = (_THE_IMAGE, IMAGES.c.status == present, IMAGES.c.attempts == sa.bindparam("before"))
    number: sa.BindParameter[int] = sa.bindparam("number")
    return sa.update(IMAGES).where(*free, IMAGES.c.uploading.is_(None)).values(
        updated_at=sa.bindparam("at"), attempts=number, uploading=number, upload_store=sa.bindparam("stores"),
        **GRANTED, **values,
    )  # fmt: skip


_UPLOAD_BEGINS = _begins("queued", status="saving")
_COPY_BEGINS = _begins("active", copy_failed="")
_UPLOAD_ENDS = sa.update(IMAGES).where(
    _THE_IMAGE, IMAGES.c.uploading == sa.bindparam("number"), IMAGES.c.status == "saving"
).values(
    updated_at=sa.bindparam("at"), status="active", size=sa.bindparam("bytes"), virtual_size=sa.bindparam("virtual"),
    checksum=sa.bindparam("md5"), os_hash_algo=sa.bindparam("algorithm"), os_hash_value=sa.bindparam("digest"), **ENDED,
)  # fmt: skip
"""Statements of every upload are built once: that costs more than the database takes for them."""


def begin(connection: sa.Connection, image: ImageRecord, stores: Sequence[str], *, lease: float) -> Attempt:
    """queued -> saving, with a lease in seconds. Raises InvalidRequest, ImageConflict."""
    require_formats(image.disk_format, image.container_format)
    require_queued(image.id, image.status)
    attempt = _next(image, stores)
    if not _grant(connection, attempt, _UPLOAD_BEGINS, lease):
        require_queued(image.id, "saving")
    return attempt


def activate(connection: sa.Connection, hooks: QuotaHooks, attempt: Attempt, result: UploadResult) -> None:
    """saving -> active, together with the locations. Raises ImageGone if `attempt` does not own the image."""
    if connection.execute(_UPLOAD_ENDS, {**_present(attempt), **_found(result)}).rowcount != 1:
        raise image_gone(attempt.image_id)
    _add_all(connection, hooks, attempt, result.locations)


def begin_copy(connection: sa.Connection, image: ImageRecord, stores: Sequence[str], *, lease: float) -> Attempt:
    """An attempt of an active image, with a lease in seconds. Raises ImageConflict."""
    require_copyable(image.as_stored(), stores, busy=False)
    attempt = _next(image, stores)
    if not _grant(connection, attempt, _COPY_BEGINS, lease):
        require_copyable(image.as_stored(), stores, busy=True)
    return attempt


def add_locations(
    connection: sa.Connection, hooks: QuotaHooks, attempt: Attempt, locations: Sequence[Location]
) -> None:
    """Ends a copy. Raises ImageGone if its image is not active any more, is not its own, or is in such a store."""
    reached = {location.store for location in locations}
    failed = ",".join(store for store in attempt.stores if store not in reached)
    if not _end(connection, attempt, IMAGES.c.status == "active", copy_failed=failed):
        raise copy_gone(attempt.image_id)
    here = (LOCATIONS.c.image_id == attempt.image_id, LOCATIONS.c.state == LIVE, LOCATIONS.c.store.in_(reached))
    if connection.scalar(sa.select(LOCATIONS.c.store).where(*here)) is not None:
        raise copy_gone(attempt.image_id)
    _add_all(connection, hooks, attempt, locations)


OWNED = sa.select(IMAGES.c.id).where(
    IMAGES.c.id == sa.bindparam("image_id"),
    IMAGES.c.uploading == sa.bindparam("number"),
    IMAGES.c.deleted_at.is_(None),
)
"""Finds the image that an attempt owns, unless it is deleted."""


def release(connection: sa.Connection, attempt: Attempt, condition: sa.ColumnElement[bool] = _ALWAYS) -> bool:
    """saving -> queued; a deleted image stays deleted, and a copied one stays as it is. True if the attempt had not
    ended (and the condition holds): then it never became active."""
    columns = (IMAGES.c.status, IMAGES.c.upload_store)
    row = connection.execute(sa.select(*columns).where(*_owned_by(attempt)).with_for_update()).one_or_none()
    if row is None:
        return False
    copy = row.status not in ("saving", "deleted")
    values = {"copy_failed": row.upload_store} if copy else {}
    return _end(connection, attempt, condition, status=_status_after_attempt(), **values)


def abandon(
    connection: sa.Connection, hooks: QuotaHooks, attempt: Attempt, condition: sa.ColumnElement[bool] = _ALWAYS,
    *, waits: bool = True,
) -> bool:  # fmt: skip
    """Ends an attempt of a dead process, unless it ended already (or the condition does not hold, or the row is locked
    and nobody `waits`). What it may have committed is to be removed. True if this call ended the attempt: one, of
    however many at once."""
    stores = sa.select(IMAGES.c.upload_store).where(*_owned_by(attempt))
    found = connection.scalar(stores.with_for_update(skip_locked=not waits))
    if found is None or not release(connection, attempt, condition):
        return False
    remove_from(connection, hooks, attempt, names_in(found))
    return True


def abandon_all(connection: sa.Connection, hooks: QuotaHooks) -> int:
    """Abandons every attempt that has not ended; returns how many there were."""
    columns = (IMAGES.c.id, IMAGES.c.owner, IMAGES.c.uploading)
    rows = connection.execute(sa.select(*columns).where(IMAGES.c.uploading.is_not(None)).order_by(IMAGES.c.id)).all()
    return sum(abandon(connection, hooks, Attempt(row.id, row.uploading, row.owner, "", "")) for row in rows)


def _next(image: ImageRecord, stores: Sequence[str]) -> Attempt:
    formats = image.disk_format or "", image.container_format or ""
    return Attempt(image.id, image.attempts + 1, image.owner, *formats, stores=tuple(stores))


def _grant(connection: sa.Connection, attempt: Attempt, begins: sa.Update, lease: float) -> bool:
    """Makes the attempt the owner of the image, unless another one began since its number was looked up."""
    values = {"before": attempt.number - 1, "stores": ",".join(attempt.stores), **granted(lease)}
    return connection.execute(begins, {**_present(attempt), **values}).rowcount == 1


def _present(attempt: Attempt) -> Mapping[str, Any]:
    return {"of_image": attempt.image_id, "number": attempt.number, "at": now()}


def _found(result: UploadResult) -> Mapping[str, Any]:
    """What an upload found out about the image."""
    return {
        "bytes": result.size, "virtual": result.virtual_size, "md5": result.checksum,
        "algorithm": result.hash_algo, "digest": result.hash_value,
    }  # fmt: skip


def _end(connection: sa.Connection, attempt: Attempt, condition: sa.ColumnElement[bool], **values: Any) -> bool:
    """Takes the image from the attempt, if the attempt owns it and the condition holds."""
    ended = sa.update(IMAGES).where(*_owned_by(attempt), condition).values(updated_at=now(), **ENDED, **values)
    return connection.execute(ended).rowcount == 1


def _status_after_attempt() -> sa.Case[str]:
    return sa.case(
        (IMAGES.c.deleted_at.is_not(None), "deleted"), (IMAGES.c.status == "saving", "queued"), else_=IMAGES.c.status
    )


def _owned_by(attempt: Attempt) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return IMAGES.c.id == attempt.image_id, IMAGES.c.uploading == attempt.number


def _add_all(connection: sa.Connection, hooks: QuotaHooks, attempt: Attempt, locations: Sequence[Location]) -> None:
    """Adds the image's new locations. A store of the attempt that was left out may still hold something."""
    for location in locations:
        add_location(connection, attempt.image_id, location, LIVE)
    reached = {location.store for location in locations}
    remove_from(connection, hooks, attempt, [store for store in attempt.stores if store not in reached])


def remove_from(connection: sa.Connection, hooks: QuotaHooks, attempt: Attempt, stores: Iterable[str]) -> None:
    """What the attempt may have left in these stores is to be removed, and counts until then. Sorted: every transaction
    takes its locks in that order."""
    for store in sorted(stores):
        add_location(connection, attempt.image_id, Location(store, attempt.key, ""), REMOVING)
        hooks.object_unused(connection, store, attempt.key)


def add_location(connection: sa.Connection, image_id: str, location: Location, state: str) -> None:
    """An object of the image, or one that is to be removed."""
    where = {"store": location.store, "key": location.key, "url": location.url}
    connection.execute(_LOCATED, {"image_id": image_id, "state": state, **where})
