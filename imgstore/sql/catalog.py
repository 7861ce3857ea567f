"""The catalog on SQL: what uploads and downloads need of a host, and the table of images of a small service.

Every change is one short transaction; who may see or change an image is decided inside it. Deleting marks the row first
and hands out what is to be removed from the stores; it stays recorded until `removed` says that it is gone. What this
module refuses to do: touch a store, count a quota, know HTTP.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from imgstore import errors
from imgstore.catalog import no_such_image
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult
from imgstore.sql import attempts, changes, listing
from imgstore.sql.database import Database, OutcomeUnknown
from imgstore.sql.listing import ImageQuery
from imgstore.sql.records import EVERYTHING, Caller, Counts, ImageRecord, NewImage, Removal, now, record_of
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, REMOVING

LOG = logging.getLogger(__name__)


class SqlCatalog:
    """Implements `ImageCatalog` and `ImageSource`; their `context` is a Caller, None sees everything.

    `url` is SQLAlchemy's; `busy_timeout` seconds. All methods raise CatalogUnavailable if the database cannot be
    reached (nothing was changed) and OutcomeUnknown if COMMIT failed.
    """

    def __init__(self, url: str, *, busy_timeout: float = 30.0) -> None:
        self._database = Database(url, busy_timeout=busy_timeout)
        self._unreleased: dict[str, list[Attempt]] = {}

    def close(self) -> None:
        """Returns the connections."""
        self._database.close()

    def create(self, image: NewImage) -> ImageRecord:
        """Adds a queued image. Raises ImageConflict if the identifier is, or ever was, in use."""
        time = now()
        values = {item.name: getattr(image, item.name) for item in dataclasses.fields(NewImage)}
        values |= {"tags": list(image.tags), "properties": dict(image.properties), "status": "queued"}
        with self._database.changing() as connection:
            try:
                connection.execute(sa.insert(IMAGES).values(**values, created_at=time, updated_at=time))
            except sa.exc.IntegrityError as error:
                raise errors.ImageConflict(f"Image ID {image.id} already exists.") from error
            return _visible(connection, image.id, EVERYTHING)

    def get(self, image_id: str, caller: Caller) -> ImageRecord:
        """One image. Raises ImageNotFound."""
        with self._database.reading() as connection:
            return _visible(connection, image_id, caller)

    def list(self, caller: Caller, query: ImageQuery) -> Sequence[ImageRecord]:
        """The images that `query` asks for, as far as the caller may see them. Raises InvalidRequest for a marker that
        is not visible."""
        with self._database.reading() as connection:
            marker = None if query.marker is None else _marker(connection, query.marker, caller)
            return _records(connection, listing.select(query, caller, marker=marker))

    def update(self, image_id: str, caller: Caller, change: Callable[[ImageRecord], NewImage]) -> ImageRecord:
        """Makes of the image what `change` makes of its present record, in one step: no other change comes between.

        `change` does no input or output, and refuses by raising. Raises ImageNotFound, Forbidden (by policy).
        """
        with self._database.changing() as connection:
            image = _permitted(connection, image_id, caller, "modify_image")
            changes.describe(connection, image, change(image))
            return _visible(connection, image_id, EVERYTHING)

    def set_active(self, image_id: str, caller: Caller, *, active: bool) -> None:
        """deactivated -> active, or active -> deactivated; a no-op where it is so already.

        Raises ImageNotFound, Forbidden (by policy, or another status).
        """
        with self._database.changing() as connection:
            image = _permitted(connection, image_id, caller, "reactivate" if active else "deactivate")
            changes.set_active(connection, image, active=active)

    def delete(self, image_id: str, caller: Caller) -> ImageRecord:
        """Marks the image deleted, also under an upload; what it was is returned to one caller only.

        Its locations are then `removals`. Raises ImageNotFound, Forbidden (by policy, protected).
        """
        with self._database.changing() as connection:
            image = _permitted(connection, image_id, caller, "delete_image")
            changes.delete(connection, image)
            return image

    def delete_location(self, image_id: str, caller: Caller, store: str) -> None:
        """Takes the data in one store away from an active image; it is then one of the `removals`.

        Raises ImageNotFound, ImageConflict (not active), Forbidden (by policy, the only copy), NotInStore.
        """
        with self._database.changing() as connection:
            image = _permitted(connection, image_id, caller, "delete_image_location")
            changes.delete_location(connection, image, store)

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """What is still to be removed from the stores, of one image or of all."""
        query = sa.select(LOCATIONS).where(LOCATIONS.c.state == REMOVING)
        if image_id is not None:
            query = query.where(LOCATIONS.c.image_id == image_id)
        with self._database.reading() as connection:
            return [Removal(row.id, row.image_id, row.store, row.key) for row in connection.execute(query)]

    def removed(self, removal: Removal) -> None:
        """The object is gone from its store."""
        with self._database.changing() as connection:
            connection.execute(sa.delete(LOCATIONS).where(LOCATIONS.c.id == removal.id))

    def usage(self, owner: str) -> int:
        """Bytes of the images of `owner` that are not deleted."""
        total = sa.select(sa.func.coalesce(sa.func.sum(IMAGES.c.size), 0))
        with self._database.reading() as connection:
            mine = total.where(IMAGES.c.owner == owner, IMAGES.c.deleted_at.is_(None))
            return int(connection.execute(mine).scalar_one())

    def counts(self, owner: str) -> Counts:
        """How many images `owner` has."""
        mine = sa.and_(IMAGES.c.owner == owner, IMAGES.c.deleted_at.is_(None))
        numbers = sa.select(sa.func.count(), sa.func.count(IMAGES.c.uploading)).where(mine)
        with self._database.reading() as connection:
            row = connection.execute(numbers).one()
            return Counts(images=row[0], uploading=row[1])

    def abandon_uploads(self) -> int:
        """Queues the images whose uploads died with their process again; what these may have left becomes `removals`.
        Only for a host that knows that no upload is under way. Returns how many there were."""
        with self._database.changing() as connection:
            return attempts.abandon_all(connection)

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """See ImageSource."""
        caller = _caller(context)
        image = self.get(image_id, caller)
        caller.require("download_image", image)
        if image.status == "deactivated" and not caller.is_admin:
            raise errors.Forbidden(f"Image {image_id} is deactivated.")
        return image.as_stored()

    def begin(self, request: UploadRequest, store: str) -> Attempt:
        """See ImageCatalog. If COMMIT fails, the image is given back, so that it does not stay `saving`."""
        caller = _caller(request.context)
        try:
            with self._database.changing() as connection:
                for unreleased in self._unreleased.get(request.image_id, ()):
                    attempts.abandon(connection, unreleased)
                image = _permitted(connection, request.image_id, caller, "upload_image")
                attempt = attempts.begin(connection, image, store)
        except OutcomeUnknown as error:
            self._give_back(attempt)
            raise errors.CatalogUnavailable("The catalog failed while the upload began.", detail=str(error)) from error
        self._unreleased.pop(request.image_id, None)
        return attempt

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See ImageCatalog."""
        with self._database.changing() as connection:
            attempts.activate(connection, attempt, result)

    def release(self, attempt: Attempt) -> bool:
        """See ImageCatalog. True also for an image deleted meanwhile: the attempt never became active.

        An attempt whose release fails is ended by the next `begin` of its image, so that a retry succeeds (law 3).
        """
        try:
            with self._database.changing() as connection:
                return attempts.release(connection, attempt)
        except (errors.CatalogUnavailable, OutcomeUnknown):
            self._unreleased.setdefault(attempt.image_id, []).append(attempt)
            raise

    def _give_back(self, attempt: Attempt) -> None:
        try:
            self.release(attempt)
        except (errors.CatalogUnavailable, OutcomeUnknown) as error:
            LOG.error("Image %s stays in saving until the next upload: %s", attempt.image_id, error)


