"""Reads the data of images, what was longest not read first, and heals a wrong copy from another location.

A copy is wrong if it is missing, or has another size or digest than the image. It is healed only where another copy was
read and is right: the wrong one is given up in the catalog, and the image is copied to the store again. A store that
does not answer proves nothing, so its data is told and left alone. Each object moves the cursor
(`imgstore.sql.scrubs`).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import MIB
from imgstore.sql import EVERYTHING, CatalogLocation, ImageRecord, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyRequest, CopyService
from imgstore.transfers.digests import new_hash
from imgstore.undo import describe

HEALED, WRONG, UNREADABLE = "healed", "wrong", "unreadable"
AT_ONCE = 100

Read = Callable[[int], object]
"""Told of bytes that were read; it may wait, and ends the scrub by raising."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it should be, and what became of it."""

    store: str
    key: str
    image_id: str
    result: str
    detail: str


class Scrub:
    """Scrubs stores. Raises CatalogUnavailable throughout."""

    def __init__(self, catalog: SqlCatalog, stores: StoreSet, copying: CopyService, *, read: Read) -> None:
        self._catalog = catalog
        self._stores = stores
        self._copying = copying
        self._removals = RemovalQueue(stores, HostRecords(catalog, restored=catalog.restored))
        self._read = read

    def rest(self, store: Store) -> Iterator[Finding]:
        """Goes on where the last one ended, to the end of the pass."""
        cursor = self._catalog.scrubs.cursor(store.identifier)
        if not cursor.after:
            cursor = dataclasses.replace(cursor, began=int(time.time()))
        while following := self._catalog.scrubs.following(cursor, AT_ONCE):
            for number, place in following:
                yield from self._found(store, place)
                cursor = dataclasses.replace(cursor, after=number)
                self._catalog.scrubs.save(cursor)
        self._catalog.scrubs.save(dataclasses.replace(cursor, after=0, complete=cursor.began))

    def _found(self, store: Store, place: CatalogLocation) -> Iterator[Finding]:
        try:
            wrong = self._wrong(store, place)
            image = self._still(store, place) if wrong else None
            if image is None:
                return
            result, detail = (HEALED, wrong) if self._healed(store, place, image) else (WRONG, wrong)
        except errors.CatalogUnavailable:
            raise
        except errors.ImgstoreError as error:
            result, detail = UNREADABLE, describe(error)
        yield Finding(store.identifier, place.key, place.image_id, result, detail)

    def _wrong(self, store: Store, place: CatalogLocation) -> str:
        """What is wrong with a copy; empty if it is right. Raises StoreError if the store does not tell."""
        try:
            with store.blamed(), store.driver.open_reader(place.key) as reader:
                digest, size = new_hash(place.hash_algo or "sha512"), 0
                while data := reader.read(MIB):
                    digest.update(data)
                    size += len(data)
                    self._read(len(data))
        except errors.ObjectNotFound:
            return "the object is not in the store"
        if place.size not in (None, size):
            return f"{size} bytes, where the image has {place.size}"
        if place.hash_value and digest.hexdigest() != place.hash_value:
            return f"its {place.hash_algo} is {digest.hexdigest()}"
        return ""

    def _still(self, store: Store, place: CatalogLocation) -> ImageRecord | None:
        """The image, if it still has its data there: images come and go meanwhile."""
        try:
            image = self._catalog.get(place.image_id, EVERYTHING)
        except errors.ImageNotFound:
            return None
        there = any((each.store, each.key) == (store.identifier, place.key) for each in image.locations)
        return image if there else None

    def _healed(self, store: Store, place: CatalogLocation, image: ImageRecord) -> bool:
        if store.read_only or not place.hash_value or not self._has_right_copy(store, place, image):
            return False
        self._catalog.delete_location(image.id, EVERYTHING, store.identifier)
        self._removals.attempt(self._catalog.removals(image.id))
        self._copying.begin(CopyRequest(image.id, [store.identifier])).run(lambda done: None)
        return True

    def _has_right_copy(self, store: Store, place: CatalogLocation, image: ImageRecord) -> bool:
        enabled = {each.identifier: each for each in self._stores if each is not store}
        others = [(enabled[each.store], each.key) for each in image.locations if each.store in enabled]
        return any(not self._wrong(other, dataclasses.replace(place, key=key)) for other, key in others)
