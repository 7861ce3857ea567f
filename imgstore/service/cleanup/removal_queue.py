"""Removes data from the stores: at once, and again later where a store fails.

The catalog records what is to be removed before anything is, and forgets it when it is gone (undone). A request, the
recovery thread of any process or `imgstore purge` may do it; twice does no harm. A store that fails is left alone for
a pause that grows with each failure and has a random part, so that not everybody meets it when it comes back. The
pause ends early where the health of the store says that it works again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgstore import errors
from imgstore.service.cleanup.restored import removes_nothing
from imgstore.sql import OutcomeUnknown, Removal, SqlCatalog
from imgstore.store import StoreSet
from imgstore.transfers.leftovers import remove_data
from imgstore.transfers.observer import Observer
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Seconds that a store is left alone after its first failure, and at most."""

FAILURES = (errors.StoreError, errors.UnknownStore, errors.CatalogUnavailable, OutcomeUnknown)
"""What may pass: the removal stays recorded and is tried again."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A store is left alone until `end`, in seconds of the clock, for `length` seconds in all."""

    end: float
    length: float


class RemovalQueue(Observer):
    """Removes what the catalog records. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._catalog = catalog
        self._clock = clock
        self._pauses: dict[str, Pause] = {}

    def attempt(self, removals: Sequence[Removal], *, at_once: bool = False) -> None:
        """Removes what can be removed now; the rest stays recorded. `at_once`: asks also the stores that failed lately.
        Raises none of FAILURES."""
        if not removals or self._is_restored():
            return
        for removal in random.sample(removals, len(removals)):  # in any order: no object is in the way of the others
            if at_once or not self._is_left_alone(removal.store):
                self._try(removal)

    def remove(self, removal: Removal) -> None:
        """Removes one object and the leftovers under its key, and forgets it. Raises one of FAILURES."""
        remove_data(self._stores.resolve(removal.store), removal.key, leftovers=removal.leftovers)
        self._catalog.removed(removal)

    def store_changed(self, store: str, *, up: bool, reason: str) -> None:
        """The next round asks a store that works again."""
        if up:
            self._pauses.pop(store, None)

    def _is_restored(self) -> bool:
        """Also where the catalog cannot say: then nothing could be forgotten either."""
        try:
            return removes_nothing(self._catalog)
        except errors.CatalogUnavailable:
            return True

    def _try(self, removal: Removal) -> None:
        try:
            self.remove(removal)
        except FAILURES as error:
            LOG.warning("Object %s could not be removed and will be tried again: %s", removal.key, describe(error))
            self._leave_alone(removal.store)
        else:
            self._pauses.pop(removal.store, None)

    def _is_left_alone(self, store: str) -> bool:
        pause = self._pauses.get(store)
        return pause is not None and self._clock() < pause.end

    def _leave_alone(self, store: str) -> None:
        before = self._pauses.get(store)
        length = FIRST_PAUSE if before is None else min(2 * before.length, LONGEST_PAUSE)
        self._pauses[store] = Pause(self._clock() + length * random.uniform(0.5, 1.0), length)  # noqa: S311 - no secret
