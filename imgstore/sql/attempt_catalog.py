"""How attempts begin and end in the catalog: what uploads and copies need of a host.

Each change is one short transaction with one compare-and-set (`attempts`), so only the owner of an image acts. Nothing
renews a lease by itself: `imgstore.hosting.LeasedCatalog`, around the catalog, does.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import sqlalchemy as sa

from imgstore import errors
from imgstore.catalog import image_gone, require_unsigned
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult
from imgstore.sql import attempts
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.queries import permitted
from imgstore.sql.quota_hooks import EarlyHold, NotHeld, QuotaHooks
from imgstore.sql.records import Caller, ImageRecord, caller_of
from imgstore.sql.recovery import AttemptRecovery
from imgstore.sql.schema import IMAGES
from imgstore.sql.unreleased import Unreleased

LOG = logging.getLogger(__name__)


class SqlAttemptCatalog(AttemptRecovery):
    """Implements `ImageCatalog` and `CopyCatalog`. `SqlCatalog` adds the images themselves."""

    def __init__(self, database: Database, *, lease: float, quota_hooks: QuotaHooks, verifies_signatures: bool) -> None:
        super().__init__(database, quota_hooks, lease=lease)
        self._verifies_signatures = verifies_signatures
        self._unreleased = Unreleased()

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """See ImageCatalog. If COMMIT fails, the attempt is released, so that the image does not stay `saving`."""

        caller = caller_of(request.context)

        def begin(connection: sa.Connection, image: ImageRecord) -> Attempt:
            self._refuse_signature(image.properties)
            return attempts.begin(connection, image, stores, lease=self.lease)

        def begun(early: EarlyHold | None) -> Attempt:
            return self._begin(request.image_id, caller, "upload_image", begin, early)[0]

        try:
            return begun(self._hooks.early_hold(caller.project_id, stores, request.size))
        except NotHeld:
            return begun(None)

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """See CopyCatalog, and `begin`."""
        begin = partial(attempts.begin_copy, stores=stores, lease=self.lease)
        attempt, image = self._begin(image_id, caller_of(context), "copy_image", begin)
        return attempt, image.as_stored()

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See AttemptCatalog."""

        def work(connection: sa.Connection) -> None:
            attempts.activate(connection, self._hooks, attempt, result)
            self._hooks.objects_stored(connection, attempt, result.locations, result.size)

        self._end(attempt, result.locations, work)

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """See CopyCatalog."""

        def work(connection: sa.Connection) -> None:
            attempts.add_locations(connection, self._hooks, attempt, locations)
            size = connection.scalar(sa.select(IMAGES.c.size).where(IMAGES.c.id == attempt.image_id))
            self._hooks.objects_stored(connection, attempt, locations, size or 0)

        self._end(attempt, locations, work)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog. Not `certain`: knows nothing without a query."""
        mine = {"image_id": attempt.image_id, "number": attempt.number}
        if certain and self._database.first(attempts.OWNED, mine) is None:
            raise image_gone(attempt.image_id)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        """See AttemptCatalog. True also for an image deleted meanwhile: the attempt never became active.

        If the release fails, the next `begin` of the image in this process ends the attempt, so that a retry succeeds;
        or recovery ends it, because its lease is renewed no more.
        """
        try:
            return self._database.change(partial(self._released, attempt=attempt, unremoved=unremoved))
        except (errors.CatalogUnavailable, OutcomeUnknown):
            self._unreleased.add(attempt)
            raise
        finally:
            self._hooks.attempt_released(attempt)

    def _released(self, connection: sa.Connection, attempt: Attempt, unremoved: Sequence[str]) -> bool:
        if not attempts.release(connection, attempt):
            return False
        attempts.remove_from(connection, self._hooks, attempt, unremoved)
        return True

    def _refuse_signature(self, properties: Mapping[str, str]) -> None:
        if not self._verifies_signatures:
            require_unsigned(properties)

    def _begin(
        self, image_id: str, caller: Caller, action: str, begin: Callable[[sa.Connection, ImageRecord], Attempt],
        early: EarlyHold | None = None,
    ) -> tuple[Attempt, ImageRecord]:  # fmt: skip
        begun: list[tuple[Attempt, ImageRecord]] = []
        unreleased = self._unreleased.of(image_id)

        def work(connection: sa.Connection) -> None:
            self._abandon(connection, unreleased)
            image = permitted(connection, image_id, caller, action)
            begun[:] = [(begin(connection, image), image)]
            if early is not None:
                early.hold(connection, begun[0][0])

        try:
            self._database.change(work)
        except OutcomeUnknown as error:
            if early is not None:
                early.committed(begun[0][0])
            self._release_uncertain(begun[0][0])
            raise errors.CatalogUnavailable("The catalog failed while the attempt began.", detail=str(error)) from error
        if early is not None:
            early.committed(begun[0][0])
        self._unreleased.ended(unreleased)
        self._end_unreleased()
        return begun[0]

    def _end(self, attempt: Attempt, locations: Sequence[Location], work: Callable[[sa.Connection], None]) -> None:
        self._database.change(work)
        for location in locations:
            self._hooks.settlement_committed(attempt, location.store)

    def _end_unreleased(self) -> None:
        """Of other images, now that the database works. One that fails again is left to another request, or recovery
        ends it."""
        for attempt in self._unreleased.some():
            with contextlib.suppress(errors.CatalogUnavailable, OutcomeUnknown):
                self._database.change(partial(self._abandon, unreleased=[attempt]))
                self._unreleased.ended([attempt])

    def _abandon(self, connection: sa.Connection, unreleased: Sequence[Attempt]) -> None:
        for attempt in unreleased:
            attempts.abandon(connection, self._hooks, attempt)

    def _release_uncertain(self, attempt: Attempt) -> None:
        try:
            self.release(attempt)
        except (errors.CatalogUnavailable, OutcomeUnknown) as error:
            LOG.error("Image %s stays in saving until the next attempt: %s", attempt.image_id, error)
