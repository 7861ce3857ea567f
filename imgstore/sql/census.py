"""What the database knows of the work under way, counted in one reading: attempts, removals, the bytes of stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.ledger.schema import ACCOUNTS
from imgstore.sql.records import names_in
from imgstore.sql.schema import IMAGES, IS_REMOVING, LOCATIONS

MOST = 1000
"""Attempts that are told one by one; those whose lease ends first come first."""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An upload or a copy that has not ended, of any process. `lease`: seconds for which its process still counts as
    alive; below 0, the lease ran out."""

    image_id: str
    project: str
    stores: Sequence[str]
    is_copy: bool
    holder: str
    lease: float


@dataclass(frozen=True, slots=True)
class Census:
    """As of one moment. `removals`: objects that are still to be removed, by store; `used` and `held`: bytes of images,
    and of uploads under way, by store."""

    attempts: Sequence[OpenAttempt] = ()
    removals: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)


def take_census(database: Database) -> Census:
    """Raises CatalogUnavailable."""
    return database.read(_census)


def _census(connection: sa.Connection) -> Census:
    stores = sa.select(ACCOUNTS).where(ACCOUNTS.c.owner == "")
    rows = connection.execute(stores).all()
    count = sa.select(LOCATIONS.c.store, sa.func.count().label("waiting")).where(IS_REMOVING)
    removals = connection.execute(count.group_by(LOCATIONS.c.store)).all()
    return Census(
        attempts=_attempts(connection),
        removals={row.store: row.waiting for row in removals},
        used={row.store: row.used_bytes for row in rows},
        held={row.store: row.held_bytes for row in rows},
    )


def _attempts(connection: sa.Connection) -> list[OpenAttempt]:
    left = (IMAGES.c.lease_until - Now()).label("lease_left")
    columns = (IMAGES.c.id, IMAGES.c.owner, IMAGES.c.status, IMAGES.c.upload_store, IMAGES.c.lease_holder, left)
    under_way = sa.select(*columns).where(IMAGES.c.lease_until.is_not(None))
    return [_attempt(row) for row in connection.execute(under_way.order_by(IMAGES.c.lease_until).limit(MOST))]


def _attempt(row: Any) -> OpenAttempt:
    """A deleted image was being uploaded, for all that is known."""
    is_copy = row.status not in ("saving", "deleted")
    stores = names_in(row.upload_store)
    return OpenAttempt(row.id, row.owner, stores, is_copy, row.lease_holder or "", row.lease_left / 1000)
