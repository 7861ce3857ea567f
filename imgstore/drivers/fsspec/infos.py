"""fsspec's `info` becomes the library's: a dictionary that every filesystem fills as it likes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from imgstore import errors
from imgstore.model import ObjectInfo

_TAGS = ("ETag", "etag", "generation", "versionId", "version_id", "content_md5", "md5Hash", "checksum")
"""What a storage tells of an object by which another one differs."""
_MARKS = (("ino", "mtime"), ("modified", "last_modified", "LastModified", "updated"), ("created",))
"""The same, where it has no such tag: the first of these of which any is there."""
_TIMES = ("mtime", "modified", "last_modified", "LastModified", "updated", "created")


def is_file(info: Mapping[str, Any]) -> bool:
    """Whether it is neither a directory nor something else."""
    return info.get("type") == "file"


def base_name(info: Mapping[str, Any]) -> str:
    """The last part of its path."""
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def size_of(info: Mapping[str, Any]) -> int:
    """Bytes. Raises StoreUnavailable where the filesystem does not say."""
    size = info.get("size")
    if size is None:
        raise errors.StoreUnavailable("Image storage does not tell the size of an object.")
    return int(size)


def described(key: str, info: Mapping[str, Any]) -> ObjectInfo:
    """What the library says of an object."""
    return ObjectInfo(key, size_of(info), etag=etag_of(info), modified=modified(info))


def etag_of(info: Mapping[str, Any]) -> str:
    """The storage's own tag; else all that tells an object from another, and its size."""
    for name in _TAGS:
        if tag := info.get(name):
            return str(tag).strip('"')
    groups = ([_text(info[name]) for name in names if info.get(name) is not None] for names in _MARKS)
    return "-".join([*next(filter(None, groups), []), str(info.get("size"))])


def modified(info: Mapping[str, Any]) -> float | None:
    """Seconds since the epoch; None where the filesystem does not say."""
    return next((seconds for name in _TIMES if (seconds := _seconds(info.get(name))) is not None), None)


def _seconds(time: object) -> float | None:
    if isinstance(time, datetime.datetime):
        return (time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)).timestamp()
    return float(time) if isinstance(time, (int, float)) else None


def _text(mark: object) -> str:
    seconds = _seconds(mark)
    return str(mark).replace(" ", "_") if seconds is None else repr(seconds).removesuffix(".0")
