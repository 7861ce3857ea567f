"""What Swift answers: headers in lower case, bodies that are still to be read, lines of listings.

Headers tell of an object its size, ETag and age, and which range of it follows.
"""

from __future__ import annotations

import datetime
import email.utils
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from imgstore import errors
from imgstore.driver.deadline import Pace
from imgstore.drivers.swift.errors import from_transport
from imgstore.model import ObjectInfo

Headers = Mapping[str, str]
NO_HEADERS: Headers = {}
BLOCK = 256 * 1024
TRANSPORT_FAILURES = (requests.RequestException, HTTPError, OSError)

_OF_AN_OBJECT = frozenset({"etag", "x-timestamp", "last-modified"})
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A line of a listing; `modified` in seconds since the epoch."""

    name: str
    size: int
    etag: str
    modified: float

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> ListedObject:
        """The object in a line of JSON."""
        told = line["last_modified"].removesuffix("Z")  # Ceph's gateway has it, and Python 3.10 does not know it
        modified = datetime.datetime.fromisoformat(told).replace(tzinfo=datetime.timezone.utc)
        etag = line.get("slo_etag") or line["hash"]
        return cls(line["name"], line["bytes"], etag.strip('"'), modified.timestamp())


class Stream:
    """An answer whose body is still to be read; None for one without. `close` it, also in the middle. `pace` bounds
    the wait for a piece."""

    def __init__(self, status: int, headers: Headers, body: Any, *, pace: Pace, returned: Callable[[], None]) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._pace = pace
        self._returned: Callable[[], None] | None = returned
        self._left = number(headers, "content-length")

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes, at most BLOCK; b"" at the end. Raises StoreUnavailable."""
        if self._body is None:
            return b""
        try:
            with self._pace:
                data: bytes = self._body.read(min(size, BLOCK))
        except TRANSPORT_FAILURES as error:
            raise from_transport(error, "reading") from None
        if self._left is not None:
            self._left -= len(data)
        return data

    def close(self) -> None:
        """Ends the body; a no-op the second time."""
        returned, self._returned = self._returned, None
        if returned is None:
            return
        try:
            if self._left == 0:
                self.read(1)  # which finds the end, so that the connection is kept
            if self._body is not None:
                self._body.close()
        finally:
            returned()


def headers_in(answer: Mapping[str, Any]) -> Headers:
    """The headers that swiftclient left in its `response_dict`."""
    return {name.lower(): value for name, value in answer["headers"].items()}


def number(headers: Headers, name: str) -> int | None:
    """A number in a header; None where the header is missing or holds none."""
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None


def etag_in(headers: Headers) -> str | None:
    """The ETag without its quotes; of a weak one too, as proxies make them that may compress."""
    return headers.get("etag", "").removeprefix("W/").strip('"') or None


def expect_etag(etag: str, headers: Headers) -> None:
    """Raises IntegrityError where the answer has another ETag."""
    told = etag_in(headers)
    if told != etag:
        raise errors.IntegrityError("The store says that it holds other bytes than were sent.", detail=f"ETag {told}")


def info_of(key: str, headers: Headers) -> ObjectInfo:
    """What an answer says of the whole object, also before a part of it. Raises StoreUnavailable if it is of no object,
    but a proxy's own page, IntegrityError if it tells no size."""
    if not _OF_AN_OBJECT & headers.keys():
        raise errors.StoreUnavailable("Image storage gave an answer that is of no object.")
    ranged = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    size = int(ranged[3]) if ranged else number(headers, "content-length")
    if size is None:
        raise errors.IntegrityError("The store does not tell the object's size.")
    return ObjectInfo(key, size, etag=etag_in(headers), modified=modified(headers))


def range_of(headers: Headers) -> tuple[int, int] | None:
    """Where the part that follows begins, and where it ends (exclusive); None if the answer does not tell."""
    ranged = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    return None if ranged is None or ranged[1] is None else (int(ranged[1]), int(ranged[2]) + 1)


def modified(headers: Headers) -> float | None:
    """When the object was stored, in seconds since the epoch."""
    timestamp = headers.get("x-timestamp", "")
    if re.fullmatch(r"\d+(\.\d+)?", timestamp):
        return float(timestamp)
    try:
        return email.utils.parsedate_to_datetime(headers["last-modified"]).timestamp()
    except (KeyError, ValueError):
        return None


def server_time(headers: Headers) -> float:
    """The server's clock when it answered, in seconds since the epoch; this machine's if it does not tell."""
    try:
        return email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()
