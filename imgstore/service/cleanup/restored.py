"""Tells a database that was restored from a backup, by the epochs in the stores' places (`imgstore.sql.restored`).

While it is so, the service takes uploads and gives downloads, and removes nothing: no recovery, no removal, no purge.
`imgstore verify` shows what the stores have and the catalog does not; `imgstore adopt` takes it in; `imgstore db
resume` is the operator's word that removing may go on.
"""

from __future__ import annotations

import logging

from imgstore.driver.capabilities import KeepsEpoch
from imgstore.sql import SqlCatalog
from imgstore.store import Store

LOG = logging.getLogger(__name__)


def look(store: Store, catalog: SqlCatalog) -> None:
    """Compares the epoch in the store's place with the database's, and begins another one. The place is read first: it
    is written last. Raises StoreError, CatalogUnavailable."""
    driver = store.driver
    if not isinstance(driver, KeepsEpoch) or driver.mark is None:
        return
    with store.blamed():
        noted = driver.read_epoch()
    known = catalog.restored.epoch(store.identifier)
    if noted > known:
        reason = f"The place of store {store.identifier} is at epoch {noted}, the database at {known}."
        LOG.error("The database was restored from a backup. %s Nothing is removed until: imgstore db resume", reason)
        catalog.restored.declare(reason)
        return
    if not (store.read_only or driver.READ_ONLY):
        with store.blamed():
            driver.write_epoch(catalog.restored.next_epoch(store.identifier))


def removes_nothing(catalog: SqlCatalog) -> bool:
    """Whether the database was restored and nobody has looked yet. Raises CatalogUnavailable."""
    reason = catalog.restored.reason()
    if reason is not None:
        LOG.warning("Nothing is removed: %s See 'imgstore verify', then 'imgstore db resume'", reason)
    return reason is not None
