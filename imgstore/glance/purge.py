"""What a purge removes where Glance's database is the catalog: leftovers, and objects that no image has.

Glance has no leases, so its word that an image is `saving` may be of a process that died. Objects of such an image stay
until the image is deleted. Its leftovers, which the driver may know to be dead, go after a day, or after the age that
the operator says.

An object goes only if it is dead (`imgstore.glance.catalog`), old, and in a place whose mark this machine has noted;
and only if the image's row was changed after it was written. An upload changes the row when it ends, so an object that
is newer is one of which this database does not know: it was restored from a backup, or is another Glance's.
All of this is looked at again when the object is removed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from functools import partial

from imgstore import errors
from imgstore.driver.capabilities import FindsLeftovers, ListsObjects
from imgstore.glance.catalog import GlanceCatalog
from imgstore.model import Leftover, ObjectInfo, Standing
from imgstore.sql.spool import in_order, without
from imgstore.store import Store
from imgstore.transfers.leftovers import RemovableLeftover, removable, remove_data
from imgstore.transfers.listings import listed

HOUR, DAY = 3600.0, 86400.0
CLOCKS = 300.0
"""Seconds by which the clocks of storage and database may differ."""


class GlancePurge:
    """Finds what is to go. `older_than`: seconds; None for an hour, and a day where an upload may be under way. All
    methods raise StoreError, CatalogUnavailable."""

    def __init__(self, catalog: GlanceCatalog, *, older_than: float | None) -> None:
        self._catalog = catalog
        self._age = HOUR if older_than is None else older_than
        self._busy_age = DAY if older_than is None else older_than

    def leftovers(self, store: Store) -> Iterator[RemovableLeftover]:
        """What uploads left that did not end."""
        if not isinstance(store.driver, FindsLeftovers):
            return
        for found in listed(store, store.driver.leftovers(older_than=self._age)):
            standings = self._catalog.standings(store.identifier, [each.key for each in found if each.key is not None])
            for leftover in found:
                if self._may_go(leftover, Standing.UNKNOWN if leftover.key is None else standings[leftover.key]):
                    yield removable(store, leftover)

    def objects(self, store: Store) -> Iterator[RemovableLeftover]:
        """Objects of uploads that ended without them."""
        if not isinstance(store.driver, ListsObjects):
            return
        reason, marked = "an object of an upload that ended without it", self._is_marked(store)
        if not marked:
            reason += ", in a place whose mark is not noted here"
        for info in self._dead(store, self._unnamed(store, store.driver)):
            remove = partial(self._remove, store, info)
            yield RemovableLeftover(store.identifier, info.key, reason, remove, info.size, info.modified, marked)

    def _may_go(self, leftover: Leftover, standing: Standing) -> bool:
        if standing in (Standing.LIVE, Standing.REMOVING):
            return leftover.certain
        return standing is not Standing.UNDER_WAY or _is_older(leftover.modified, self._busy_age)

    def _unnamed(self, store: Store, driver: ListsObjects) -> list[ObjectInfo]:
        """Old objects that no location names: few, so only they are kept in memory."""
        found = (info for some in listed(store, driver.objects()) for info in some)
        rows = in_order((astuple(info) for info in found if _is_older(info.modified, self._age)), width=4)
        named = (place.key for place in self._catalog.locations.in_store(store.identifier))
        return [ObjectInfo(*row) for row in without(rows, named)]

    def _dead(self, store: Store, found: Sequence[ObjectInfo]) -> list[ObjectInfo]:
        old = [info for info in found if _is_older(info.modified, self._age)]
        standings = self._catalog.standings(store.identifier, [info.key for info in old])
        dead = [info for info in old if standings[info.key] is Standing.DEAD]
        return [info for info in dead if (info.modified or 0) <= self._catalog.changed(info.key) + CLOCKS]

    def _is_marked(self, store: Store) -> bool:
        return store.driver.mark is not None and not store.read_only

    def _remove(self, store: Store, info: ObjectInfo) -> None:
        """Removes it, unless it is another one by now, or an image's."""
        if not self._is_marked(store):
            return
        try:
            with store.slot(), store.blamed():
                now = store.driver.stat(info.key)
        except errors.ObjectNotFound:
            return
        if (now.size, now.modified) == (info.size, info.modified) and self._dead(store, [now]):
            remove_data(store, info.key, leftovers=False)


def _is_older(modified: float | None, seconds: float) -> bool:
    return modified is not None and modified <= time.time() - seconds
