"""Moves the data of all images out of one store into another one, over all projects, while the service runs.

Each image is copied as any copy is (`CopyService`) and its new object is looked at; a copy that was there already is
read whole, since it may have rotted. Only then is the old location given up. Each step is in the catalog: whoever
begins again does what is left. What a store did not remove is one of the catalog's `removals`, and is tried again by
recovery and purge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import CatalogLocation, Location
from imgstore.service.cleanup.copies import what_is_wrong
from imgstore.sql import EVERYTHING, ImageRecord, NotInStore, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyRequest, CopyService
from imgstore.undo import describe

MOVE, DROP = "copy, then remove", "remove: the other store has it"
MOVED, DROPPED, GONE, STAYS = "moved", "removed: the other store has it", "gone: it was deleted", "stays"

Advance = Callable[[int], object]
"""Told the bytes so far."""


@dataclass(frozen=True, slots=True)
class Move:
    """What became, or is to become, of one image. `size` in bytes; `detail` says why it stays."""

    image_id: str
    size: int | None
    result: str
    detail: str = ""


class Evacuation:
    """Moves what is in `source` to `target`, both of `stores`. Raises StoreReadOnly for a target that takes nothing."""

    def __init__(
        self, catalog: SqlCatalog, stores: StoreSet, copying: CopyService, *, source: Store, target: Store
    ) -> None:
        target.refuse_if_read_only()
        self._catalog = catalog
        self._copying = copying
        self._removals = RemovalQueue(stores, HostRecords(catalog, restored=catalog.restored))
        self._source = source
        self._target = target

    def number(self) -> int:
        """How many images there are to be moved. Raises CatalogUnavailable."""
        return self._catalog.locations.number_in(self._source.identifier)

    def images(self) -> Iterator[ImageRecord]:
        """What is to be moved, in the order of keys, also while it is moved. Raises CatalogUnavailable."""
        for place in self._catalog.locations.in_store(self._source.identifier):
            record = self._record(place.image_id)
            if record is not None:
                yield record

    def planned(self) -> Iterator[Move]:
        """What `move` would do with each image. Changes nothing. Raises CatalogUnavailable."""
        for image in self.images():
            if image.status != "active":
                yield _stays(image, f"the image is {image.status}: only active images are copied")
            else:
                yield Move(image.id, image.size, DROP if self._there(image) else MOVE)

    def move(self, image: ImageRecord, advance: Advance) -> Move:
        """Moves one image. What cannot be moved stays as it was. Raises CatalogUnavailable."""
        try:
            return self._moved(image, advance)
        except errors.CatalogUnavailable:
            raise
        except errors.ImageNotFound:
            return Move(image.id, image.size, GONE)
        except errors.ImgstoreError as error:
            return _stays(image, describe(error))

    def _moved(self, image: ImageRecord, advance: Advance) -> Move:
        there = self._there(image)
        if there is None:
            self._copying.begin(CopyRequest(image.id, [self._target.identifier])).run(advance)
        else:
            self._require_right(image, there, advance)
        self._require_whole(self._catalog.get(image.id, EVERYTHING))
        with contextlib.suppress(NotInStore):  # somebody else gave it up meanwhile
            self._catalog.delete_location(image.id, EVERYTHING, self._source.identifier)
        self._removals.attempt(self._catalog.removals(image.id))
        return Move(image.id, image.size, MOVED if there is None else DROPPED)

    def _require_right(self, image: ImageRecord, there: Location, advance: Advance) -> None:
        """The last copy that is right is not given up for a wrong one. Raises StoreError."""
        copy = CatalogLocation(image.id, there.key, image.size, image.os_hash_algo, image.os_hash_value)
        done = 0

        def read(size: int) -> None:
            nonlocal done
            done += size
            advance(done)

        wrong = what_is_wrong(self._target, copy, read)
        if wrong:
            raise errors.IntegrityError(f"Its copy in store '{self._target.identifier}' is wrong: {wrong}.")

    def _require_whole(self, image: ImageRecord) -> None:
        """The last copy is not given up for one that is not there. Raises StoreError."""
        location = self._there(image)
        if location is None:
            raise errors.ObjectNotFound("The copy was taken away meanwhile.")
        with self._target.blamed():
            found = self._target.driver.stat(location.key).size
            if found != image.size:
                raise errors.IntegrityError(f"Its object has {found} bytes, the image {image.size}.")

    def _there(self, image: ImageRecord) -> Location | None:
        return next((place for place in image.locations if place.store == self._target.identifier), None)

    def _record(self, image_id: str) -> ImageRecord | None:
        try:
            return self._catalog.get(image_id, EVERYTHING)
        except errors.ImageNotFound:  # deleted meanwhile
            return None


def _stays(image: ImageRecord, why: str) -> Move:
    return Move(image.id, image.size, STAYS, why)
