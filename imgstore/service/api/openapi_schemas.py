"""The schemas of the OpenAPI document: what bodies look like. Made of the same constants as the checks themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgstore.service.api import attributes, patch
from imgstore.service.api.import_resource import METHODS
from imgstore.service.api.schemas import image_properties, member_properties
from imgstore.sql import MEMBER_STATUSES

Schema = dict[str, Any]

ALWAYS = (
    "id", "name", "status", "visibility", "owner", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
    "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden", "tags", "created_at",
    "updated_at", "self", "file", "schema",
)  # fmt: skip
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES: Schema = {"const": "true"}


def schemas() -> dict[str, Schema]:
    """The components by name."""
    return {
        "Image": {**_object(image_properties(), ALWAYS), "additionalProperties": TEXT},
        "NewImage": _new_image(),
        "Images": _object(
            {"images": _list(ref("Image")), "first": TEXT, "next": TEXT, "schema": TEXT}, ("images", "first", "schema")
        ),
        "Patch": _list({"oneOf": [_operation(kind) for kind in sorted(patch.OPERATIONS)]}, patch.MOST_OPERATIONS),
        "OldPatch": _list({"oneOf": [_old_operation(kind) for kind in patch.OLD_OPERATIONS]}, patch.MOST_OPERATIONS),
        "Member": _whole(member_properties()),
        "Members": _whole({"members": _list(ref("Member")), "schema": TEXT}),
        "NewMember": _whole({"member": {"type": "string", "minLength": 1, "maxLength": attributes.LONGEST_TEXT}}),
        "MemberStatus": _whole({"status": {"enum": [*MEMBER_STATUSES]}}),
        "Import": _import(),
        "Error": _whole({"code": TEXT, "title": TEXT, "message": TEXT}),
        "Versions": _whole({"versions": _list(_version())}),
        "Stores": _whole({"stores": _list(_store())}),
        "StoresDetail": _whole({"stores": _list(_store(detail=True))}),
        "ImportInfo": _whole({"import-methods": _whole({"description": TEXT, "type": TEXT, "value": _list(TEXT)})}),
        "Usage": _whole({"usage": {"type": "object", "additionalProperties": _usage()}}),
        "Health": _whole(_health()),
        "Readiness": _object({**_health(), **_needed()}, (*_health(), "catalog", "ledger")),
        "JsonSchema": _object({"name": TEXT, "properties": {"type": "object"}}, ("name", "properties")),
    }


def ref(name: str) -> Schema:
    """A reference to the component of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _new_image() -> Schema:
    settable = {name: schema for name, schema in image_properties().items() if not schema.get("readOnly")}
    settable["tags"] = {**settable["tags"], "maxItems": attributes.MOST_TAGS}
    settable["owner"] = {"type": "string", "minLength": 1, "maxLength": attributes.LONGEST_TEXT}
    return {
        **_object(settable, ()),
        "additionalProperties": {"type": "string", "maxLength": attributes.LONGEST_PROPERTY},
    }


def _import() -> Schema:
    stores = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True}
    method = {**_whole({"name": {"enum": [*METHODS]}}), "additionalProperties": False}
    flag: Schema = {"type": "boolean"}
    members = {"method": method, "stores": stores, "all_stores": flag, "all_stores_must_succeed": flag}
    return {**_object(members, ("method",)), "additionalProperties": False}


def _operation(kind: str) -> Schema:
    members: dict[str, Schema] = {"op": {"const": kind}, "path": _pointer()}
    if kind in patch.VALUES:
        members["value"] = {}
    if kind in patch.SOURCES:
        members["from"] = _pointer()
    return _object(members, tuple(members))


def _old_operation(kind: str) -> Schema:
    members: dict[str, Schema] = {kind: _pointer()}
    if kind != "remove":
        members["value"] = {}
    others = [{"required": [other]} for other in patch.OLD_OPERATIONS if other != kind]
    return {**_object(members, tuple(members)), "not": {"anyOf": others}}


def _pointer() -> Schema:
    names = [f"/{name}" for name in (*patch.CHANGEABLE, "tags/-", "os_type", "os_version")]
    return {"type": "string", "pattern": "^/", "examples": names}


def _version() -> Schema:
    links = _list(_whole({"rel": TEXT, "href": TEXT}))
    return _whole({"id": TEXT, "status": {"enum": ["CURRENT", "SUPPORTED"]}, "links": links})


def _store(*, detail: bool = False) -> Schema:
    flag = {"const": "true"}
    told: dict[str, Schema] = {"id": TEXT, "description": TEXT, "default": flag, "read-only": flag}
    if not detail:
        return _object(told, ("id",))
    space = _object({"total_bytes": COUNT, "free_bytes": COUNT}, ())
    return _object({**told, "type": TEXT, "weight": {"type": "integer"}, "properties": space}, ("id", "type", "weight"))


def _health() -> dict[str, Schema]:
    return {"status": {"enum": ["up", "degraded", "down"]}, "stores": _list(_found({"id": TEXT}, {"default": YES}))}


def _needed() -> dict[str, Schema]:
    threads = _whole({"busy": COUNT, "size": COUNT})
    return {"catalog": _found({}, {}), "ledger": _found({}, {}), "threads": threads}


def _found(name: dict[str, Schema], marks: dict[str, Schema]) -> Schema:
    seconds = {"type": "number", "minimum": 0}
    told: dict[str, Schema] = {
        **name, "status": {"enum": ["up", "down"]}, "checked_seconds_ago": seconds, "check_seconds": seconds,
    }  # fmt: skip
    return _object({**told, **marks, "reason": TEXT}, tuple(told))


def _usage() -> Schema:
    return _whole({"usage": COUNT, "limit": {"type": "integer", "minimum": -1}})


def _list(items: Schema, most: int | None = None) -> Schema:
    return {"type": "array", "items": items, **({} if most is None else {"maxItems": most})}


def _whole(properties: Mapping[str, Schema]) -> Schema:
    return _object(properties, tuple(properties))


def _object(properties: Mapping[str, Schema], required: tuple[str, ...]) -> Schema:
    body: Schema = {"type": "object", "properties": dict(properties)}
    return {**body, "required": list(required)} if required else body
