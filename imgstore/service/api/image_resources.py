"""The resources of images over HTTP, without their data: list and create, one image, its tags, its actions.

Every handler gets the image as the caller sees it (404 comes first), asks `policy` by Glance's name, and then acts. The
catalog asks once more inside its transaction.
"""

from __future__ import annotations

import dataclasses
import itertools
import json

import falcon

from imgstore import errors
from imgstore.service.api import attributes, list_query
from imgstore.service.api import patch as patching
from imgstore.service.api.bodies import new_image, read_body
from imgstore.service.api.images import Images
from imgstore.service.api.import_resource import METHODS
from imgstore.service.api.paths import last_part
from imgstore.service.auth.noauth import caller_of
from imgstore.service.auth.policy import enforce
from imgstore.sql import Caller, ImageRecord, NewImage

VISIBILITY_POLICIES = {"public": "publicize_image", "community": "communitize_image"}


LARGEST_PAGE = 4 * 1024 * 1024
"""Bytes of one page of a list, unless one image alone has more."""


class NoSuchTag(errors.RequestError):
    """The image does not have that tag."""

    status = 404
    code = "tag-not-found"
    title = "Not Found"


class ImageList:
    """`/v2/images`."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        caller = caller_of(req.env)
        enforce(caller, "get_images")
        wanted = list_query.read(req.query_string)
        limit = wanted.query.limit
        found = self._images.catalog.list(caller, dataclasses.replace(wanted.query, limit=limit + 1, most=LARGEST_PAGE))
        page = _fitting([self._images.body(image) for image in found[:limit]])
        body: dict[str, object] = {"images": page, "first": wanted.first, "schema": "/v2/schemas/images"}
        if page and len(page) < len(found):
            body["next"] = wanted.behind(str(page[-1]["id"]))
        resp.media = body

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        caller = caller_of(req.env)
        enforce(caller, "add_image")
        new = new_image(read_body(req), caller)
        if new.visibility in VISIBILITY_POLICIES:
            enforce(caller, VISIBILITY_POLICIES[new.visibility], new)
        image = self._images.catalog.create(new)
        resp.status = falcon.HTTP_201
        resp.location = f"{req.prefix}/v2/images/{image.id}"
        resp.set_header("OpenStack-image-store-ids", ",".join(store.identifier for store in self._images.stores))
        resp.set_header("OpenStack-image-import-methods", ",".join(METHODS))
        resp.media = self._images.body(image)


class OneImage:
    """`/v2/images/{image_id}`."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def on_get(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        caller = caller_of(req.env)
        image = self._images.catalog.get(image_id, caller)
        enforce(caller, "get_image", image)
        resp.media = self._images.body(image)

    def on_patch(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        resp.set_header("Accept-Patch", ", ".join(patching.MEDIA_TYPES))
        caller = caller_of(req.env)
        image = self._images.catalog.get(image_id, caller)
        enforce(caller, "modify_image", image)
        media_type = (req.content_type or "").partition(";")[0].strip().lower()
        patch = patching.read(read_body(req), media_type, caller)
        if patch.operations:
            image = self._images.catalog.update(image_id, caller, lambda present: _patched(present, patch, caller))
        resp.media = self._images.body(image)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "delete_image", self._images.catalog.get(image_id, caller))
        self._images.delete(image_id, caller)
        resp.status = falcon.HTTP_204


class ImageTag:
    """`/v2/images/{image_id}/tags/{tag}`."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def on_put(self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "modify_image", self._images.catalog.get(image_id, caller))
        name = attributes.tag(last_part(req, tag))
        self._images.catalog.update(image_id, caller, lambda image: _tagged(image, name))
        resp.status = falcon.HTTP_204

    def on_delete(self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "modify_image", self._images.catalog.get(image_id, caller))
        self._images.catalog.update(image_id, caller, lambda image: _untagged(image, last_part(req, tag)))
        resp.status = falcon.HTTP_204


class ImageAction:
    """`/v2/images/{image_id}/actions/deactivate` or `.../reactivate`."""

    def __init__(self, images: Images, *, active: bool) -> None:
        self._images = images
        self._active = active

    def on_post(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "reactivate" if self._active else "deactivate", self._images.catalog.get(image_id, caller))
        self._images.catalog.set_active(image_id, caller, active=self._active)
        resp.status = falcon.HTTP_204


def _fitting(images: list[dict[str, object]]) -> list[dict[str, object]]:
    """The first images, at least one, that have LARGEST_PAGE bytes together."""
    sizes = itertools.accumulate(len(json.dumps(image, ensure_ascii=False).encode()) for image in images)
    return [
        image
        for number, (image, size) in enumerate(zip(images, sizes, strict=True))
        if not number or size <= LARGEST_PAGE
    ]


def _patched(image: ImageRecord, patch: patching.Patch, caller: Caller) -> NewImage:
    new = patching.apply(patch, image)
    if new.visibility != image.visibility and new.visibility in VISIBILITY_POLICIES:
        enforce(caller, VISIBILITY_POLICIES[new.visibility], image)
    return new


def _tagged(image: ImageRecord, tag: str) -> NewImage:
    tagged = dataclasses.replace(image, tags=attributes.few_enough(dict.fromkeys((*image.tags, tag))))
    attributes.small_enough(tagged, before=image)
    return tagged


def _untagged(image: ImageRecord, tag: str) -> NewImage:
    if tag not in image.tags:
        raise NoSuchTag("The image does not have that tag.")
    return dataclasses.replace(image, tags=tuple(each for each in image.tags if each != tag))
