"""The catalog on SQL: what uploads and downloads need of a host, and the table of images of a small service.

Every change is one short transaction; who may see or change an image is decided inside it. Deleting marks the row first
and hands out what is to be removed from the stores; it stays recorded until `removed` says that it is gone. What this
module refuses to do: touch a store, count a quota, know HTTP.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from imgstore import errors
from imgstore.catalog import image_gone
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult
from imgstore.sql import attempts, changes, leases, listing
from imgstore.sql.address import Address
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.leases import LEASE, Keeper
from imgstore.sql.listing import ImageQuery
from imgstore.sql.locations import Places
from imgstore.sql.queries import marker_of, permitted, records, visible
from imgstore.sql.quota_hooks import NO_BOOKS, Books
from imgstore.sql.records import EVERYTHING, Caller, Counts, ImageRecord, NewImage, Removal, now
from imgstore.sql.recovery import Recovery, abandon, abandon_all
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, REMOVING
from imgstore.sql.upgrade import CATALOG, opened

LOG = logging.getLogger(__name__)


class SqlCatalog:
    """Implements `ImageCatalog` and `ImageSource`; their `context` is a Caller, None sees everything.

    `database`: an open one, or the address of one that is the catalog's own; then `busy_timeout` is in seconds.
    `lease`: seconds after which an attempt counts as dead whose process does not renew it (see `leases`). `books` are
    told of every change that they count, in its transaction. All methods raise CatalogUnavailable if the database
    cannot be reached (nothing was changed) and OutcomeUnknown if COMMIT failed.
    """

    def __init__(
        self, database: Database | Address | str, *, busy_timeout: float = 30.0, lease: float = LEASE,
        books: Books = NO_BOOKS,
    ) -> None:  # fmt: skip
        if not isinstance(database, Database):
            database = opened(database, [CATALOG], busy_timeout=busy_timeout)
        self._database = database
        self._books = books
        self.lease = lease
        self._keeper = Keeper(self._renew, lease=lease)
        self.recovery = Recovery(database, books)
        self.places = Places(database)
        self._unreleased: dict[str, list[Attempt]] = {}

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of one service process, not a server that several share."""
        return self._database.address.embedded

    def close(self) -> None:
        """Ends the thread that keeps leases, and returns the connections."""
        self._keeper.stop()
        self._database.close()

    def create(self, image: NewImage) -> ImageRecord:
        """Adds a queued image. Raises ImageConflict if the identifier is, or ever was, in use, QuotaExceeded."""
        bounds = self._books.bounds(image.owner)

        def work(connection: sa.Connection) -> ImageRecord:
            created = _create(connection, image)
            self._books.image_added(connection, image.id, image.owner, bounds)
            return created

        return self._database.change(work)

    def get(self, image_id: str, caller: Caller) -> ImageRecord:
        """One image. Raises ImageNotFound."""
        return self._database.read(lambda connection: visible(connection, image_id, caller))

    def list(self, caller: Caller, query: ImageQuery) -> Sequence[ImageRecord]:
        """The images that `query` asks for, as far as the caller may see them. Raises InvalidRequest for a marker that
        is not visible."""

        def work(connection: sa.Connection) -> Sequence[ImageRecord]:
            marker = None if query.marker is None else marker_of(connection, query.marker, caller)
            return records(connection, listing.select(query, caller, marker=marker))

        return self._database.read(work)

    def update(self, image_id: str, caller: Caller, change: Callable[[ImageRecord], NewImage]) -> ImageRecord:
        """Makes of the image what `change` makes of its present record, in one step: no other change comes between.

        `change` does no input or output, and refuses by raising. Raises ImageNotFound, Forbidden (by policy),
        QuotaExceeded (of a new owner).
        """
        bounds: dict[str, object] = {}

        def work(connection: sa.Connection) -> ImageRecord:
            image = permitted(connection, image_id, caller, "modify_image")
            new = change(image)
            changes.describe(connection, image, new)
            if new.owner != image.owner:
                if new.owner not in bounds:
                    raise _NewOwner(new.owner)
                self._books.image_given(connection, image_id, new.owner, bounds[new.owner])
            return visible(connection, image_id, EVERYTHING)

        while True:
            try:
                return self._database.change(work)
            except _NewOwner as other:
                bounds[other.owner] = self._books.bounds(other.owner)

    def set_active(self, image_id: str, caller: Caller, *, active: bool) -> None:
        """deactivated -> active, or active -> deactivated; a no-op where it is so already.

        Raises ImageNotFound, Forbidden (by policy, or another status).
        """

        def work(connection: sa.Connection) -> None:
            image = permitted(connection, image_id, caller, "reactivate" if active else "deactivate")
            changes.set_active(connection, image, active=active)

        self._database.change(work)

    def delete(self, image_id: str, caller: Caller) -> ImageRecord:
        """Marks the image deleted, also under an upload; what it was is returned to one caller only.

        Its locations are then `removals`. Raises ImageNotFound, Forbidden (by policy, protected).
        """

        def work(connection: sa.Connection) -> ImageRecord:
            image = permitted(connection, image_id, caller, "delete_image")
            changes.delete(connection, image)
            self._books.image_removed(connection, image_id)
            return image

        return self._database.change(work)

    def delete_location(self, image_id: str, caller: Caller, store: str) -> None:
        """Takes the data in one store away from an active image; it is then one of the `removals`.

        Raises ImageNotFound, ImageConflict (not active), Forbidden (by policy, the only copy), NotInStore.
        """

        def work(connection: sa.Connection) -> None:
            image = permitted(connection, image_id, caller, "delete_image_location")
            for location in changes.delete_location(connection, image, store):
                self._books.let_go(connection, location.store, location.key)

        self._database.change(work)

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """What is still to be removed from the stores, of one image or of all."""
        query = sa.select(LOCATIONS).where(LOCATIONS.c.state == REMOVING)
        if image_id is not None:
            query = query.where(LOCATIONS.c.image_id == image_id)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [Removal(row.id, row.image_id, row.store, row.key, traces=not row.url) for row in rows]

    def removed(self, removal: Removal) -> None:
        """The object is gone from its store."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(LOCATIONS).where(LOCATIONS.c.id == removal.id))
            self._books.removed(connection, removal.store, removal.key)

        self._database.change(work)

    def gone(self, store: str, key: str) -> None:
        """An object that no image has, and none will have, is gone from its store."""
        self._database.change(lambda connection: self._books.removed(connection, store, key))

    def usage(self, owner: str) -> int:
        """Bytes of the images of `owner` that are not deleted, in all stores together."""
        total = sa.select(sa.func.coalesce(sa.func.sum(IMAGES.c.size), 0))
        copies = total.join(LOCATIONS, sa.and_(LOCATIONS.c.image_id == IMAGES.c.id, LOCATIONS.c.state == LIVE))
        mine = copies.where(IMAGES.c.owner == owner, IMAGES.c.deleted_at.is_(None))
        return self._database.read(lambda connection: int(connection.execute(mine).scalar_one()))

    def counts(self, owner: str) -> Counts:
        """How many images `owner` has."""
        mine = sa.and_(IMAGES.c.owner == owner, IMAGES.c.deleted_at.is_(None))
        numbers = sa.select(sa.func.count(), sa.func.count(IMAGES.c.uploading)).where(mine)
        row = self._database.read(lambda connection: connection.execute(numbers).one())
        return Counts(images=row[0], uploading=row[1])

    def abandon_uploads(self) -> int:
        """Ends uploads and copies that died with their process: of the former the images are queued again; what they
        may have left becomes `removals`. Only for a host that knows that none is under way. Returns how many."""
        return self._database.change(lambda connection: abandon_all(connection, self._books))

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """See ImageSource."""
        caller = _caller(context)
        image = self.get(image_id, caller)
        caller.require("download_image", image)
        if image.status == "deactivated" and not caller.is_admin:
            raise errors.Forbidden(f"Image {image_id} is deactivated.")
        return image.as_stored()

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """See ImageCatalog. If COMMIT fails, the image is given back, so that it does not stay `saving`."""
        begin = partial(attempts.begin, stores=stores, lease=self.lease)
        return self._begin(request.image_id, _caller(request.context), "upload_image", begin)[0]

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """See CopyCatalog, and `begin`."""
        begin = partial(attempts.begin_copy, stores=stores, lease=self.lease)
        attempt, image = self._begin(image_id, _caller(context), "copy_image", begin)
        return attempt, image.as_stored()

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See AttemptCatalog."""

        def work(connection: sa.Connection) -> None:
            attempts.activate(connection, attempt, result)
            self._books.stored(connection, attempt, result.locations, result.size)

        self._database.change(work)
        self._ended(attempt, result.locations)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog. Not `certain`: what the last renewal of the leases found."""
        lost = self._keeper.is_lost(attempt)
        if lost or (certain and not self._database.read(lambda connection: attempts.owns(connection, attempt))):
            raise image_gone(attempt.image_id)

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """See CopyCatalog."""

        def work(connection: sa.Connection) -> None:
            attempts.add_locations(connection, attempt, locations)
            size = connection.scalar(sa.select(IMAGES.c.size).where(IMAGES.c.id == attempt.image_id))
            self._books.stored(connection, attempt, locations, size or 0)

        self._database.change(work)
        self._ended(attempt, locations)

    def release(self, attempt: Attempt) -> bool:
        """See AttemptCatalog. True also for an image deleted meanwhile: the attempt never became active.

        An attempt whose release fails is ended by the next `begin` of its image here, so that a retry succeeds (law 3),
        or by recovery: its lease is renewed no more.
        """
        self._keeper.drop(attempt)
        try:
            return self._database.change(lambda connection: attempts.release(connection, attempt))
        except (errors.CatalogUnavailable, OutcomeUnknown):
            self._unreleased.setdefault(attempt.image_id, []).append(attempt)
            raise

    def _begin(
        self, image_id: str, caller: Caller, action: str, begin: Callable[[sa.Connection, ImageRecord], Attempt]
    ) -> tuple[Attempt, ImageRecord]:
        begun: list[tuple[Attempt, ImageRecord]] = []

        def work(connection: sa.Connection) -> None:
            for unreleased in self._unreleased.get(image_id, ()):
                abandon(connection, self._books, unreleased)
            image = permitted(connection, image_id, caller, action)
            begun[:] = [(begin(connection, image), image)]

        try:
            self._database.change(work)
        except OutcomeUnknown as error:
            self._give_back(begun[0][0])
            raise errors.CatalogUnavailable("The catalog failed while the attempt began.", detail=str(error)) from error
        self._unreleased.pop(image_id, None)
        self._keeper.add(begun[0][0])
        return begun[0]

    def _renew(self, open_ones: Sequence[Attempt]) -> set[Attempt]:
        return self._database.change(lambda connection: leases.renew(connection, open_ones, self.lease))

    def _ended(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        self._keeper.drop(attempt)
        for location in locations:
            self._books.settled(attempt, location.store)

    def _give_back(self, attempt: Attempt) -> None:
        try:
            self.release(attempt)
        except (errors.CatalogUnavailable, OutcomeUnknown) as error:
            LOG.error("Image %s stays in saving until the next attempt: %s", attempt.image_id, error)


class _NewOwner(Exception):
    """A change makes a project the owner whose limits were not asked for yet."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


def _caller(context: object) -> Caller:
    if context is None:
        return EVERYTHING
    if not isinstance(context, Caller):
        raise errors.UsageError(f"The context of SqlCatalog is a Caller, not a {type(context).__name__}.")
    return context


def _create(connection: sa.Connection, image: NewImage) -> ImageRecord:
    time = now()
    values = {item.name: getattr(image, item.name) for item in dataclasses.fields(NewImage)}
    values |= {"tags": list(image.tags), "properties": dict(image.properties), "status": "queued"}
    try:
        connection.execute(sa.insert(IMAGES).values(**values, created_at=time, updated_at=time))
    except sa.exc.IntegrityError as error:
        raise errors.ImageConflict(f"Image ID {image.id} already exists.") from error
    return visible(connection, image.id, EVERYTHING)
