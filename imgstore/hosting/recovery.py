"""Recovery: ends the uploads of dead processes and removes what they left behind.

Every process of a host runs it, on a thread, at intervals with a random part. They need not know of each other: the
catalog decides each case once (`KeptCatalog.take_back`). Each store has a thread of its own for what is removed there:
one that hangs is left out until it goes on, and holds up no other (contained).

An upload is dead if its lease ran out, or if the host knows that no other process is there (`EndsUploads`). After the
catalog was away, no upload is ended for the length of two leases, so that living processes can renew theirs first.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from imgstore import errors
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import DeadAttempt, ObjectId, Removal
from imgstore.side_by_side import StoreThreads
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

INTERVAL = 30.0
"""Seconds between two rounds, on average, unless the configuration says otherwise."""

PATIENCE = 5.0
"""Seconds for which `stop` waits for the end of a round."""

ROUND = 60.0
"""Seconds for which a round waits for the stores."""

Step = Callable[[], object]


class RecoveryLoop:
    """Recovers in the background. `interval`: seconds between two rounds, on average; `threads`: of the stores;
    `besides`: what else each round does."""

    def __init__(
        self, records: HostRecords, removals: RemovalQueue, holds: OrphanedHolds, *, interval: float = INTERVAL,
        threads: StoreThreads | None = None, besides: Sequence[Step] = (),
    ) -> None:  # fmt: skip
        self._records = records
        self._removals = removals
        self._holds = holds
        self._threads = threads or StoreThreads()
        self._interval = interval
        self._besides = besides
        self.ended = 0  # uploads of dead processes, since the start
        self._stopped = threading.Event()
        self.supervised = Supervised("recovery", pause=interval)
        self._pause = interval
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, unless it runs. It may be started again after `stop`."""
        self._stopped.clear()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)
            self._thread.start()

    def stop(self, seconds: float = PATIENCE) -> None:
        """Ends the thread after its present round. Waits so many seconds for it, but not for a store that hangs."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def recover(self, *, at_once: bool = False) -> int:
        """Does one round and returns how many uploads it ended. `at_once`: asks also the stores that failed lately.
        A restored database recovers nothing. Raises CatalogUnavailable."""
        if self._records.removes_nothing():
            return 0
        taken = self.end_dead()
        self._threads.run(self._work(at_once), seconds=ROUND)
        return taken

    def end_dead(self) -> int:
        """Ends uploads of dead processes in the catalog, and returns how many; asks no store. Raises
        CatalogUnavailable."""
        found = self._records.expired()
        taken = sum(map(self._take_back, random.sample(found, len(found))))  # in any order: none is in the others' way
        self.ended += taken
        return taken

    def _take_back(self, dead: DeadAttempt) -> bool:
        taken = self._records.take_back(dead)
        if taken:
            LOG.warning(
                "Image %s: attempt %s by %s died; its lease ran out %.0f seconds ago. Its leftovers are removed",
                dead.attempt.image_id, dead.attempt.number, dead.holder, dead.overdue,
            )  # fmt: skip
        return taken

    def _work(self, at_once: bool) -> Mapping[str, Step]:
        """What is to be removed, by store."""
        removals: defaultdict[str, list[Removal]] = defaultdict(list)
        holds: defaultdict[str, list[ObjectId]] = defaultdict(list)
        for removal in self._records.removals():
            removals[removal.store].append(removal)
        for held in self._records.expired_holds():
            holds[held.store].append(held)
        stores = sorted({*removals, *holds})
        return {store: partial(self._remove, removals[store], holds[store], at_once=at_once) for store in stores}

    def _remove(self, removals: Sequence[Removal], holds: Sequence[ObjectId], *, at_once: bool) -> None:
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
        except errors.CatalogUnavailable as error:
            self._pause = max(self._interval, 2 * self._records.lease)
            LOG.warning("Recovery waits for the catalog: %s", describe(error))
        for step in self._besides:
            step()
