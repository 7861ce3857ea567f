"""`/v2/schemas/image`, `images`, `member`, `members`: JSON schemas, of which clients make their options and checks.

They use the same constants as the checks in `attributes`. Tasks and metadata definitions are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon

from imgstore.service.api import attributes
from imgstore.service.auth.noauth import caller_of
from imgstore.sql import MEMBER_STATUSES

STATUSES = ("queued", "saving", "active", "deactivated")
UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"


class Schema:
    """Answers GET with one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = dict(schema)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        caller_of(req.env)
        resp.media = self._schema


def image_properties() -> dict[str, dict[str, Any]]:
    """The attributes of an image, by name."""
    return {
        "id": {"type": "string", "description": "An identifier for the image", "pattern": UUID},
        "name": _text("Descriptive name for the image", attributes.LONGEST_TEXT, null=True),
        "visibility": _choice("Scope of image accessibility", attributes.VISIBILITIES),
        "owner": _text("Owner of the image", attributes.LONGEST_TEXT, null=True),
        "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
        "os_hidden": {
            "type": "boolean",
            "description": "If true, image will not appear in default image list response.",
        },
        "disk_format": _choice("Format of the disk", attributes.DISK_FORMATS, null=True),
        "container_format": _choice("Format of the container", attributes.CONTAINER_FORMATS, null=True),
        "min_disk": _minimum("Amount of disk space (in GB) required to boot image."),
        "min_ram": _minimum("Amount of ram (in MB) required to boot image."),
        "tags": {
            "type": "array",
            "description": "List of strings related to the image",
            "items": {"type": "string", "minLength": 1, "maxLength": attributes.LONGEST_TEXT},
        },
        "status": {**_choice("Status of the image", STATUSES), "readOnly": True},
        "checksum": _told(_text("md5 hash of image contents.", 32, null=True)),
        "os_hash_algo": _told(_text("Algorithm to calculate the os_hash_value", 64, null=True)),
        "os_hash_value": _told(_text("Hexdigest of the image contents by os_hash_algo", 128, null=True)),
        "size": _told({"type": ["null", "integer"], "description": "Size of image file in bytes"}),
        "virtual_size": _told({"type": ["null", "integer"], "description": "Virtual size of image in bytes"}),
        "created_at": _told({"type": "string", "description": "Date and time of image registration"}),
        "updated_at": _told({"type": "string", "description": "Date and time of the last image modification"}),
        "stores": _told({"type": "string", "description": "Stores that have the image's data, separated by commas"}),
        "self": _told({"type": "string", "description": "An image self url"}),
        "file": _told({"type": "string", "description": "An image file url"}),
        "schema": _told({"type": "string", "description": "An image schema url"}),
    }


def image_schema() -> dict[str, Any]:
    """The schema of an image: any further property is a string."""
    return {
        "name": "image",
        "properties": image_properties(),
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def images_schema() -> dict[str, Any]:
    """The schema of a list of images."""
    return {
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": image_schema()},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def member_properties() -> dict[str, dict[str, Any]]:
    """What is told of a member of a shared image, by name."""
    return {
        "member_id": {"type": "string", "description": "An identifier for the image member"},
        "image_id": {"type": "string", "description": "An identifier for the image", "pattern": UUID},
        "status": _choice("The status of this image member", MEMBER_STATUSES),
        "created_at": {"type": "string", "description": "Date and time of image member creation"},
        "updated_at": {"type": "string", "description": "Date and time of last modification of image member"},
        "schema": _told({"type": "string"}),
    }


def member_schema() -> dict[str, Any]:
    """The schema of a member."""
    return {"name": "member", "properties": member_properties()}


def members_schema() -> dict[str, Any]:
    """The schema of the list of an image's members."""
    return {
        "name": "members",
        "properties": {"members": {"type": "array", "items": member_schema()}, "schema": {"type": "string"}},
        "links": [{"rel": "describedby", "href": "{schema}"}],
    }


def _text(description: str, longest: int, *, null: bool) -> dict[str, Any]:
    return {"type": ["null", "string"] if null else "string", "description": description, "maxLength": longest}


def _choice(description: str, choices: tuple[str, ...], *, null: bool = False) -> dict[str, Any]:
    kind, values = (["null", "string"], [None, *choices]) if null else ("string", [*choices])
    return {"type": kind, "description": description, "enum": values}


def _minimum(description: str) -> dict[str, Any]:
    return {"type": "integer", "description": description, "minimum": 0, "maximum": attributes.LARGEST_MINIMUM}


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "readOnly": True}
