"""Images as the JSON of the Image API v2: the body of a POST, and an image as Glance writes it."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import falcon

from imgstore import errors
from imgstore.adapters.wsgi import INPUT_ERRORS
from imgstore.http import body_failure
from imgstore.service.api import attributes
from imgstore.sql import Caller, ImageRecord, NewImage

LARGEST_BODY = 1024 * 1024

SHOWN = (
    "id", "name", "status", "visibility", "owner", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
    "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden",
)  # fmt: skip


class BodyTooLarge(errors.RequestError):
    """A JSON body of more than LARGEST_BODY bytes."""

    status = 413
    code = "body-too-large"
    title = "Content Too Large"


def read_body(req: falcon.Request) -> bytes:
    """The whole body of a JSON request. Raises BodyTooLarge, BodyBroken, BodyStalled."""
    if req.content_length is None and not req.env.get("wsgi.input_terminated"):
        return b""
    try:
        body: bytes = req.env["wsgi.input"].read(LARGEST_BODY + 1)
    except INPUT_ERRORS as error:
        raise body_failure(error) from error
    if len(body) > LARGEST_BODY:
        raise BodyTooLarge(f"The body has more than {LARGEST_BODY} bytes.")
    return body


def parsed(body: bytes) -> object:
    """The JSON value. Raises InvalidRequest."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidRequest("The body is not valid JSON.") from error


def new_image(body: bytes, caller: Caller) -> NewImage:
    """The image that a POST describes, owned by the caller. Raises InvalidRequest; Forbidden for an attribute that the
    caller may not set."""
    given = parsed(body)
    if not isinstance(given, dict):
        raise errors.InvalidRequest("The body must be a JSON object.")
    for name in sorted(given):
        attributes.refuse_protected_name(name)
    if "owner" in given:
        attributes.refuse_foreign_owner(given["owner"], caller)
    known: dict[str, Any] = {"id": str(uuid.uuid4()), "owner": caller.project_id or "", **attributes.checked(given)}
    return attributes.small_enough(NewImage(**known))


def image_body(image: ImageRecord, stores: Sequence[str]) -> dict[str, object]:
    """An image as the API shows it, with the stores that have its data."""
    path = f"/v2/images/{image.id}"
    body: dict[str, object] = dict(image.properties)
    body.update({name: getattr(image, name) for name in SHOWN})
    body.update(tags=sorted(image.tags), created_at=time_of(image.created_at), updated_at=time_of(image.updated_at))
    if stores:
        body["stores"] = ",".join(stores)
    if image.copy_failed is not None:
        body["os_glance_importing_to_stores"] = ",".join(image.copying_to)
        body["os_glance_failed_import"] = ",".join(image.copy_failed)
    body.update({"self": path, "file": f"{path}/file", "schema": "/v2/schemas/image"})
    return body


def _refuse_constant(name: str) -> Callable[[], None]:
    raise ValueError(f"{name} is not JSON")


def time_of(moment: datetime.datetime) -> str:
    """A time as the API shows it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
