"""Removes, once, from each store what dead processes left in it: when it works for the first time after the start.

A store that is down at the start is cleaned when it works: a host's check of its stores says so (`found_up`), or one of
the tries of each round, which become rarer, finds it (`again`). Each store is cleaned on a thread of its own: the start
waits for none longer than it may.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from imgstore import errors
from imgstore.driver.capabilities import FindsLeftovers
from imgstore.hosting.leftovers import leftovers
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.pauses import Pauses
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import ObjectId
from imgstore.side_by_side import StoreThreads
from imgstore.store import Store, StoreSet
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """The leftovers that were found in a store: so many were removed, so many were `left` alone."""

    removed: int
    left: int
    made: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.made


class FirstCleaning:
    """The cleaning of all stores. `threads`: those of the stores, which recovery uses too."""

    def __init__(
        self, stores: StoreSet, records: HostRecords, removals: RemovalQueue, holds: OrphanedHolds,
        *, threads: StoreThreads,
    ) -> None:  # fmt: skip
        self._stores = stores
        self._records = records
        self._removals = removals
        self._holds = holds
        self._threads = threads
        self._pauses = Pauses()
        self._orphans: Sequence[ObjectId] = ()
        self._may_begin = False
        self.looks: dict[str, Look] = {}  # the last one into each store that was cleaned
        self._waiting = {store.identifier: Supervised(f"first cleaning of {store.identifier}") for store in stores}
        self.supervised = tuple(self._waiting.values())

    def add(self, store: Store) -> None:
        """One more store, which is cleaned when it is up."""
        self._waiting[store.identifier] = Supervised(f"first cleaning of {store.identifier}")

    def orphaned(self, holds: Sequence[ObjectId]) -> None:
        """Holds of processes that are known to be dead: they end with the cleaning of their store."""
        self._orphans = holds

    def begin(self, stores: Iterable[Store], *, seconds: float) -> None:
        """Cleans those that are up, side by side, and waits `seconds` at most; from now on also each that comes up."""
        self._may_begin = True
        self._run(stores, seconds=seconds)

    def found_up(self, store: Store) -> None:
        """Begins to clean a store that is up, unless it was cleaned. Waits for nothing."""
        if self._may_begin:
            self._run([store], seconds=0.0)

    def again(self) -> None:
        """Tries the stores that could not be cleaned, each after a pause. Waits for nothing."""
        self._run([store for store in self._stores if not self._pauses.is_left_alone(store.identifier)], seconds=0.0)

    def _run(self, stores: Iterable[Store], *, seconds: float) -> None:
        waiting = [store for store in stores if store.identifier in self._waiting]
        self._threads.run({store.identifier: partial(self._clean, store) for store in waiting}, seconds=seconds)

    def _clean(self, store: Store) -> None:
        if store.identifier in self._waiting:
            self._waiting[store.identifier].round(partial(self._clean_once, store))

    def _clean_once(self, store: Store) -> None:
        try:
            if self._records.is_restored():
                return
            self._end_what_died(store.identifier)
            look = purge(store, self._records)
        except (errors.StoreError, errors.CatalogUnavailable) as error:
            LOG.warning("Leftovers stay until the next check that is up: %s", describe(error))
            self._pauses.leave_alone(store.identifier)
        else:
            del self._waiting[store.identifier]
            if look is not None:
                self.looks[store.identifier] = look

    def _end_what_died(self, name: str) -> None:
        removals = [removal for removal in self._records.removals() if removal.store == name]
        self._removals.attempt(removals, at_once=True)
        holds = (*self._orphans, *self._records.expired_holds())
        self._holds.end([held for held in holds if held.store == name])


def purge(store: Store, records: HostRecords) -> Look | None:
    """Removes leftovers: of uploads that could not undo them, or that wrote on after they counted as dead. None where
    it does not look. Raises StoreError, CatalogUnavailable."""
    if store.read_only or not isinstance(store.driver, FindsLeftovers):
        return None
    found = list(leftovers(records, store))
    for leftover in found:
        if not leftover.certain:
            LOG.warning("Store %s: left alone: %s", store.identifier, leftover.reason)
            continue
        LOG.warning("Store %s: removing %s", store.identifier, leftover.reason)
        with store.blamed():
            store.driver.remove_leftover(leftover)
    removed = sum(leftover.certain for leftover in found)
    return Look(removed, len(found) - removed)
