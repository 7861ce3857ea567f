"""Objects of one folder of one bucket: which of them are this store's, and what the server says of one.

A key `k` is the object `prefix + k`. Names with a leading dot are the driver's own, since no key has one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.driver import deadline, is_key
from imgstore.drivers.s3.requests import MARKER, Requests, etag_of
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef

PROBE = ".imgstore-probe-"
"""How the name of a check's object begins, which no image can have."""
LATE = 1.0
"""Seconds until the second look for an object whose request got no answer."""
_PROBE = re.compile(re.escape(PROBE) + r"[0-9a-f]{16}", re.ASCII)


def is_probe(name: str) -> bool:
    """Whether an object of this name in the folder is one that a check made."""
    return _PROBE.fullmatch(name) is not None


def is_own(name: str) -> bool:
    """Whether an object of this name in the folder is this store's."""
    return is_key(name) or is_probe(name)


def look_up(requests: Requests, key: str) -> ObjectInfo:
    """An object's description. Raises ObjectNotFound, StoreUnavailable."""
    found = requests.head_object(key)
    return ObjectInfo(key, found["ContentLength"], etag_of(found), found["LastModified"].timestamp())


def marked(requests: Requests, key: str, marker: str) -> HeadObjectOutputTypeDef | None:
    """What the server says of the object under `key`; None unless a writer with this `marker` wrote it. Raises
    StoreUnavailable, WrongPlace."""
    try:
        found = requests.head_object(key, checksums=True)
    except errors.ObjectNotFound:
        requests.prove_place()
        return None
    return found if found.get("Metadata", {}).get(MARKER) == marker else None


def remove_marked(requests: Requests, key: str, marker: str) -> None:
    """Removes the object under `key` if a writer with this `marker` wrote it, also if it appears late. Raises
    StoreUnavailable, WrongPlace. A bucket that keeps versions keeps none of it."""
    found = marked(requests, key, marker)
    if found is None:
        deadline.pause(LATE)
        found = marked(requests, key, marker)
    if found is not None:
        requests.delete_object(key, found.get("VersionId"))
