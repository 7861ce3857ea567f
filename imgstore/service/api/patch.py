"""PATCH of an image: a JSON patch (RFC 6902) on what a client may change of it, in the two notations of the Image API.

`openstack-images-v2.1-json-patch` is `{"op": "replace", "path": "/name", "value": "n"}`, v2.0 the older
`{"replace": "/name", "value": "n"}`, whose `add` refuses what is there already. Paths are one attribute deep, two for
an element of `tags`. All operations of the RFC are taken, since clients that compute a difference also send `move`. An
operation on an attribute that the client may not change is refused before anything is applied.

A patch cannot grow what it does not carry: a list is copied nowhere, and the size is looked at after each operation.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonpatch
import jsonpointer

from imgstore import errors
from imgstore.http.requests import shown
from imgstore.service.api import attributes
from imgstore.service.api.bodies import parsed
from imgstore.sql import Caller, ImageRecord, NewImage

V20 = "application/openstack-images-v2.0-json-patch"
V21 = "application/openstack-images-v2.1-json-patch"
MEDIA_TYPES = (V20, V21)

MOST_OPERATIONS = 1000
VALUES = frozenset({"add", "replace", "test"})
SOURCES = frozenset({"move", "copy"})
OPERATIONS = VALUES | SOURCES | {"remove"}
OLD_OPERATIONS = ("add", "replace", "remove")
ELEMENT = re.compile(r"-|0|[1-9][0-9]{0,5}")
"""How an element of a list is named. No list of an image has more; some versions of jsonpointer fail on other names."""
CHANGEABLE = tuple(name for name in attributes.CHECKS if name != "id")


class UnsupportedPatch(errors.RequestError):
    """The body of a PATCH is not announced as one of MEDIA_TYPES."""

    status = 415
    code = "unsupported-patch"
    title = "Unsupported Media Type"


class PatchConflict(errors.RequestError):
    """The patch does not fit the image: it replaces or removes something that is not there, or a test failed."""

    status = 409
    code = "patch-conflict"
    title = "Conflict"


@dataclass(frozen=True, slots=True)
class Patch:
    """Well-formed operations on attributes that may be changed. `fresh`: names that must not be there yet."""

    operations: Sequence[Mapping[str, Any]]
    fresh: frozenset[str] = frozenset()


def read(body: bytes, media_type: str, caller: Caller) -> Patch:
    """The patch in a request. Raises UnsupportedPatch, InvalidRequest, Forbidden."""
    if media_type not in MEDIA_TYPES:
        raise UnsupportedPatch(f"The Content-Type must be one of {', '.join(MEDIA_TYPES)}, not {shown(media_type)}.")
    items = parsed(body)
    if not isinstance(items, list) or len(items) > MOST_OPERATIONS:
        raise errors.InvalidRequest(f"The body must be a JSON array of at most {MOST_OPERATIONS} operations.")
    operations = [_modern(item) if media_type == V20 else item for item in items]
    for operation in operations:
        _check(operation, caller)
    added = {_names(each["path"])[0] for each in operations if media_type == V20 and each["op"] == "add"}
    return Patch(operations, frozenset(added))


def apply(patch: Patch, image: ImageRecord) -> NewImage:
    """The image's description after the patch. Raises PatchConflict, InvalidRequest; then the patch has no effect."""
    document = _document(image)
    present = patch.fresh & {name for name, value in document.items() if value not in (None, [])}
    if present:
        raise PatchConflict(f"Attribute {shown(min(present))} is present already.")
    values = attributes.checked(_applied(patch, document))
    return attributes.small_enough(dataclasses.replace(NewImage(image.id, image.owner), **values), before=image)


def _applied(patch: Patch, document: dict[str, Any]) -> dict[str, Any]:
    largest = max(attributes.LARGEST_DESCRIPTION, _length(document))
    # A copy: jsonpatch puts the patch's own values into the document, where a later operation may change them.
    for operation in copy.deepcopy(list(patch.operations)):
        _apply_one(operation, document)
        if _length(document) > largest:
            raise attributes.description_too_large()
    return document


def _apply_one(operation: Mapping[str, Any], document: dict[str, Any]) -> None:
    source = operation.get("from")
    if source is not None and isinstance(document.get(_names(source)[0]), list) and len(_names(source)) == 1:
        raise errors.InvalidRequest(f"The list {shown(source)} can be copied to no other attribute.")
    try:
        jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
    except (jsonpatch.JsonPatchConflict, jsonpatch.JsonPatchTestFailed) as error:
        raise PatchConflict(f"The patch does not fit the image: {_reason(error)}.") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise errors.InvalidRequest(f"The patch cannot be applied: {_reason(error)}.") from error


