"""What the service does with images beyond its catalog: usage, stores, deletion.

To delete an image marks it in the catalog first and removes its data from the stores then; where a store fails, the
removal stays recorded and is tried again (undone). Catalog and quota are changed in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from imgstore import errors
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.http.requests import shown
from imgstore.limits import Allowance
from imgstore.service.api.bodies import image_body
from imgstore.sql import Caller, Charge, ImageRecord, SqlCatalog, SqlLedger
from imgstore.store import StoreSet


class StoreNotThere(errors.RequestError):
    """A path or a body names a store that is not enabled. As in Glance 409; a header that names one is 400."""

    status = 409
    code = "unknown-store"
    title = "Conflict"


class Images:
    """The images of the service, and their `catalog`. One for the whole process, used by all its threads."""

    def __init__(self, stores: StoreSet, catalog: SqlCatalog, ledger: SqlLedger, removals: RemovalQueue) -> None:
        self.stores = stores
        self.catalog = catalog
        self._ledger = ledger
        self._removals = removals

    def usage(self, owner: str) -> tuple[Charge, Allowance]:
        """What a project has, and what it may have."""
        return self._ledger.account(owner), self._ledger.allowance(owner)

    def body(self, image: ImageRecord) -> dict[str, object]:
        """The image as the API shows it, its stores by falling weight, as a download tries them."""
        stores = {store.identifier: store for store in self.stores}
        known = [location.store for location in image.locations if location.store in stores]
        others = [location.store for location in image.locations if location.store not in stores]
        return image_body(image, [*sorted(known, key=lambda name: -stores[name].weight), *others])

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
        self.catalog.delete_location(image_id, caller, store)
        self._removals.attempt(self.catalog.removals(image_id))

    def delete(self, image_id: str, caller: Caller) -> None:
        """Deletes the image and its data; an upload under way finds out at its end. Raises ImageNotFound, Forbidden."""
        self.catalog.delete(image_id, caller)
        self._removals.attempt(self.catalog.removals(image_id))
