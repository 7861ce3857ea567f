"""Reads the data of images, what was longest not read first, and has a wrong copy healed where that can be.

A copy is wrong if it is missing, or has another size or digest than the image. A store that does not answer proves
nothing, so its data is told and left alone. Each object moves the cursor (`ScrubProgress`).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.hosting.inventory import Inventory, ScrubProgress
from imgstore.model import CatalogLocation, Standing
from imgstore.service.cleanup.copies import Read, what_is_wrong
from imgstore.store import Store
from imgstore.undo import describe

HEALED, WRONG, UNREADABLE = "healed", "wrong", "unreadable"
AT_ONCE = 100

Heal = Callable[[Store, CatalogLocation], bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it should be, and what became of it."""

    store: str
    key: str
    image_id: str
    result: str
    detail: str


def no_healing(store: Store, place: CatalogLocation) -> bool:
    """For a catalog that is not ours to change."""
    return False


class Scrub:
    """Scrubs stores. `heal` makes a wrong copy anew, or returns False. Raises CatalogUnavailable throughout."""

    def __init__(
        self, catalog: Inventory, progress: ScrubProgress, *, read: Read, heal: Heal = no_healing
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._progress = progress
        self._read = read
        self._heal = heal

    def rest(self, store: Store) -> Iterator[Finding]:
        """Goes on where the last one ended, to the end of the pass."""
        cursor = self._progress.cursor(store.identifier)
        if not cursor.after:
            cursor = dataclasses.replace(cursor, began=int(time.time()))
        while following := self._progress.following(cursor, AT_ONCE):
            for number, place in following:
                yield from self._found(store, place)
                cursor = dataclasses.replace(cursor, after=number)
                self._progress.save(cursor)
        self._progress.save(dataclasses.replace(cursor, after=0, complete=cursor.began))

    def _found(self, store: Store, place: CatalogLocation) -> Iterator[Finding]:
        try:
            wrong = what_is_wrong(store, place, self._read)
            if not wrong or not self._is_still(store, place):
                return
            result, detail = (HEALED if self._heal(store, place) else WRONG), wrong
        except errors.CatalogUnavailable:
            raise
        except errors.ImgstoreError as error:
            result, detail = UNREADABLE, describe(error)
        yield Finding(store.identifier, place.key, place.image_id, result, detail)

    def _is_still(self, store: Store, place: CatalogLocation) -> bool:
        """Whether the image still has its data there: images come and go meanwhile."""
        return self._catalog.standings(store.identifier, [place.key])[place.key] is Standing.LIVE
