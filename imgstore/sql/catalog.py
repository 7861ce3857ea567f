"""The catalog on SQL: the images of a small service, and (`attempt_catalog`) what uploads and copies need of a host.

Every change is one short transaction, and decides inside it who may see or change an image. A description is computed
before it, and compared inside. A deletion marks the row first. The image's objects are then `removals`, until
`removed` says that they are gone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from imgstore import errors
from imgstore.catalog import require_countable, signature_of
from imgstore.model import Attempt, StoredImage, UploadResult, attempt_of
from imgstore.sql import adoption, changes, listing, words
from imgstore.sql.address import Address
from imgstore.sql.attempt_catalog import SqlAttemptCatalog
from imgstore.sql.database import Database
from imgstore.sql.failures import Contention
from imgstore.sql.leases import LEASE
from imgstore.sql.listing import ImageQuery
from imgstore.sql.locations import CatalogLocations
from imgstore.sql.members import ImageMembers
from imgstore.sql.places import SqlPlaces
from imgstore.sql.queries import marker_of, permitted, records, visible
from imgstore.sql.quota_hooks import NO_HOOKS, QuotaHooks
from imgstore.sql.records import EVERYTHING, Caller, ImageRecord, NewImage, caller_of, now
from imgstore.sql.restored import RestoredDatabase
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, LONGEST_ID
from imgstore.sql.scrubs import Scrubs
from imgstore.sql.upgrade import CATALOG, opened


class SqlCatalog(SqlAttemptCatalog):
    """Implements `ImageCatalog`, `CopyCatalog` and `ImageSource`. Their `context` is a Caller; None sees everything.

    `database`: an open one, or the address of one that the catalog opens and closes itself; then `busy_timeout`
    (seconds) is how long a change waits for others. `lease`: seconds after which an attempt counts as dead if its
    process does not renew it. `quota_hooks` are told of every change that they count, in its transaction.
    `verifies_signatures`: a tap of the host does; else a signed image is refused where it is described, and where its
    upload begins. All methods raise CatalogUnavailable if the database cannot be reached (nothing was changed),
    OutcomeUnknown if COMMIT failed.
    """

    def __init__(
        self, database: Database | Address | str, *, busy_timeout: float = 30.0, lease: float = LEASE,
        quota_hooks: QuotaHooks = NO_HOOKS, verifies_signatures: bool = False,
    ) -> None:  # fmt: skip
        if not isinstance(database, Database):
            database = opened(database, [CATALOG], busy_timeout=busy_timeout)
        super().__init__(database, lease=lease, quota_hooks=quota_hooks, verifies_signatures=verifies_signatures)
        self.locations = CatalogLocations(database)
        self.members = ImageMembers(database)
        self.places = SqlPlaces(database)
        self.restored = RestoredDatabase(database)
        self.scrubs = Scrubs(database)

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of one service process, not a server that several share."""
        return self._database.address.embedded

    def probe(self) -> None:
        """Reads from the catalog. Raises CatalogUnavailable."""
        self._database.read(lambda connection: connection.execute(sa.select(IMAGES.c.id).limit(1)).first())

    def create(self, image: NewImage) -> ImageRecord:
        """Adds a queued image. Raises ImageConflict if the identifier is, or ever was, in use, QuotaExceeded;
        InvalidRequest for a signature that nobody verifies; UsageError for an identifier or an owner that cannot be
        (`require_countable`)."""
        self._refuse_signature(image.properties)
        bounds = self._hooks.bounds(image.owner)

        def work(connection: sa.Connection) -> ImageRecord:
            created = _create(connection, image)
            self._hooks.image_created(connection, image.id, image.owner, bounds)
            return created

        return self._database.change(work)

    def get(self, image_id: str, caller: Caller) -> ImageRecord:
        """One image. Raises ImageNotFound."""
        return self._database.read(lambda connection: visible(connection, image_id, caller))

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """See ImageSource."""
        caller = caller_of(context)
        image = self.get(image_id, caller)
        caller.require("download_image", image)
        if image.status == "deactivated" and not caller.is_admin:
            raise errors.Forbidden(f"Image {image_id} is deactivated.")
        return image.as_stored()

    def list(self, caller: Caller, query: ImageQuery) -> Sequence[ImageRecord]:
        """The images that `query` asks for, as far as the caller may see them. Raises InvalidRequest if the caller may
        not see its marker."""

        def work(connection: sa.Connection) -> Sequence[ImageRecord]:
            marker = None if query.marker is None else marker_of(connection, query.marker, caller)
            found = listing.select(query, caller, marker=marker)
            return records(connection, found if query.most is None else listing.fitting(connection, found, query.most))

        return self._database.read(work)

    def update(self, image_id: str, caller: Caller, change: Callable[[ImageRecord], NewImage]) -> ImageRecord:
        """Replaces the image's description by what `change` makes of its record, by compare-and-set: no other change is
        lost. `change` runs outside of transactions, again after another change came between, and refuses by raising.

        Raises ImageNotFound, Forbidden (by policy), InvalidRequest (a signature that nobody verifies), QuotaExceeded
        (of a new owner).
        """
        return self._database.retried(lambda: self._update(image_id, caller, change))

    def _update(self, image_id: str, caller: Caller, change: Callable[[ImageRecord], NewImage]) -> ImageRecord:
        seen = self.get(image_id, caller)
        caller.require("modify_image", seen)
        new = change(seen)
        if signature_of(new.properties) != signature_of(seen.properties):
            self._refuse_signature(new.properties)
        moved = new.owner != seen.owner
        if moved:
            require_countable(image_id, new.owner)
        bounds = self._hooks.bounds(new.owner) if moved else None

        def work(connection: sa.Connection) -> ImageRecord:
            image = permitted(connection, image_id, caller, "modify_image")
            changes.refuse_changed(image, seen)
            changes.describe(connection, image, new)
            if moved:
                self._hooks.owner_changed(connection, image_id, new.owner, bounds)
            return visible(connection, image_id, EVERYTHING)

        try:
            return self._database.change(work)
        except changes.Outdated as error:
            raise Contention(str(error)) from error

    def set_active(self, image_id: str, caller: Caller, *, active: bool) -> None:
        """deactivated -> active, or active -> deactivated; does nothing if it is so already.

        Raises ImageNotFound, Forbidden (by policy, or another status).
        """

        def work(connection: sa.Connection) -> None:
            image = permitted(connection, image_id, caller, "reactivate" if active else "deactivate")
            changes.set_active(connection, image, active=active)

        self._database.change(work)

    def delete(self, image_id: str, caller: Caller) -> ImageRecord:
        """Marks the image deleted, also during an upload; returns what it was, to one caller only.

        Its objects are then `removals`. Raises ImageNotFound, Forbidden (by policy, protected).
        """

        def work(connection: sa.Connection) -> ImageRecord:
            image = permitted(connection, image_id, caller, "delete_image")
            changes.delete(connection, image)
            self._hooks.image_deleted(connection, image_id)
            return image

        return self._database.change(work)

    def delete_location(self, image_id: str, caller: Caller, store: str) -> None:
        """Takes the data in one store away from an active image; the object is then one of the `removals`.

        Raises ImageNotFound, ImageConflict (not active), Forbidden (by policy, the only copy), NotInStore.
        """

        def work(connection: sa.Connection) -> None:
            image = permitted(connection, image_id, caller, "delete_image_location")
            for location in changes.delete_location(connection, image, store):
                self._hooks.object_unused(connection, location.store, location.key)

        self._database.change(work)

    def adopt(self, image: NewImage, key: str, result: UploadResult) -> None:
        """Makes an image active with an object that no image has (`adoption`). `image` describes it if it is not there.
        Raises ImageConflict if it has data, QuotaExceeded, InvalidRequest for a new image without an owner."""
        bounds = self._hooks.bounds(image.owner)

        def work(connection: sa.Connection) -> None:
            owner = adoption.owner_of(connection, image.id)
            if owner is None and not image.owner:
                raise errors.InvalidRequest(f"There is no image {image.id}: name the project that gets it.")
            if owner is None:
                _create(connection, image)
                self._hooks.image_created(connection, image.id, image.owner, bounds)
            attempt = Attempt(image.id, attempt_of(key)[1], owner or image.owner, "", "")
            adoption.adopt(connection, attempt, result)
            self._hooks.objects_stored(connection, attempt, result.locations, result.size)

        self._database.change(work)

    def usage(self, owner: str) -> int:
        """Bytes of the images of `owner` that are not deleted, in all stores together."""
        total = sa.select(sa.func.coalesce(sa.func.sum(IMAGES.c.size), 0))
        copies = total.join(LOCATIONS, sa.and_(LOCATIONS.c.image_id == IMAGES.c.id, LOCATIONS.c.state == LIVE))
        mine = copies.where(IMAGES.c.owner == owner, IMAGES.c.deleted_at.is_(None))
        return self._database.read(lambda connection: int(connection.execute(mine).scalar_one()))


def _create(connection: sa.Connection, image: NewImage) -> ImageRecord:
    require_countable(image.id, image.owner)
    if len(image.id) > LONGEST_ID:
        raise errors.UsageError(f"This catalog keeps identifiers of up to {LONGEST_ID} characters.")
    time = now()
    values = {item.name: getattr(image, item.name) for item in dataclasses.fields(NewImage)}
    values |= {"tags": list(image.tags), "properties": dict(image.properties), "status": "queued"}
    try:
        connection.execute(sa.insert(IMAGES).values(**values, created_at=time, updated_at=time))
    except sa.exc.IntegrityError as error:
        raise errors.ImageConflict(f"Image ID {image.id} already exists.") from error
    found = words.of_image(image.owner, image.visibility, image.tags, image.properties)
    words.add(connection, image.id, time, found)
    return visible(connection, image.id, EVERYTHING)
