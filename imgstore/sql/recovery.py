"""Takes back what dead processes held, and says what the catalog knows of an object.

Whoever notices first takes back a lease that ran out, on however many machines at once. It is one compare-and-set on
the attempt's number and its lease. In the same transaction the image is queued again, and the attempt's objects become
removals. A renewal, an activation or a release that comes earlier wins; one that comes later finds that the attempt
owns nothing any more.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Attempt, DeadAttempt, Removal, Standing, attempt_of
from imgstore.sql import leases
from imgstore.sql.attempts import abandon, abandon_all
from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.quota_hooks import QuotaHooks
from imgstore.sql.records import names_in
from imgstore.sql.schema import IMAGES, IS_REMOVING, LIVE, LOCATIONS, REMOVING, WITH_DATA

AT_ONCE = 500
"""Keys in one statement."""
UNLOCKED_WITHIN, PAUSE = 2.0, 0.05
"""Seconds after which a row counts as kept locked, and between two looks: most changes end in a moment."""


class AttemptRecovery:
    """Implements `KeptCatalog` of `imgstore.hosting`. All methods raise CatalogUnavailable if the database cannot be
    reached."""

    def __init__(self, database: Database, hooks: QuotaHooks, *, lease: float) -> None:
        self._database = database
        self._hooks = hooks
        self._lease = lease

    @property
    def lease(self) -> float:
        """Seconds for which an attempt owns its image without a sign of life."""
        return self._lease

    def renew(self, attempts: Sequence[Attempt]) -> set[Attempt]:
        """Gives each attempt a whole lease; returns those that do not own their image any more. Raises
        OutcomeUnknown; CatalogUnavailable also where another transaction keeps some of them locked, when the others
        have theirs."""
        lost, locked = self._renewed(attempts)
        until = time.monotonic() + UNLOCKED_WITHIN
        while locked and time.monotonic() < until:
            time.sleep(PAUSE)
            gone, locked = self._renewed(locked)
            lost |= gone
        if locked and not lost:
            raise errors.CatalogUnavailable(f"Another transaction has locked the rows of {len(locked)} of them.")
        return lost

    def _renewed(self, attempts: Collection[Attempt]) -> tuple[set[Attempt], set[Attempt]]:
        return self._database.change(partial(leases.renew, attempts=list(attempts), lease=self.lease))

    def expired(self) -> Sequence[DeadAttempt]:
        """The attempts whose leases ran out, the oldest first."""
        return self._database.read(_expired)

    def take_back(self, dead: DeadAttempt) -> bool:
        """Ends the attempt, unless it ended or its lease was renewed meanwhile; its objects become removals. Of several
        who try, one is told True. An image whose row another transaction has locked is left to the next round. Raises
        OutcomeUnknown."""
        ran_out = IMAGES.c.lease_until < Now()
        end = partial(abandon, hooks=self._hooks, attempt=dead.attempt, condition=ran_out, waits=False)
        return self._database.change(end)

    def abandon_uploads(self) -> int:
        """Ends the uploads and copies of dead processes; returns how many. Their images are queued again, and what they
        may have left becomes `removals`. Only for a host that knows that no upload is under way."""
        return self._database.change(lambda connection: abandon_all(connection, self._hooks))

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """The objects that are still to be removed from their stores, of one image or of all."""
        of_image = (LOCATIONS.c.state == REMOVING, LOCATIONS.c.image_id == image_id)
        query = sa.select(LOCATIONS).where(*((IS_REMOVING,) if image_id is None else of_image))
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [Removal(row.id, row.image_id, row.store, row.key, leftovers=not row.url) for row in rows]

    def removed(self, removal: Removal) -> None:
        """The object is gone from its store. Told again, it changes nothing: SQLite gives the number of a row that is
        gone to a new one, which may be the data of an image."""

        def work(connection: sa.Connection) -> None:
            same = (LOCATIONS.c.store == removal.store, LOCATIONS.c.key == removal.key, LOCATIONS.c.state == REMOVING)
            connection.execute(sa.delete(LOCATIONS).where(*same))
            self._hooks.object_removed(connection, removal.store, removal.key)

        self._database.change(work)

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        """What the catalog knows of each of these objects in a store, as of one moment."""
        wanted = list(dict.fromkeys(keys))
        some = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
        return self._database.read(
            lambda connection: {key: found for part in some for key, found in _standings(connection, store, part)}
        )


def _expired(connection: sa.Connection) -> list[DeadAttempt]:
    overdue = (Now() - IMAGES.c.lease_until).label("overdue")
    columns = (IMAGES.c.id, IMAGES.c.owner, IMAGES.c.uploading, IMAGES.c.upload_store, IMAGES.c.lease_holder, overdue)
    found = sa.select(*columns).where(IMAGES.c.lease_until < Now()).order_by(IMAGES.c.lease_until)
    return [DeadAttempt(_attempt(row), row.lease_holder, row.overdue / 1000) for row in connection.execute(found)]


def _attempt(row: Any) -> Attempt:
    return Attempt(row.id, row.uploading, row.owner, "", "", stores=names_in(row.upload_store))


def _standings(connection: sa.Connection, store: str, keys: Sequence[str]) -> list[tuple[str, Standing]]:
    images = {attempt_of(key)[0] for key in keys}
    here = sa.select(LOCATIONS.c.key, LOCATIONS.c.state).where(LOCATIONS.c.store == store, LOCATIONS.c.key.in_(keys))
    states = {row.key: row.state for row in connection.execute(here)}
    live = sa.select(LOCATIONS.c.key, LOCATIONS.c.image_id).where(
        LOCATIONS.c.image_id.in_(images), LOCATIONS.c.state == LIVE
    )
    found = connection.execute(live).all()
    elsewhere, whole = {row.key for row in found}, {row.image_id for row in found}
    columns = (IMAGES.c.id, IMAGES.c.attempts, IMAGES.c.uploading, IMAGES.c.status)
    numbers = connection.execute(sa.select(*columns).where(IMAGES.c.id.in_(images)))
    rows = {row.id: row for row in numbers if row.id in whole or row.status not in WITH_DATA}
    located = {LIVE: Standing.LIVE, REMOVING: Standing.REMOVING, None: None}
    return [(key, located[states.get(key)] or _not_located(rows, key, succeeded=key in elsewhere)) for key in keys]


def _not_located(rows: Mapping[str, Any], key: str, *, succeeded: bool) -> Standing:
    """No number is used twice, so one that was given out and is not under way never gets a location. If the attempt
    succeeded in another store, the object is a copy that somebody made. An image that should have data and has no
    location is none of the `rows`: the database lost it, and the object may be all that is left."""
    image_id, number = attempt_of(key)
    row = rows.get(image_id)
    if row is None or number > row.attempts or succeeded:
        return Standing.UNKNOWN
    return Standing.UNDER_WAY if row.uploading == number else Standing.DEAD
