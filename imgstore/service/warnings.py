"""What works and is probably not meant: told once, at the start of the service, each with its cure."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator

from imgstore.service.options import NOAUTH
from imgstore.sql import SqlCatalog
from imgstore.store import StoreSet

LOG = logging.getLogger(__name__)


def warn(stores: StoreSet, catalog: SqlCatalog, *, auth: str, listen: str) -> None:
    """Logs what there is to warn of. Raises CatalogUnavailable."""
    for line in (*_of_callers(auth, listen), *_of_default(stores), *_of_other_stores(stores, catalog)):
        LOG.warning("%s", line)


def _of_callers(auth: str, listen: str) -> Iterator[str]:
    if auth == NOAUTH and not _is_local(listen):
        yield (
            f"[service] auth is {NOAUTH} and listen is {listen}: whoever reaches this address may read, change and "
            "delete the images of every project. Set auth = keystone, or listen = 127.0.0.1 behind a proxy that asks."
        )


def _is_local(listen: str) -> bool:
    try:
        return ipaddress.ip_address(listen).is_loopback
    except ValueError:
        return listen == "localhost"


def _of_default(stores: StoreSet) -> Iterator[str]:
    default = stores.resolve(None)
    if default.read_only or default.driver.READ_ONLY:
        yield (
            f"[imgstore] default_store is {default.identifier}, which is read-only: uploads that name no store are "
            "refused. Name a store that takes images."
        )


def _of_other_stores(stores: StoreSet, catalog: SqlCatalog) -> Iterator[str]:
    enabled = {store.identifier for store in stores}
    for store in sorted(catalog.locations.stores() - enabled):
        yield (
            f"Images have data in store {store}, which is not enabled: they cannot be read from there, and what is "
            "deleted stays there. Add it to [imgstore] enabled_stores; 'imgstore verify' counts them."
        )
