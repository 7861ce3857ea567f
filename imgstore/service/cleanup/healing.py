"""Heals a wrong copy of an image from another location, where the catalog is the service's.

It is healed only where another copy was read and is right: the wrong one is given up in the catalog, and the image is
copied to the store again.
"""

from __future__ import annotations

import dataclasses

from imgstore import errors
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import CatalogLocation
from imgstore.service.cleanup.copies import Read, what_is_wrong
from imgstore.sql import EVERYTHING, ImageRecord, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyRequest, CopyService


class Healing:
    """Makes copies anew. `read` is told of what is read for it."""

    def __init__(self, catalog: SqlCatalog, stores: StoreSet, copying: CopyService, *, read: Read) -> None:
        self._catalog = catalog
        self._stores = stores
        self._copying = copying
        self._removals = RemovalQueue(stores, HostRecords(catalog, restored=catalog.restored))
        self._read = read

    def heal(self, store: Store, place: CatalogLocation) -> bool:
        """Whether it did. Raises StoreError, CatalogUnavailable."""
        if store.read_only or not place.hash_value:
            return False
        try:
            image = self._catalog.get(place.image_id, EVERYTHING)
        except errors.ImageNotFound:
            return False
        if not self._has_right_copy(store, place, image):
            return False
        self._catalog.delete_location(image.id, EVERYTHING, store.identifier)
        self._removals.attempt(self._catalog.removals(image.id))
        self._copying.begin(CopyRequest(image.id, [store.identifier])).run(lambda done: None)
        return True

    def _has_right_copy(self, store: Store, place: CatalogLocation, image: ImageRecord) -> bool:
        enabled = {each.identifier: each for each in self._stores if each is not store}
        others = [(enabled[each.store], each.key) for each in image.locations if each.store in enabled]
        copies = [(other, dataclasses.replace(place, key=key)) for other, key in others]
        return any(not what_is_wrong(other, copy, self._read) for other, copy in copies)
