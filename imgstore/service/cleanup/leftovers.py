"""What of the stores' contents is of no use any more: leftovers of dead uploads, and objects of attempts that ended.

The catalog tells them from what is needed, by their keys. What an attempt under way owns is spared however old it is;
what belongs to an attempt that ended goes however young it is; of what the catalog does not know only leftovers go, by
their age, and never objects. What this module refuses to do: remove anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from imgstore.driver.capabilities import FindsLeftovers, ListsObjects
from imgstore.model import Leftover, ObjectInfo
from imgstore.sql import SqlCatalog, Standing
from imgstore.store import Store

HOUR = 3600.0
"""Seconds after which what nobody knows counts as left."""

ENDED = (Standing.DEAD, Standing.REMOVING)


def leftovers(catalog: SqlCatalog, store: Store, *, older_than: float = HOUR) -> Iterator[Leftover]:
    """The leftovers of dead uploads. `older_than`: seconds, for those that may be of somebody whom the catalog does
    not know. Raises StoreError, CatalogUnavailable."""
    if not isinstance(store.driver, FindsLeftovers):
        return
    with store.blamed():
        found = list(store.driver.leftovers())
    standings = catalog.recovery.standings(store.identifier, [each.key for each in found if each.key is not None])
    newest = time.time() - older_than
    for leftover in found:
        standing = Standing.UNKNOWN if leftover.key is None else standings[leftover.key]
        if standing in ENDED or (standing is not Standing.UNDER_WAY and _is_old(leftover, newest)):
            yield leftover


def dead_objects(catalog: SqlCatalog, store: Store) -> Iterator[ObjectInfo]:
    """Objects that attempts committed which then ended without them. Raises StoreError, CatalogUnavailable."""
    if not isinstance(store.driver, ListsObjects):
        return
    with store.blamed():
        found = list(store.driver.objects())
    standings = catalog.recovery.standings(store.identifier, [info.key for info in found])
    yield from (info for info in found if standings[info.key] is Standing.DEAD)


def _is_old(leftover: Leftover, newest: float) -> bool:
    return leftover.modified is not None and leftover.modified <= newest
