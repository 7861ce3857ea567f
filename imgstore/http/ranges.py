"""Which bytes of an image a request asks for, if any: Range, If-Range, If-Match, If-None-Match (RFC 9110).

Two deviations come from the Image API: a malformed header is refused with 416 instead of being ignored, and old clients
send their range as Content-Range. Multiple ranges in one request are refused, a unit other than bytes is ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imgstore import errors
from imgstore.http.requests import Headers, header, shown

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,32})-([0-9]{0,32})", re.ASCII | re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes[ \t]+([0-9]{1,32})-([0-9]{1,32})/([0-9]{1,32}|\*)", re.ASCII | re.IGNORECASE)
_OTHER_UNIT = re.compile(r"(?!bytes=)[!#$%&'*+.^_`|~0-9A-Za-z-]+=.*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `stop` (exclusive) of an object of `size` bytes; never empty."""

    start: int
    stop: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of Content-Range that announces these bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


def entity_tag(hash_value: str | None) -> str | None:
    """The strong ETag of an image: its multihash, quoted; None for an image without one."""
    return None if hash_value is None else f'"{hash_value}"'


def require_match(headers: Headers, etag: str | None) -> None:
    """Raises PreconditionFailed if If-Match names other entity tags than the image's (strong comparison)."""
    wanted = header(headers, "if-match")
    if wanted is None or wanted == "*" or ("", etag) in _TAG.findall(wanted):
        return
    raise errors.PreconditionFailed("If-Match names another image than the one that is here now.")


def not_modified(headers: Headers, etag: str | None) -> bool:
    """Whether If-None-Match names the image's ETag (weak comparison) or is `*`."""
    wanted = header(headers, "if-none-match")
    if wanted is None:
        return False
    return wanted == "*" or etag in (tag for _, tag in _TAG.findall(wanted))


def requested(headers: Headers, size: int, *, etag: str | None) -> Span | None:
    """The requested range of an image of `size` bytes; None: the whole image.

    Raises InvalidRequest for multiple ranges, RangeNotSatisfiable for a malformed range or one without any byte.
    """
    condition = header(headers, "if-range")
    if condition not in (None, etag):
        return None  # compared strongly; a date never matches, since no answer has Last-Modified
    value = header(headers, "range")
    if value is not None and _OTHER_UNIT.fullmatch(value):
        return None
    if value is not None:
        return _from_range(value, size)
    if (value := header(headers, "content-range")) is not None:
        return _from_content_range(value, size)
    return None


def _from_range(value: str, size: int) -> Span:
    if "," in value:
        raise errors.InvalidRequest("Multiple ranges are not supported: request one range at a time.")
    match = _RANGE.fullmatch(value)
    if match is None:
        raise _refusal(f"Range {shown(value)} is malformed.", size)
    first, last = match.groups()
    if first:
        return _span(int(first), int(last) + 1 if last else size, size, value)
    return _span(max(0, size - int(last or 0)), size, size, value)


def _from_content_range(value: str, size: int) -> Span:
    match = _CONTENT_RANGE.fullmatch(value)
    if match is None:
        raise _refusal(f"Content-Range {shown(value)} is malformed.", size)
    first, last, total = match.groups()
    if int(last) >= size or (total != "*" and int(total) != size):
        raise _refusal(f"Content-Range {shown(value)} does not match the image's size of {size} bytes.", size)
    return _span(int(first), int(last) + 1, size, value)


def _span(start: int, stop: int, size: int, value: str) -> Span:
    if stop <= start or start >= size:
        raise _refusal(f"Range {shown(value)} selects none of the image's {size} bytes.", size)
    return Span(start, min(stop, size), size)


def _refusal(message: str, size: int) -> errors.RangeNotSatisfiable:
    return errors.RangeNotSatisfiable(message, size=size)
