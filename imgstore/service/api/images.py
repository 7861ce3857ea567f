"""What the service does with images besides moving their data: create, show, list, change, delete.

Deleting marks the catalog first, then removes the data from its stores; what a store does not let go now stays recorded
and is tried again (law 3, see `removals`). Catalog and quota are changed in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imgstore import errors
from imgstore.http.requests import shown
from imgstore.limits import Allowance
from imgstore.service.cleanup.removal_queue import Removals
from imgstore.sql import Caller, Charge, ImageQuery, ImageRecord, NewImage, SqlCatalog, SqlLedger
from imgstore.store import StoreSet


class StoreNotThere(errors.RequestError):
    """A path or a body names a store that is not enabled; as in Glance not 400, which is for headers."""

    status = 409
    code = "unknown-store"
    title = "Conflict"


class Images:
    """The images of the service. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, ledger: SqlLedger, removals: Removals) -> None:
        self.stores = stores
        self._catalog = catalog
        self._ledger = ledger
        self._removals = removals

    def create(self, image: NewImage) -> ImageRecord:
        """Adds a queued image. Raises ImageConflict, QuotaExceeded."""
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

    def usage(self, owner: str) -> tuple[Charge, Allowance]:
        """What a project has, and may have."""
        return self._ledger.account(owner), self._ledger.allowance(owner)

    def require_store(self, identifier: str) -> None:
        """Raises StoreNotThere unless a store of that identifier is enabled."""
        if identifier not in {store.identifier for store in self.stores}:
            raise StoreNotThere(f"The selected store {shown(identifier)} is not available.")

    def stores_without(self, image: ImageRecord) -> Sequence[str]:
        """The stores that can take the image's data and do not have it."""
        having = {location.store for location in image.locations}
        takers = [store for store in self.stores if not (store.read_only or store.driver.READ_ONLY)]
        return [store.identifier for store in takers if store.identifier not in having]

    def delete_from_store(self, image_id: str, caller: Caller, store: str) -> None:
        """Deletes one of the image's copies. Raises ImageNotFound, ImageConflict, Forbidden, NotInStore."""
        self._catalog.delete_location(image_id, caller, store)
        self._removals.attempt(self._catalog.removals(image_id))

    def delete(self, image_id: str, caller: Caller) -> None:
        """Deletes the image and its data; an upload under way finds out at its end. Raises ImageNotFound, Forbidden."""
        self._catalog.delete(image_id, caller)
        self._removals.attempt(self._catalog.removals(image_id))
