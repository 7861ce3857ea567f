"""Holds on the quota whose process died after their attempt had ended in the catalog.

The catalog ends an attempt and its hold together, except where the process itself was to end the hold and died before.
What such an attempt wrote is removed first and its hold released then, so that the quota never counts less than the
stores have (held). An attempt that has not ended keeps its hold.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from imgstore.service.cleanup.removal_queue import FAILURES
from imgstore.sql import LedgerEntry, SqlCatalog, SqlLedger, Standing
from imgstore.store import StoreSet
from imgstore.transfers.leftovers import remove_data
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


class OrphanedHolds:
    """Ends such holds. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, ledger: SqlLedger) -> None:
        self._stores = stores
        self._catalog = catalog
        self._ledger = ledger

    def end(self, entries: Sequence[LedgerEntry]) -> None:
        """Ends those whose attempts have ended. Where a store cannot remove the data now, the hold stays until the next
        round. Raises CatalogUnavailable."""
        for entry in entries:
            object_id = entry.object_id
            standing = self._catalog.recovery.standings(object_id.store, [object_id.key])[object_id.key]
            if standing in (Standing.DEAD, Standing.UNKNOWN):
                self._end(entry, ours=standing is Standing.DEAD)

    def expired(self) -> Sequence[LedgerEntry]:
        """Those whose processes give no sign of life, for `end`. Raises CatalogUnavailable."""
        return self._ledger.expired()

    def all(self) -> Sequence[LedgerEntry]:
        """All, for a host that knows that no upload is under way. Raises CatalogUnavailable."""
        return self._ledger.held()

    def _end(self, entry: LedgerEntry, *, ours: bool) -> None:
        try:
            if ours:
                remove_data(self._stores.resolve(entry.object_id.store), entry.object_id.key, leftovers=True)
            self._ledger.release(entry.object_id)
        except FAILURES as error:
            key = entry.object_id.key
            LOG.warning("The quota of object %s stays held until the next round: %s", key, describe(error))
