"""The values that an image's attributes may have, in whichever request they are set: read strictly, never guessed.

A refusal names the attribute: a value of the wrong type, an unknown format, an attribute that only the service sets.
Additional properties are strings under any other name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from imgstore import errors
from imgstore.http.requests import is_image_id, shown
from imgstore.sql import Caller, NewImage

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
VISIBILITIES = ("private", "shared", "community", "public")
READ_ONLY = frozenset(
    {
        "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at",
        "self", "file", "schema", "stores", "direct_url", "locations",
    }
)  # fmt: skip
RESERVED = frozenset({"location", "deleted", "deleted_at"})
RESERVED_PREFIX = "os_glance_"
LONGEST_TEXT = 255
LONGEST_PROPERTY = 65535
MOST_PROPERTIES = MOST_TAGS = 128
LARGEST_DESCRIPTION = 512 * 1024
"""Bytes of all that a client says of an image, as JSON: twice the largest property, more than any real image has."""
LARGEST_MINIMUM = 2**31 - 1

Check = Callable[[str, Any], Any]


class TooMany(errors.RequestError):
    """More properties or tags than an image may have; as in Glance 413 and not 400."""

    status = 413
    code = "too-many-attributes"
    title = "Content Too Large"


class DescriptionTooLarge(errors.RequestError):
    """An image is described by more than LARGEST_DESCRIPTION bytes."""

    status = 413
    code = "description-too-large"
    title = "Content Too Large"


def refuse_protected_name(name: str) -> None:
    """Raises Forbidden for an attribute that is not the client's to set."""
    if name in READ_ONLY:
        raise errors.Forbidden(f"Attribute '{name}' is read-only.")
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        raise errors.Forbidden(f"Attribute {shown(name)} is reserved.")


def refuse_foreign_owner(owner: object, caller: Caller) -> None:
    """Raises Forbidden unless the caller may make `owner` the owner of an image."""
    if owner != caller.project_id and not caller.is_admin:
        raise errors.Forbidden("An image is owned by the project that creates it; only an admin gives it to another.")


def checked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an image: those of the API by their names, all others under `properties`. Raises
    InvalidRequest, TooMany."""
    known = {name: check(name, attributes[name]) for name, check in CHECKS.items() if name in attributes}
    others = {name: value for name, value in attributes.items() if name not in CHECKS}
    if len(others) > MOST_PROPERTIES:
        raise TooMany(f"An image has at most {MOST_PROPERTIES} additional properties, not {len(others)}.")
    return {**known, "properties": {property_name(name): property_value(name, others[name]) for name in others}}


def small_enough(image: NewImage, *, before: NewImage | None = None) -> NewImage:
    """The image. Raises DescriptionTooLarge; a description that was larger `before` may shrink step by step."""
    if _description_size(image) > max(LARGEST_DESCRIPTION, _description_size(before) if before else 0):
        raise description_too_large()
    return image


def description_too_large() -> DescriptionTooLarge:
    """The refusal, with its limit."""
    return DescriptionTooLarge(f"The properties, tags and names of an image have at most {LARGEST_DESCRIPTION} bytes.")


def _description_size(image: NewImage) -> int:
    texts = [image.name, image.owner, list(image.tags), dict(image.properties)]
    return len(json.dumps(texts, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def property_name(name: str) -> str:
    """The name of an additional property. Raises InvalidRequest."""
    if not name:
        raise errors.InvalidRequest("The name of a property must not be empty.")
    return text("the name of a property", name)


def property_value(name: str, value: object) -> str:
    """The value of an additional property. Raises InvalidRequest."""
    return text(name, value, LONGEST_PROPERTY)


def tag(value: object) -> str:
    """One tag. Raises InvalidRequest."""
    found = text("an element of tags", value)
    if not found:
        raise errors.InvalidRequest("An element of tags must not be empty.")
    return found


def few_enough(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags of one image. Raises TooMany."""
    found = tuple(tags)
    if len(found) > MOST_TAGS:
        raise TooMany(f"An image has at most {MOST_TAGS} tags, not {len(found)}.")
    return found


def _image_id(name: str, value: object) -> str:
    if not isinstance(value, str) or not is_image_id(value):
        raise _invalid(name, "a UUID", value)
    return value.lower()


def text(name: str, value: object, longest: int = LONGEST_TEXT) -> str:
    """A text that a database can keep. Raises InvalidRequest."""
    if not isinstance(value, str) or len(value) > longest or not storable(value):
        raise _invalid(name, f"a string of at most {longest} characters", value)
    return value


def _owner(name: str, value: object) -> str:
    if not text(name, value):
        raise errors.InvalidRequest("owner must not be empty.")
    return str(value)


def _optional_text(name: str, value: object) -> str | None:
    return None if value is None else text(name, value)


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _invalid(name, "true or false", value)
    return value


def _minimum(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_MINIMUM:
        raise _invalid(name, f"a number from 0 to {LARGEST_MINIMUM}", value)
    return value


def _one_of(*choices: str | None) -> Check:
    def check(name: str, value: object) -> object:
        if not (value is None or isinstance(value, str)) or value not in choices:
            raise _invalid(name, f"one of {', '.join(choice for choice in choices if choice)}", value)
        return value

    return check


def _tags(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _invalid(name, "a list of strings", value)
    return few_enough(dict.fromkeys(tag(each) for each in value))


def storable(value: str) -> bool:
    """Whether it has no zero character and no half of a surrogate pair, which JSON has and UTF-8 has not."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _invalid(name: str, wanted: str, value: object) -> errors.InvalidRequest:
    given = type(value).__name__ if isinstance(value, (list, dict)) else shown(json.dumps(value))
    return errors.InvalidRequest(f"{shown(name)} must be {wanted}, not {given}.")


CHECKS: Mapping[str, Check] = {
    "id": _image_id,
    "owner": _owner,
    "name": _optional_text,
    "visibility": _one_of(*VISIBILITIES),
    "protected": _boolean,
    "os_hidden": _boolean,
    "min_disk": _minimum,
    "min_ram": _minimum,
    "disk_format": _one_of(*DISK_FORMATS, None),
    "container_format": _one_of(*CONTAINER_FORMATS, None),
    "tags": _tags,
}
"""The checks of the attributes that a client may set, in the order in which they are made."""
