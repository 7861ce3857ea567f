"""What the service tells of itself: stores and their details, import methods, the usage of the quota.

Also the deletion of an image's copy in one store, which the Image API has under `/v2/stores`.
"""

from __future__ import annotations

import logging
import urllib.parse

import falcon

from imgstore import errors
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.model import MIB
from imgstore.service.api.images import Images
from imgstore.service.api.import_resource import METHODS
from imgstore.service.auth.noauth import caller_of
from imgstore.service.auth.policy import enforce
from imgstore.store import Store
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

UNLIMITED = -1


class Stores:
    """`/v2/info/stores`."""

    def __init__(self, images: Images) -> None:
        self._stores = images.stores

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        caller_of(req.env)
        resp.media = {"stores": [_store_body(store, default=self._stores.default) for store in self._stores]}


class StoresDetail:
    """`/v2/info/stores/detail`."""

    def __init__(self, images: Images) -> None:
        self._stores = images.stores

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        enforce(caller_of(req.env), "stores_info_detail")
        resp.media = {
            "stores": [
                {
                    **_store_body(store, default=self._stores.default),
                    "type": _kind(store),
                    "weight": store.weight,
                    "properties": _space(store),
                }
                for store in self._stores
            ]
        }


class ImportInfo:
    """`/v2/info/import`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        caller_of(req.env)
        told = {"description": "Import methods available.", "type": "array", "value": list(METHODS)}
        resp.media = {"import-methods": told}


class Usage:
    """`/v2/info/usage` of the caller's project. Sizes in MiB, rounded down; a limit of -1 is no limit."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        owner = caller_of(req.env).project_id or ""
        has, may = self._images.usage(owner)
        resp.media = {
            "usage": {
                "image_size_total": {"usage": has.used // MIB, "limit": _limit(may.size, MIB)},
                "image_count_total": {"usage": has.images, "limit": _limit(may.images)},
                "image_count_uploading": {"usage": has.uploads, "limit": _limit(may.uploads)},
            }
        }


class ImageInStore:
    """`/v2/stores/{store}/{image_id}`."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def on_delete(self, req: falcon.Request, resp: falcon.Response, store: str, image_id: str) -> None:
        caller = caller_of(req.env)
        self._images.require_store(store)
        image = self._images.catalog.get(image_id, caller)
        enforce(caller, "delete_image_location", image)
        self._images.delete_from_store(image_id, caller, store)
        resp.status = falcon.HTTP_204


def _limit(value: int | None, unit: int = 1) -> int:
    return UNLIMITED if value is None else value // unit


def _store_body(store: Store, *, default: str) -> dict[str, object]:
    body: dict[str, object] = {"id": store.identifier}
    if store.description:
        body["description"] = store.description
    if store.identifier == default:
        body["default"] = "true"
    if store.read_only or store.driver.READ_ONLY:
        body["read-only"] = "true"
    return body


def _kind(store: Store) -> str:
    """As in Glance, the scheme of the store's URLs: `file` for a filesystem."""
    return urllib.parse.urlsplit(store.driver.url("key")).scheme.partition("+")[0]


def _space(store: Store) -> dict[str, int]:
    """Bytes, where the store tells them: a store that is down or busy does not, and costs the others nothing."""
    if not isinstance(store.driver, MeasuresSpace):
        return {}
    try:
        with store.slot(wait=0), store.blamed():
            space = store.driver.space()
    except errors.StoreError as error:
        LOG.warning("The free space is not known: %s", describe(error))
        return {}
    told = {"total_bytes": space.total, "free_bytes": space.free}
    return {name: value for name, value in told.items() if value is not None}
