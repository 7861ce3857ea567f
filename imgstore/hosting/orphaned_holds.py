"""Holds on the quota whose process died after their attempt had ended in the catalog.

Where catalog and quota share a database, the catalog may end an attempt and its hold together; else the process itself
was to end the hold, and died before. The hold of an attempt that became active is settled for the bytes that its object
has. What any other wrote is removed first and its hold released then, so that the quota never counts less than the
stores have (held). An attempt that has not ended keeps its hold, and so does one whose data is still to be removed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import FAILURES
from imgstore.model import ObjectId, Standing
from imgstore.store import StoreSet
from imgstore.transfers.leftovers import remove_data
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


class OrphanedHolds:
    """Ends such holds. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, records: HostRecords) -> None:
        self._stores = stores
        self._records = records

    def end(self, holds: Sequence[ObjectId]) -> None:
        """Ends those whose attempts have ended. Where a store cannot be asked now, the hold stays until the next round.
        Raises CatalogUnavailable."""
        for held in holds:
            standing = self._records.standings(held.store, [held.key])[held.key]
            if standing in (Standing.LIVE, Standing.DEAD, Standing.UNKNOWN):
                self._try(held, standing)

    def _try(self, held: ObjectId, standing: Standing) -> None:
        try:
            self._end(held, standing)
        except FAILURES as error:
            LOG.warning("The quota of object %s stays held until the next round: %s", held.key, describe(error))

    def _end(self, held: ObjectId, standing: Standing) -> None:
        if standing is Standing.LIVE:
            self._records.settle(held, self._size(held))
            return
        if standing is Standing.DEAD:
            store = self._stores.resolve(held.store)
            self._records.require_current(store)
            remove_data(store, held.key, leftovers=True)
        self._records.release(held)

    def _size(self, held: ObjectId) -> int:
        store = self._stores.resolve(held.store)
        with store.blamed():
            return store.driver.stat(held.key).size
