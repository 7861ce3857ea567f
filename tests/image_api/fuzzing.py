"""What schemathesis is told besides the document (SCHEMATHESIS_HOOKS): how a JSON patch is written, and real images.

Of the requests for one image most are turned to one that is there, so that they get past 404; every other one has data.
"""

from __future__ import annotations

import itertools
import urllib.parse
import uuid
from typing import Any

import schemathesis

from imgstore.service.api.patch import MEDIA_TYPES
from tests.support.client import Client

PROJECT = "fuzz"
SPARED = 5
FRAMING = ("transfer-encoding", "content-length", "connection", "expect", "upgrade")
"""Headers that schemathesis makes up by chance and that frame the message: the server answers to those, not the API."""
NUMBERS = itertools.count(1)

schemathesis.serializer.alias(list(MEDIA_TYPES), "application/json")


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Turns the request to a real image, unless it is every fifth, or is meant for what cannot be an image."""
    for name in [each for each in case.headers or () if each.lower() in FRAMING]:
        case.headers.pop(name)
    wanted, number = str((case.path_parameters or {}).get("image_id", "")), next(NUMBERS)
    if number % SPARED == 0 or not _is_identifier(wanted):
        return
    parts = urllib.parse.urlsplit(case.operation.schema.location or "")
    client = Client(f"http://{parts.netloc}", project=PROJECT)
    if client.get(f"/v2/images/{wanted}").status != 200:
        case.path_parameters["image_id"] = _image(client, uploaded=number % 2 == 0)
    case.headers["X-Project-Id"] = PROJECT
    if number % 3 == 0:
        case.headers.pop("X-Image-Meta-Store", None)
        case.headers.pop("x-openstack-image-size", None)


def _is_identifier(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _image(client: Client, *, uploaded: bool) -> str:
    image_id = client.create(tags=["a"], os_type="linux")
    if uploaded:
        client.upload(image_id, b"data")
    return image_id
