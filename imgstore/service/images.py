"""What the service does with images besides moving their data: create, show, list, change, delete, and put right at its
start.

Deleting marks the catalog first, then removes the data from its stores; what a store does not let go now stays recorded
and is tried again at the next start (law 3). The quota is given back once, by the one request that deleted the image.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from imgstore import errors
from imgstore.capabilities import FindsLeftovers
from imgstore.quota import Account, MemoryQuota
from imgstore.sql import Caller, Counts, ImageQuery, ImageRecord, NewImage, OutcomeUnknown, Removal, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


class Images:
    """The images of the service. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, quota: MemoryQuota) -> None:
        self.stores = stores
        self._catalog = catalog
        self._quota = quota

    def create(self, image: NewImage) -> ImageRecord:
        """Adds a queued image. Raises ImageConflict."""
        return self._catalog.create(image)

    def get(self, image_id: str, caller: Caller) -> ImageRecord:
        """One image. Raises ImageNotFound."""
        return self._catalog.get(image_id, caller)

    def list(self, caller: Caller, query: ImageQuery) -> Sequence[ImageRecord]:
        """See SqlCatalog."""
        return self._catalog.list(caller, query)

    def update(self, image_id: str, caller: Caller, change: Callable[[ImageRecord], NewImage]) -> ImageRecord:
        """See SqlCatalog."""
        return self._catalog.update(image_id, caller, change)

    def set_active(self, image_id: str, caller: Caller, *, active: bool) -> None:
        """See SqlCatalog."""
        self._catalog.set_active(image_id, caller, active=active)

    def account(self, owner: str) -> Account:
        """What the images of `owner` take of their quota."""
        return self._quota.account(owner)

    def counts(self, owner: str) -> Counts:
        """See SqlCatalog."""
        return self._catalog.counts(owner)

    def delete_from_store(self, image_id: str, caller: Caller, store: str) -> None:
        """Deletes one of the image's copies. Raises ImageNotFound, ImageConflict, Forbidden, NotInStore."""
        self._catalog.delete_location(image_id, caller, store)
        self._remove(self._catalog.removals(image_id))

    def delete(self, image_id: str, caller: Caller) -> None:
        """Deletes the image and its data; an upload under way finds out at its end. Raises ImageNotFound, Forbidden."""
        # An account sums up the catalog when it is opened: opened after the deletion, it would be given back too much.
        self._quota.account(self._catalog.get(image_id, caller).owner)
        image = self._catalog.delete(image_id, caller)
        self._quota.give_back(image.owner, image.size or 0)
        self._remove(self._catalog.removals(image_id))

    def recover(self) -> None:
        """At the start, before the first request: ends what a dead process left in catalog and stores."""
        dead = self._catalog.abandon_uploads()
        if dead:
            LOG.warning("%s uploads died with their process: their images are queued again", dead)
        self._remove(self._catalog.removals())
        for store in self.stores:
            self._purge(store)

    def _remove(self, removals: Sequence[Removal]) -> None:
        for removal in removals:
            try:
                self._remove_object(removal)
            except (errors.StoreError, errors.UnknownStore, errors.CatalogUnavailable, OutcomeUnknown) as error:
                LOG.warning("Object %s stays until the next start: %s", removal.key, describe(error))

    def _remove_object(self, removal: Removal) -> None:
        store = self.stores.resolve(removal.store)
        try:
            with store.blamed():
                store.driver.delete(removal.key)
        except errors.ObjectNotFound:
            LOG.debug("Object %s was not there any more", removal.key)
        self._catalog.removed(removal)

    def _purge(self, store: Store) -> None:
        if store.read_only or not isinstance(store.driver, FindsLeftovers):
            return
        try:
            with store.blamed():
                for leftover in store.driver.leftovers():
                    LOG.warning("Store %s: removing %s", store.identifier, leftover.reason)
                    store.driver.remove_leftover(leftover)
        except errors.StoreError as error:
            LOG.warning("Leftovers stay until the next start: %s", describe(error))
