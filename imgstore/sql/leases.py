"""Leases in the table of images: until when an attempt owns its image, and which process holds it.

`imgstore.hosting` renews them. The database's clock decides whether a lease ran out (`clock`).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from imgstore.model import Attempt
from imgstore.sql.clock import Now
from imgstore.sql.schema import IMAGES

ENDED: Mapping[str, Any] = {"uploading": None, "upload_store": None, "lease_until": None, "lease_holder": None}
"""The columns of an image without an attempt."""

LEASE = 60.0
"""Seconds, by default."""

AT_ONCE = 500
"""Attempts in one statement."""


GRANTED: Mapping[str, Any] = {
    "lease_until": Now() + sa.bindparam("milliseconds"), "lease_holder": sa.bindparam("holder"),
}  # fmt: skip
"""The columns of a new lease."""


def granted(lease: float) -> Mapping[str, Any]:
    """The parameters of GRANTED, for a lease of this process."""
    return {"milliseconds": round(lease * 1000), "holder": holder()}


def holder() -> str:
    """Names this process, for people and logs: host, process, and a random part."""
    return f"{socket.gethostname()[:200]}:{os.getpid()}:{_RANDOM}"


def renew(connection: sa.Connection, attempts: Sequence[Attempt], lease: float) -> tuple[set[Attempt], set[Attempt]]:
    """Gives each attempt a whole lease. Returns those that do not own their image any more, and those whose row another
    transaction has locked: if it hangs, it costs the others nothing. Runs inside the caller's transaction."""
    lost, locked = set[Attempt](), set[Attempt]()
    for start in range(0, len(attempts), AT_ONCE):
        some = attempts[start : start + AT_ONCE]
        owned = sa.select(IMAGES.c.id, IMAGES.c.uploading).where(*_owned_by(some))
        free = _found(connection, owned.with_for_update(skip_locked=True), some)
        if free:
            connection.execute(sa.update(IMAGES).where(*_owned_by(list(free))).values(lease_until=_until(lease)))
        if len(free) < len(some):
            still = _found(connection, owned, some)
            lost.update(set(some) - still)
            locked.update(still - free)
    return lost, locked


def _found(connection: sa.Connection, query: sa.Select[Any], attempts: Sequence[Attempt]) -> set[Attempt]:
    pairs = {(row.id, row.uploading) for row in connection.execute(query)}
    return {attempt for attempt in attempts if (attempt.image_id, attempt.number) in pairs}


def _owned_by(attempts: Sequence[Attempt]) -> tuple[sa.ColumnElement[bool], ...]:
    """Names the identifiers also alone, because not every database looks up pairs in an index. Nobody owns a deleted
    image: its attempt learns so, and if it does not end itself, recovery ends it."""
    pairs = [(attempt.image_id, attempt.number) for attempt in attempts]
    alone = IMAGES.c.id.in_([image_id for image_id, _ in pairs])
    return alone, sa.tuple_(IMAGES.c.id, IMAGES.c.uploading).in_(pairs), IMAGES.c.deleted_at.is_(None)


def _until(lease: float) -> sa.ColumnElement[int]:
    return Now() + round(lease * 1000)


_RANDOM = secrets.token_hex(4)
