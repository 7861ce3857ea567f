"""What a purge removes where it knows the host's catalog: all that recovery removes, at once, and more.

In this order: uploads whose lease ran out, data that is still to be removed, leftovers, and objects of attempts that
ended without them. Each says why it goes, and can be removed by itself; to search changes nothing. To remove raises
CatalogUnavailable besides StoreError. An object that no ended attempt wrote is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from imgstore.hosting.leftovers import dead_objects, leftovers
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import DeadAttempt, ObjectId
from imgstore.store import Store, StoreSet
from imgstore.transfers.leftovers import RemovableLeftover, removable, remove_data


class Purge:
    """Finds what is to go in `chosen`, some of the `stores`."""

    def __init__(self, records: HostRecords, stores: StoreSet, chosen: Sequence[Store]) -> None:
        self._records = records
        self._removals = RemovalQueue(stores, records)
        self._chosen = {store.identifier: store for store in chosen}

    def everything(self, *, older_than: float) -> Iterator[RemovableLeftover]:
        """All of it, in the order above. Raises StoreError."""
        yield from self.uploads()
        yield from self.removals()
        for store in self._chosen.values():
            yield from self.leftovers(store, older_than=older_than)
            yield from self.objects(store)

    def uploads(self) -> Iterator[RemovableLeftover]:
        """Uploads whose lease ran out. To remove one ends it, unless it lives after all."""
        for dead in self._records.expired():
            for store in dead.attempt.stores:
                if store in self._chosen:
                    yield RemovableLeftover(store, dead.attempt.key, _why(dead), partial(self._end, dead, store))

    def removals(self) -> Iterator[RemovableLeftover]:
        """Data that the catalog records as still to be removed."""
        for removal in self._records.removals():
            if removal.store in self._chosen:
                reason = (
                    "of an interrupted upload" if removal.leftovers else f"deleted data of image {removal.image_id}"
                )
                yield RemovableLeftover(removal.store, removal.key, reason, partial(self._removals.remove, removal))

    def leftovers(self, store: Store, *, older_than: float) -> Iterator[RemovableLeftover]:
        """Leftovers; those that the catalog does not know if they are `older_than` seconds. Raises StoreError."""
        found = leftovers(self._records, store, older_than=older_than)
        yield from (removable(store, leftover) for leftover in found)

    def objects(self, store: Store) -> Iterator[RemovableLeftover]:
        """Objects of attempts that ended without them. Raises StoreError."""
        for info in dead_objects(self._records, store):
            reason = "an object of an upload that ended without it"
            remove = partial(self._remove_object, store, info.key)
            yield RemovableLeftover(store.identifier, info.key, reason, remove, info.size, info.modified)

    def _remove_object(self, store: Store, key: str) -> None:
        """Removes it, and then what it counted for its owner."""
        self._records.require_current(store)
        remove_data(store, key, leftovers=True)
        self._records.gone(ObjectId(store.identifier, key))

    def elsewhere(self, stores: StoreSet) -> set[str]:
        """Stores that have something to be removed and are not enabled."""
        enabled = {store.identifier for store in stores}
        return {removal.store for removal in self._records.removals()} - enabled

    def _end(self, dead: DeadAttempt, store: str) -> None:
        self._records.take_back(dead)
        for removal in self._records.removals(dead.attempt.image_id):
            if (removal.store, removal.key) == (store, dead.attempt.key):
                self._removals.remove(removal)


def _why(dead: DeadAttempt) -> str:
    return f"image {dead.attempt.image_id}: its upload by {dead.holder} ended {dead.overdue:.0f} s ago or earlier"
