"""Removes data from the stores: at once, and again later where a store fails.

The catalog records what is to be removed before anything is, and forgets it when it is gone (undone). A request, the
recovery thread of any process or a purge may do it; twice does no harm. A store that fails is left alone for
a pause that grows with each failure and has a random part, so that not everybody meets it when it comes back. The
pause ends early where the health of the store says that it works again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

from imgstore import errors
from imgstore.hosting.pauses import Pauses
from imgstore.hosting.records import HostRecords
from imgstore.model import Removal
from imgstore.store import StoreSet
from imgstore.transfers.leftovers import remove_data
from imgstore.transfers.observer import Observer
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

FAILURES = (errors.StoreError, errors.UnknownStore, errors.CatalogUnavailable)
"""What may pass: the removal stays recorded and is tried again."""


class RemovalQueue(Observer):
    """Removes what the catalog records. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, records: HostRecords, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._records = records
        self._pauses = Pauses(clock=clock)

    def attempt(self, removals: Sequence[Removal], *, at_once: bool = False) -> None:
        """Removes what can be removed now; the rest stays recorded. `at_once`: asks also the stores that failed lately.
        Raises none of FAILURES."""
        if not removals or self._is_restored():
            return
        for removal in random.sample(removals, len(removals)):  # in any order: no object is in the way of the others
            if at_once or not self._pauses.is_left_alone(removal.store):
                self._try(removal)

    def remove(self, removal: Removal) -> None:
        """Removes one object and the leftovers under its key, and forgets it. Raises one of FAILURES."""
        store = self._stores.resolve(removal.store)
        self._records.require_current(store)
        remove_data(store, removal.key, leftovers=removal.leftovers)
        self._records.removed(removal)

    def store_changed(self, store: str, *, up: bool, reason: str) -> None:
        """The next round asks a store that works again."""
        if up:
            self._pauses.end(store)

    def _is_restored(self) -> bool:
        """Also where the catalog cannot say: then nothing could be forgotten either."""
        try:
            return self._records.removes_nothing()
        except errors.CatalogUnavailable:
            return True

    def _try(self, removal: Removal) -> None:
        try:
            self.remove(removal)
        except FAILURES as error:
            LOG.warning("Object %s could not be removed and will be tried again: %s", removal.key, describe(error))
            self._pauses.leave_alone(removal.store)
        else:
            self._pauses.end(removal.store)
