"""Recovery: ends the uploads of dead processes and removes what they left, while others do the same elsewhere.

A thread looks at intervals that have a random part; the processes of a service need not know of each other, since the
catalog decides each case once (`imgstore.sql.recovery`). When the database was away, nothing is taken back for the
length of a lease: living processes must be able to renew first. What this module refuses to do: guess. An upload is
dead if its lease ran out, or if the kernel says that no other process has the database's file (`embedded`).
"""

from __future__ import annotations

import logging
import random
import threading

from imgstore import errors
from imgstore.service.cleanup.orphaned_holds import Holds
from imgstore.service.cleanup.removal_queue import Removals
from imgstore.sql import LEASE, DeadAttempt, OutcomeUnknown, SqlCatalog
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

INTERVAL = 30.0
"""Seconds, where nobody says otherwise."""

PATIENCE = 5.0
"""Seconds that the end of a round is waited for when the service stops."""


class Recovery:
    """Recovers in the background. `interval`: seconds between two rounds, on the average; `lease`: as the catalog's."""

    def __init__(
        self, catalog: SqlCatalog, removals: Removals, holds: Holds, *, interval: float = INTERVAL, lease: float = LEASE
    ) -> None:
        self._catalog = catalog
        self._removals = removals
        self._holds = holds
        self._interval = interval
        self._lease = lease
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """No round begins any more. A store that hangs is not waited for."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    def recover(self, *, at_once: bool = False) -> int:
        """One round; returns how many uploads were ended. `at_once`: stores that failed lately are asked all the same.

        Raises CatalogUnavailable, OutcomeUnknown.
        """
        taken = sum(take_back(self._catalog, dead) for dead in self._catalog.recovery.expired())
        self._removals.attempt(self._catalog.removals(), at_once=at_once)
        self._holds.end_expired()
        return taken

    def _run(self) -> None:
        pause = self._interval
        while not self._stopped.wait(pause * random.uniform(0.5, 1.5)):  # noqa: S311 - no secret
            pause = self._interval if self._round() else max(self._interval, 2 * self._lease)

    def _round(self) -> bool:
        try:
            self.recover()
        except (errors.CatalogUnavailable, OutcomeUnknown) as error:
            LOG.warning("Recovery waits for the catalog: %s", describe(error))
            return False
        return True


def take_back(catalog: SqlCatalog, dead: DeadAttempt) -> bool:
    """Ends a dead attempt, and says so in the log. False if somebody else was first, or it lives after all."""
    taken = catalog.recovery.take_back(dead)
    if taken:
        LOG.warning(
            "Image %s: attempt %s by %s died; its lease ran out %.0f seconds ago. What it left is removed",
            dead.attempt.image_id, dead.attempt.number, dead.holder, dead.overdue,
        )  # fmt: skip
    return taken