def _caller(context: object) -> Caller:
    if context is None:
        return EVERYTHING
    if not isinstance(context, Caller):
        raise errors.UsageError(f"The context of SqlCatalog is a Caller, not a {type(context).__name__}.")
    return context


def _visible(connection: sa.Connection, image_id: str, caller: Caller) -> ImageRecord:
    query = sa.select(IMAGES).where(IMAGES.c.id == image_id, IMAGES.c.deleted_at.is_(None))
    images = _records(connection, query)
    if not images or not caller.sees(images[0].owner, images[0].visibility):
        raise no_such_image(image_id)
    return images[0]


def _permitted(connection: sa.Connection, image_id: str, caller: Caller, action: str) -> ImageRecord:
    image = _visible(connection, image_id, caller)
    caller.require(action, image)
    return image


def _records(connection: sa.Connection, query: sa.Select[Any]) -> list[ImageRecord]:
    rows = connection.execute(query).mappings().all()
    locations = _locations(connection, [row["id"] for row in rows])
    return [record_of(dict(row), locations.get(row["id"], ())) for row in rows]


def _locations(connection: sa.Connection, image_ids: list[str]) -> dict[str, list[Location]]:
    query = sa.select(LOCATIONS).where(LOCATIONS.c.image_id.in_(image_ids), LOCATIONS.c.state == LIVE)
    found: dict[str, list[Location]] = {}
    for row in connection.execute(query.order_by(LOCATIONS.c.id)) if image_ids else ():
        found.setdefault(row.image_id, []).append(Location(row.store, row.key, row.url))
    return found


def _marker(connection: sa.Connection, marker: str, caller: Caller) -> ImageRecord:
    try:
        return _visible(connection, marker, caller)
    except errors.ImageNotFound as error:
        raise errors.InvalidRequest(f"The marker {marker[:64]} is not an image.") from error
