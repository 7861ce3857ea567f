"""Notices a database that was restored from a backup, by the epochs in the stores' places (`RestoreMemory`).

While it is so, the host takes uploads and gives downloads, and removes nothing: no recovery, no removal, no purge. In
the reference service, `imgstore verify` shows what the stores have and the catalog does not; `imgstore adopt` takes it
in; `imgstore db resume` is the operator's word that removing may go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from imgstore.driver.capabilities import KeepsEpoch
from imgstore.driver.translate import host_failures
from imgstore.hosting.protocols import RestoreMemory
from imgstore.store import Store

LOG = logging.getLogger(__name__)


def look(store: Store, memory: RestoreMemory) -> None:
    """Compares the epochs, and begins another one: first in the database. Raises StoreError, CatalogUnavailable."""
    driver = store.driver
    if not isinstance(driver, KeepsEpoch) or driver.mark is None or compare(store, memory):
        return
    if store.read_only or driver.READ_ONLY:
        return
    with host_failures("beginning an epoch"):
        following = memory.next_epoch(store.identifier)
    with store.blamed():
        driver.write_epoch(following)


def compare(store: Store, memory: RestoreMemory) -> bool:
    """Whether the store's place has seen later times than the database: then it was restored, and is declared so. The
    place is read first: it is written last. Raises StoreError, CatalogUnavailable."""
    driver = store.driver
    if not isinstance(driver, KeepsEpoch) or driver.mark is None:
        return False
    with store.blamed():
        noted = driver.read_epoch()
    with host_failures("comparing epochs"):
        known = memory.epoch(store.identifier)
        if noted <= known:
            return False
        reason = f"The place of store {store.identifier} is at epoch {noted}, the database at {known}."
        LOG.error("The database was restored from a backup. %s Nothing is removed until: imgstore db resume", reason)
        memory.declare(reason)
    return True


def epochs_of(stores: Iterable[Store]) -> dict[str, int]:
    """The epochs in the places, by store: for `resume`. Raises StoreError, since a store that does not answer now would
    stop the removals again."""
    found: dict[str, int] = {}
    for store in stores:
        if isinstance(store.driver, KeepsEpoch) and store.driver.mark is not None:
            with store.blamed():
                found[store.identifier] = store.driver.read_epoch()
    return found
