"""What the headers of an answer say of an object: size, ETag, age, and which range of it follows."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping

from imgstore import errors
from imgstore.model import ObjectInfo

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


def number(headers: Mapping[str, str], name: str) -> int | None:
    """A number in a header; None where it is missing or is none."""
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None


def etag_in(headers: Mapping[str, str]) -> str | None:
    """The ETag without its quotes."""
    return headers.get("etag", "").strip('"') or None


def expect(etag: str, headers: Mapping[str, str]) -> None:
    """Raises IntegrityError where the answer has another ETag."""
    told = etag_in(headers)
    if told != etag:
        raise errors.IntegrityError("The store says that it holds other bytes than were sent.", detail=f"ETag {told}")


def info_of(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """What is said of the whole object, by an answer with a part of it too. Raises IntegrityError if it is no size."""
    ranged = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    size = int(ranged[3]) if ranged else number(headers, "content-length")
    if size is None:
        raise errors.IntegrityError("The store does not tell the object's size.")
    return ObjectInfo(key, size, etag=etag_in(headers), modified=modified(headers))


def range_of(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Where the part that follows begins, and where it ends (exclusive); None if that is not said."""
    ranged = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    return None if ranged is None or ranged[1] is None else (int(ranged[1]), int(ranged[2]) + 1)


def modified(headers: Mapping[str, str]) -> float | None:
    """When the object was stored, in seconds since the epoch."""
    timestamp = headers.get("x-timestamp", "")
    if re.fullmatch(r"\d+(\.\d+)?", timestamp):
        return float(timestamp)
    try:
        return email.utils.parsedate_to_datetime(headers["last-modified"]).timestamp()
    except (KeyError, ValueError):
        return None
