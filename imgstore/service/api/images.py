"""What the service does with images besides moving their data: create, show, list, change, delete.

To delete an image marks it in the catalog first and removes its data from the stores then; where a store fails, the
removal stays recorded and is tried again (undone). Catalog and quota are changed in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imgstore import errors
from imgstore.http.requests import shown
from imgstore.limits import Allowance
from imgstore.service.cleanup.removal_queue import RemovalQueue
from imgstore.sql import Caller, ImageQuery, ImageRecord, NewImage, SqlCatalog, SqlLedger, Weight
from imgstore.store import StoreSet


class StoreNotThere(errors.RequestError):
    """A path or a body names a store that is not enabled. As in Glance 409; a header that names one is 400."""

    status = 409
    code = "unknown-store"
    title = "Conflict"


class Images:
    """The images of the service. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, ledger: SqlLedger, removals: RemovalQueue) -> None:
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
        """The images of the query that the caller may see. Raises InvalidRequest for a marker that is no image."""
        return self._catalog.list(caller, query)

    def update(self, image_id: str, caller: Caller, change: Callable[[ImageRecord], NewImage]) -> ImageRecord:
        """Changes the image by one transaction. Raises ImageNotFound, Forbidden, and what `change` raises."""
        return self._catalog.update(image_id, caller, change)

    def set_active(self, image_id: str, caller: Caller, *, active: bool) -> None:
        """Deactivates or reactivates the image. Raises ImageNotFound, Forbidden."""
        self._catalog.set_active(image_id, caller, active=active)

    def usage(self, owner: str) -> tuple[Weight, Allowance]:
        """What a project has, and what it may have."""
        return self._ledger.account(owner), self._ledger.allowance(owner)

    def require_store(self, identifier: str) -> None:
        """Raises StoreNotThere unless a store of that identifier is enabled."""
        if identifier not in {store.identifier for store in self.stores}:
            raise StoreNotThere(f"The selected store {shown(identifier)} is not available.")

    def stores_without(self, image: ImageRecord) -> Sequence[str]:
        """The identifiers of the writable stores that do not have the image's data."""
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
