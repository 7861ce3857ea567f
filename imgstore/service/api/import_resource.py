"""`POST /v2/images/{image_id}/import`: the Image API's `copy-image`, which copies an image to other stores.

The image is active and stays so. 202 says that the copy was granted; its progress is in the image's properties
`os_glance_importing_to_stores` and `os_glance_failed_import`, which are stores' identifiers between commas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import falcon

from imgstore import errors
from imgstore.catalog import require_copyable
from imgstore.http.requests import shown
from imgstore.service.api.bodies import parsed, read_body
from imgstore.service.api.copies import Copies
from imgstore.service.api.images import Images
from imgstore.service.auth.noauth import caller_of
from imgstore.service.auth.policy import enforce
from imgstore.sql import ImageRecord
from imgstore.transfers.copy import CopyRequest

COPY_IMAGE = "copy-image"
METHODS = (COPY_IMAGE,)
MEMBERS = ("method", "stores", "all_stores", "all_stores_must_succeed")


@dataclass(frozen=True, slots=True)
class Import:
    """What a request asks for. `stores`: None if it names none."""

    stores: tuple[str, ...] | None
    all_stores: bool
    need_all: bool


class ImageImport:
    """`/v2/images/{image_id}/import`."""

    def __init__(self, images: Images, copies: Copies) -> None:
        self._images = images
        self._copies = copies

    def on_post(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        caller = caller_of(req.env)
        image = self._images.catalog.get(image_id, caller)
        wanted = read(read_body(req))
        enforce(caller, "copy_image", image)
        require_copyable(image.as_stored(), (), busy=False)
        stores = self._stores(wanted, image, req.get_header("X-Image-Meta-Store"))
        if stores:
            self._copies.begin(CopyRequest(image_id, stores, need_all=wanted.need_all, context=caller))
        resp.status = falcon.HTTP_202
        resp.content_type = falcon.MEDIA_TEXT  # of an empty body that is said to be JSON glanceclient makes an error

    def _stores(self, wanted: Import, image: ImageRecord, header: str | None) -> Sequence[str]:
        """Where to copy to. `all_stores` means the writable stores without the image, which may be none. A header that
        agrees with the body is accepted: openstacksdk sends both."""
        if wanted.all_stores:
            if wanted.stores is not None or header is not None:
                raise errors.InvalidRequest("all_stores is not used together with stores or X-Image-Meta-Store.")
            return self._images.stores_without(image)
        if wanted.stores is not None and header is not None and wanted.stores != (header,):
            raise errors.InvalidRequest("stores and X-Image-Meta-Store do not name the same store.")
        named = wanted.stores if wanted.stores is not None else (header or self._images.stores.default,)
        for store in named:
            self._images.require_store(store)
        return named


def read(body: bytes) -> Import:
    """What the body of a request says. Raises InvalidRequest."""
    given = parsed(body)
    if not isinstance(given, dict):
        raise errors.InvalidRequest("The body must be a JSON object.")
    _refuse_others(given, MEMBERS)
    _require_method(given.get("method"))
    return Import(_store_list(given), _flag(given, "all_stores", False), _flag(given, "all_stores_must_succeed", True))


def _require_method(method: object) -> None:
    if not isinstance(method, dict) or not isinstance(method.get("name"), str):
        raise errors.InvalidRequest('method must be an object with a name, as in {"name": "copy-image"}.')
    if method["name"] not in METHODS:
        raise errors.InvalidRequest(f"Unknown import method {shown(method['name'])}: there is {', '.join(METHODS)}.")
    _refuse_others(method, ("name",))


def _refuse_others(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in sorted(given.keys() - set(known)):
        raise errors.InvalidRequest(f"{shown(name)} has no meaning here: there are {', '.join(known)}.")


def _store_list(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    stores = given.get("stores")
    if stores is None:
        return None
    if not (isinstance(stores, list) and stores and all(isinstance(store, str) for store in stores)):
        raise errors.InvalidRequest("stores must be a list of at least one store identifier.")
    return tuple(stores)


def _flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise errors.InvalidRequest(f"{name} must be true or false.")
    return value
