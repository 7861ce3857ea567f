"""Finds what uploads left behind in the stores: leftovers, and objects of attempts that ended without them.

The catalog knows by the key whose each is. An attempt under way keeps everything, however old; an attempt that ended
keeps nothing, however young. Of what the catalog does not know, leftovers go by their age, and objects stay. What
may be another store's (`Leftover.certain`) goes only if the catalog knows its end. Else it is listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from imgstore.driver.capabilities import FindsLeftovers, ListsObjects
from imgstore.hosting.records import HostRecords
from imgstore.model import Leftover, ObjectInfo, Standing
from imgstore.store import Store
from imgstore.transfers.listings import listed

HOUR = 3600.0
"""Seconds after which something that the catalog does not know counts as a leftover."""

ENDED = (Standing.DEAD, Standing.REMOVING)


def leftovers(records: HostRecords, store: Store, *, older_than: float = HOUR) -> Iterator[Leftover]:
    """The leftovers of ended uploads, and those that the catalog does not know and that are `older_than` seconds.
    Raises StoreError, CatalogUnavailable."""
    if not isinstance(store.driver, FindsLeftovers):
        return
    newest = time.time() - older_than
    for found in listed(store, store.driver.leftovers()):
        standings = records.standings(store.identifier, [each.key for each in found if each.key is not None])
        for leftover in found:
            standing = Standing.UNKNOWN if leftover.key is None else standings[leftover.key]
            if standing in ENDED:
                yield replace(leftover, certain=True)
            elif standing not in _kept(leftover) and _is_old(leftover, newest):
                yield leftover


def dead_objects(records: HostRecords, store: Store) -> Iterator[ObjectInfo]:
    """Objects that attempts committed before they ended without them. Raises StoreError, CatalogUnavailable."""
    if not isinstance(store.driver, ListsObjects):
        return
    for found in listed(store, store.driver.objects()):
        standings = records.standings(store.identifier, [info.key for info in found])
        yield from (info for info in found if standings[info.key] is Standing.DEAD)


def _kept(leftover: Leftover) -> tuple[Standing, ...]:
    return (Standing.UNDER_WAY,) if leftover.certain else (Standing.UNDER_WAY, Standing.LIVE)


def _is_old(leftover: Leftover, newest: float) -> bool:
    return leftover.modified is not None and leftover.modified <= newest
