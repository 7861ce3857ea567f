"""What `imgstore purge` removes where it knows the service's catalog: all that recovery removes, now, and what is rare.

In this order: uploads whose lease ran out, data that is still to be removed, leftovers of uploads, and objects that
attempts committed which ended without them. Each remnant says why it is one and can be removed by itself; looking
changes nothing. Removing raises CatalogUnavailable and OutcomeUnknown besides StoreError. What this module refuses to
do: touch an object that no ended attempt wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from imgstore.service.cleanup import leftovers as remains
from imgstore.service.cleanup.removal_queue import Removals
from imgstore.sql import DeadAttempt, Removal, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.leftovers import Remnant, as_remnant, remove_data


class Purging:
    """Finds remnants in `chosen`, some of the `stores`."""

    def __init__(self, catalog: SqlCatalog, stores: StoreSet, chosen: Sequence[Store]) -> None:
        self._catalog = catalog
        self._removals = Removals(stores, catalog)
        self._chosen = {store.identifier: store for store in chosen}

    def uploads(self) -> Iterator[Remnant]:
        """Uploads whose lease ran out. Removing one ends it, unless it lives after all."""
        for dead in self._catalog.recovery.expired():
            for store in dead.attempt.stores:
                if store in self._chosen:
                    yield Remnant(store, dead.attempt.key, _why(dead), partial(self._end, dead, store))

    def removals(self) -> Iterator[Remnant]:
        """What is recorded as to be removed."""
        for removal in self._catalog.removals():
            if removal.store in self._chosen:
                reason = "of an upload that died" if removal.traces else f"of image {removal.image_id}, deleted"
                yield Remnant(removal.store, removal.key, reason, partial(self._removals.remove, removal))

    def leftovers(self, store: Store, *, older_than: float) -> Iterator[Remnant]:
        """See `remains.leftovers`. Raises StoreError."""
        found = remains.leftovers(self._catalog, store, older_than=older_than)
        yield from (as_remnant(store, leftover) for leftover in found)

    def objects(self, store: Store) -> Iterator[Remnant]:
        """See `remains.dead_objects`. Raises StoreError."""
        for info in remains.dead_objects(self._catalog, store):
            reason = "an object of an upload that ended without it"
            remove = partial(self._remove_object, store, info.key)
            yield Remnant(store.identifier, info.key, reason, remove, info.size, info.modified)

    def _remove_object(self, store: Store, key: str) -> None:
        """It counted for its owner for as long as it was there."""
        remove_data(store, key, traces=True)
        self._catalog.gone(store.identifier, key)

    def elsewhere(self, stores: StoreSet) -> set[str]:
        """Stores that are not enabled, in which something is to be removed."""
        enabled = {store.identifier for store in stores}
        return {removal.store for removal in self._catalog.removals()} - enabled

    def _end(self, dead: DeadAttempt, store: str) -> None:
        self._catalog.recovery.take_back(dead)
        for removal in self._catalog.removals(dead.attempt.image_id):
            if _is_of(removal, dead, store):
                self._removals.remove(removal)


def _is_of(removal: Removal, dead: DeadAttempt, store: str) -> bool:
    return (removal.store, removal.key) == (store, dead.attempt.key)


def _why(dead: DeadAttempt) -> str:
    return f"image {dead.attempt.image_id}: its upload by {dead.holder} died {dead.overdue:.0f} s ago or more"
