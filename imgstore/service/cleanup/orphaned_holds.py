"""Holds on the quota that nobody ends any more: of attempts that had ended in the catalog when their process died.

The catalog ends the hold of an attempt together with the attempt, except where the process itself was to do it and died
before. What such an attempt wrote is nobody's: it is removed, then the hold is released, so that the quota is never
less than what the stores hold (law 4). What this module refuses to do: touch an attempt that has not ended.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from imgstore import errors
from imgstore.sql import LedgerEntry, OutcomeUnknown, SqlCatalog, SqlLedger, Standing
from imgstore.store import StoreSet
from imgstore.transfers.leftovers import remove_data
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

FAILURES = (errors.StoreError, errors.UnknownStore, errors.CatalogUnavailable, OutcomeUnknown)


class Holds:
    """Ends holds. One for the whole process."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, ledger: SqlLedger) -> None:
        self._stores = stores
        self._catalog = catalog
        self._ledger = ledger

    def end(self, entries: Sequence[LedgerEntry]) -> None:
        """Ends those of attempts that have ended. Raises CatalogUnavailable; what a store does not let go now stays
        held, and is tried again at the next round."""
        for entry in entries:
            object_id = entry.object_id
            standing = self._catalog.recovery.standings(object_id.store, [object_id.key])[object_id.key]
            if standing in (Standing.DEAD, Standing.UNKNOWN):
                self._end(entry, ours=standing is Standing.DEAD)

    def end_expired(self) -> None:
        """Those whose processes give no sign of life. Raises CatalogUnavailable."""
        self.end(self._ledger.expired())

    def end_all(self) -> None:
        """For a host that knows that no upload is under way. Raises CatalogUnavailable."""
        self.end(self._ledger.held())

    def _end(self, entry: LedgerEntry, *, ours: bool) -> None:
        try:
            if ours:
                remove_data(self._stores.resolve(entry.object_id.store), entry.object_id.key, traces=True)
            self._ledger.release(entry.object_id)
        except FAILURES as error:
            LOG.warning("The quota of object %s stays held for now: %s", entry.object_id.key, describe(error))
