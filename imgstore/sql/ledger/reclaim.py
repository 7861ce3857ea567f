"""Asking others for slack: what their uploads of unknown size have set aside and not written.

A refusal is final only where the limit would be passed even if nobody had slack. Otherwise the holds that have some are
marked, their processes give it back at their next look, and whoever was refused tries again. A process that is dead or
stopped gives nothing back: after `patience` the refusal stands, and its holds end when they expire.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import sqlalchemy as sa

from imgstore.sql.database import Database
from imgstore.sql.ledger.accounts import Refused, same
from imgstore.sql.ledger.charges import Account
from imgstore.sql.ledger.entries import Place
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, HOLDING


class Patience:
    """How one who was refused waits. `tick` is that of the keepers, `wake` that of this process's own; in seconds."""

    def __init__(
        self, database: Database, place: Place, *, tick: float, patience: float, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._place = place
        self._tick = tick
        self._wake = wake
        self._deadline = time.monotonic() + patience

    def __call__(self, refused: Refused) -> None:
        """Returns when it is worth trying again; else raises the error that the refusal is."""
        late = time.monotonic() > self._deadline
        if late or not refused.of_bytes or not self._database.change(lambda found: _ask(found, refused, self._place)):
            raise refused.error() from refused
        self._wake()
        time.sleep(random.uniform(self._tick / 5, self._tick))  # noqa: S311 - so that two do not move in step


def _ask(connection: sa.Connection, refused: Refused, asking: Place) -> bool:
    """Marks the holds that have slack. False where all of it would not be enough, as of one moment."""
    others = (
        ENTRIES.c.state.in_(HOLDING),
        ENTRIES.c.bytes > ENTRIES.c.reported,
        sa.not_(sa.and_(ENTRIES.c.store == asking.store, ENTRIES.c.key == asking.key)),
        *_counting_for(refused.account),
    )
    slack = sa.select(sa.func.coalesce(sa.func.sum(ENTRIES.c.bytes - ENTRIES.c.reported), 0)).where(*others)
    taken = ACCOUNTS.c.used_bytes + ACCOUNTS.c.held_bytes - slack.scalar_subquery()
    least = connection.scalar(sa.select(taken).where(*same(refused.account)))
    if int(least or 0) + refused.wanted.taken > (refused.allowance.size or 0):
        return False
    connection.execute(sa.update(ENTRIES).where(*others).values(tight=True))
    return True


def _counting_for(account: Account) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if account.owner:
        conditions.append(ENTRIES.c.owner == account.owner)
    if account.store:
        conditions.append(ENTRIES.c.store == account.store)
    return conditions
