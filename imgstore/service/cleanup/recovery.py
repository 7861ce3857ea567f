"""Recovery: ends the uploads of dead processes and removes what they left behind.

Every process of a service runs it, on a thread, at intervals with a random part. They need not know of each other: the
catalog decides each case once (`imgstore.sql.recovery`). Each store has a thread of its own for what is removed there:
one that hangs is left out until it goes on, and holds up no other (contained).

An upload is dead if its lease ran out, or if the kernel says that no other process has the database's file
(`standalone`). After the database was away, no upload is ended for the length of two leases, so that living processes
can renew theirs first.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from imgstore import errors
from imgstore.service.cleanup.orphaned_holds import OrphanedHolds
from imgstore.service.cleanup.removal_queue import RemovalQueue
from imgstore.service.cleanup.restored import removes_nothing
from imgstore.side_by_side import StoreThreads
from imgstore.sql import DeadAttempt, LedgerEntry, OutcomeUnknown, Removal, SqlCatalog
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

INTERVAL = 30.0
"""Seconds between two rounds, on average, unless the configuration says otherwise."""

PATIENCE = 5.0
"""Seconds for which `stop` waits for the end of a round."""

ROUND = 60.0
"""Seconds for which a round waits for the stores."""


class RecoveryLoop:
    """Recovers in the background. `interval`: seconds between two rounds, on average; `threads`: of the stores."""

    def __init__(
        self, catalog: SqlCatalog, removals: RemovalQueue, holds: OrphanedHolds, *, interval: float = INTERVAL,
        threads: StoreThreads | None = None,
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._removals = removals
        self._holds = holds
        self._threads = threads or StoreThreads()
        self._interval = interval
        self.scrubbed: Mapping[str, int] = {}  # when the last complete scrub of each store began
        self.ended = 0  # uploads of dead processes, since the start
        self._stopped = threading.Event()
        self.supervised = Supervised("recovery", pause=interval)
        self._pause = interval
        self._thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after its present round. Waits for it, but not for a store that hangs."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    def recover(self, *, at_once: bool = False) -> int:
        """Does one round and returns how many uploads it ended. `at_once`: asks also the stores that failed lately.
        A restored database recovers nothing. Raises CatalogUnavailable, OutcomeUnknown."""
        if removes_nothing(self._catalog):
            return 0
        taken = self.end_dead()
        self._threads.run(self._work(at_once), seconds=ROUND)
        self.scrubbed = self._catalog.scrubs.complete()
        return taken

    def end_dead(self) -> int:
        """Ends uploads of dead processes in the catalog, and returns how many; asks no store. Raises
        CatalogUnavailable, OutcomeUnknown."""
        taken = sum(take_back(self._catalog, dead) for dead in self._catalog.recovery.expired())
        self.ended += taken
        return taken

    def _work(self, at_once: bool) -> Mapping[str, Callable[[], object]]:
        """What is to be removed, by store."""
        removals, holds = defaultdict(list), defaultdict(list)
        for removal in self._catalog.removals():
            removals[removal.store].append(removal)
        for entry in self._holds.expired():
            holds[entry.object_id.store].append(entry)
        stores = sorted({*removals, *holds})
        return {store: partial(self._remove, removals[store], holds[store], at_once=at_once) for store in stores}

    def _remove(self, removals: Sequence[Removal], holds: Sequence[LedgerEntry], *, at_once: bool) -> None:
        self._removals.attempt(removals, at_once=at_once)
        self._holds.end(holds)

    def _run(self) -> None:
        pause = self._interval
        while not self._stopped.wait(pause * random.uniform(0.5, 1.5)):  # noqa: S311 - no secret
            pause = self.supervised.round(self._round) or self._pause

    def _round(self) -> None:
        self._pause = self._interval
        try:
            self.recover()
        except (errors.CatalogUnavailable, OutcomeUnknown) as error:
            self._pause = max(self._interval, 2 * self._catalog.lease)
            LOG.warning("Recovery waits for the catalog: %s", describe(error))


def take_back(catalog: SqlCatalog, dead: DeadAttempt) -> bool:
    """Ends a dead attempt, and says so in the log. False if somebody else was first, or it lives after all."""
    taken = catalog.recovery.take_back(dead)
    if taken:
        LOG.warning(
            "Image %s: attempt %s by %s died; its lease ran out %.0f seconds ago. Its leftovers are removed",
            dead.attempt.image_id, dead.attempt.number, dead.holder, dead.overdue,
        )  # fmt: skip
    return taken
