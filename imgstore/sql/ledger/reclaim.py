"""Asks other uploads for their spare bytes: what those of unknown size have set aside and not written.

A refusal is final if the limit would be passed even without any spare bytes. Otherwise whoever was refused marks the
holds that have some, their processes return them within one tick, and the refused upload tries again. A process that is
dead or stopped returns nothing: after `patience` seconds the refusal stands. Its holds end when they expire.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import sqlalchemy as sa

from imgstore.model import ObjectId
from imgstore.sql.database import Database
from imgstore.sql.ledger.accounts import Refused, same
from imgstore.sql.ledger.entries import counting_for
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, HOLDING


class Reclaim:
    """Waits on behalf of one refused upload. `tick` (seconds) is the keepers'; `wake` wakes this process's keeper."""

    def __init__(
        self, database: Database, object_id: ObjectId, *, tick: float, patience: float, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._object_id = object_id
        self._tick = tick
        self._wake = wake
        self._deadline = time.monotonic() + patience

    def __call__(self, refused: Refused) -> None:
        """Returns when it is worth trying again; else raises the error of the refusal."""
        late = time.monotonic() > self._deadline
        if late or not refused.of_bytes or not self._ask(refused):
            raise refused.error() from refused
        self._wake()
        time.sleep(random.uniform(self._tick / 5, self._tick))  # noqa: S311 - so that two do not move in step

    def _ask(self, refused: Refused) -> bool:
        return self._database.change(lambda connection: _mark_spare(connection, refused, self._object_id))


def _mark_spare(connection: sa.Connection, refused: Refused, asking: ObjectId) -> bool:
    """Marks the holds that have spare bytes. False if all of them together, as of one moment, would not be enough."""
    others = (
        ENTRIES.c.state.in_(HOLDING),
        ENTRIES.c.bytes > ENTRIES.c.reported,
        sa.not_(sa.and_(ENTRIES.c.store == asking.store, ENTRIES.c.key == asking.key)),
        *counting_for(refused.account),
    )
    spare = sa.select(sa.func.coalesce(sa.func.sum(ENTRIES.c.bytes - ENTRIES.c.reported), 0)).where(*others)
    taken = ACCOUNTS.c.used_bytes + ACCOUNTS.c.held_bytes - spare.scalar_subquery()
    least = connection.scalar(sa.select(taken).where(*same(refused.account)))
    if int(least or 0) + refused.wanted.taken > (refused.allowance.size or 0):
        return False
    connection.execute(sa.update(ENTRIES).where(*others).values(tight=True))
    return True