def _length(document: Mapping[str, Any]) -> int:
    """The characters of all names and texts: a bound that is cheap enough for each operation."""
    return sum(len(name) + _length_of(value) for name, value in document.items())


def _length_of(value: object) -> int:
    return sum(len(str(each)) for each in value) if isinstance(value, list) else len(str(value))


def _reason(error: Exception) -> str:
    return ascii(str(error)[:120])[1:-1]


def _document(image: ImageRecord) -> dict[str, Any]:
    """What a patch sees: the attributes that can be changed, as the API shows them."""
    document: dict[str, Any] = dict(image.properties)
    document.update({name: getattr(image, name) for name in CHANGEABLE})
    return {**document, "tags": sorted(image.tags)}


def _modern(item: object) -> dict[str, object]:
    """An operation of the older notation in the present one."""
    if not isinstance(item, dict):
        raise errors.InvalidRequest("Operations must be JSON objects.")
    found = [name for name in OLD_OPERATIONS if name in item]
    if len(found) != 1:
        raise errors.InvalidRequest(f"An operation must have exactly one of the members {', '.join(OLD_OPERATIONS)}.")
    value = {"value": item["value"]} if "value" in item else {}
    return {"op": found[0], "path": item[found[0]], **value}


def _check(operation: object, caller: Caller) -> None:
    if not isinstance(operation, dict):
        raise errors.InvalidRequest("Operations must be JSON objects.")
    kind = operation.get("op")
    if not isinstance(kind, str) or kind not in OPERATIONS:
        raise errors.InvalidRequest(f"op must be one of {', '.join(sorted(OPERATIONS))}.")
    for path in _paths(operation, kind):
        attributes.refuse_protected_name(path[0])
        _refuse_fixed(path[0])
    names = _names(operation["path"])
    if kind in VALUES:
        _check_value(operation, kind, names, caller)
    _refuse_removal(operation, kind)
    if kind in SOURCES:
        _check_source(_names(operation["from"]), names)


def _paths(operation: Mapping[str, object], kind: str) -> Iterator[list[str]]:
    for member in ("path", "from") if kind in SOURCES else ("path",):
        if member not in operation:
            raise errors.InvalidRequest(f"Operation {kind} requires a member named {member}.")
        yield _names(operation[member])


def _names(path: object) -> list[str]:
    """The parts of a JSON pointer. Raises InvalidRequest unless it is of an attribute of an image."""
    if not isinstance(path, str):
        raise errors.InvalidRequest("The path of an operation must be a string.")
    try:
        names = list(jsonpointer.JsonPointer(path).parts)
    except jsonpointer.JsonPointerException as error:
        raise errors.InvalidRequest(f"The path {shown(path)} is not a JSON pointer.") from error
    if len(names) > 1:
        attributes.refuse_protected_name(names[0])  # `/locations/-` is as read-only as `/locations`
    if not (len(names) == 1 or (len(names) == 2 and names[0] == "tags")) or not names[0]:
        raise errors.InvalidRequest(f"The path {shown(path)} is not of an attribute of an image.")
    if not all(ELEMENT.fullmatch(each) for each in names[1:]):
        raise errors.InvalidRequest(f"The path {shown(path)} is not of an element of a list.")
    return names


def _refuse_fixed(name: str) -> None:
    if name == "id":
        raise errors.Forbidden("Attribute 'id' is read-only.")


def _check_source(source: list[str], names: list[str]) -> None:
    if names[0] == "owner":
        raise errors.Forbidden("Attribute 'owner' takes no value of another attribute.")
    if source[1:] == ["-"]:
        raise errors.InvalidRequest("There is nothing to move or copy behind the last element of a list.")


def _refuse_removal(operation: Mapping[str, Any], kind: str) -> None:
    removed = {"remove": "path", "move": "from"}.get(kind)
    names = _names(operation[removed]) if removed else []
    if len(names) == 1 and names[0] in CHANGEABLE:
        raise errors.Forbidden(f"Attribute '{names[0]}' may not be removed.")


def _check_value(operation: Mapping[str, object], kind: str, names: list[str], caller: Caller) -> None:
    if "value" not in operation:
        raise errors.InvalidRequest(f"Operation {kind} requires a member named value.")
    value = operation["value"]
    if len(names) == 2:
        attributes.tag(value)
        return
    attributes.checked({names[0]: value})
    if names[0] == "owner" and kind != "test":
        attributes.refuse_foreign_owner(value, caller)
