"""Dynamic large objects, whose manifest names a prefix: all of their segments, found by listing them.

Where there are more segments than one listing has, Swift tells neither size nor ETag, and takes no range beyond the
first listing. Such an object is read segment by segment. Each segment is pinned by its own ETag, and the whole by the
md5 of the segments' ETags, which is Swift's own ETag of shorter ones (never short). Memory: the listing, some 200 bytes
a segment.
"""

from __future__ import annotations

import bisect
import itertools

from imgstore import errors
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import Headers, ListedObject, Stream, info_of
from imgstore.drivers.swift.errors import Passing
from imgstore.drivers.swift.manifest import Segment, etag_of
from imgstore.model import ObjectInfo


def is_dynamic(headers: Headers) -> bool:
    """Whether the object is the manifest of a dynamic large object."""
    return "x-object-manifest" in headers


def is_long(headers: Headers) -> bool:
    """Whether it is one of which Swift does not tell the size: then the ETag is the manifest's own, without quotes, and
    the length of an answer to HEAD is 0."""
    return is_dynamic(headers) and not headers.get("etag", "").removeprefix("W/").startswith('"')


def described(account: AccountClient, path: Path, headers: Headers) -> ObjectInfo:
    """What the object is that has these headers, of whatever kind."""
    if is_long(headers):
        return listed(account, path, headers).info
    return info_of(path[1], headers)


def place_of_segments(headers: Headers) -> Path:
    """The container of a dynamic object's segments, and how their names begin."""
    container, _, prefix = headers["x-object-manifest"].partition("/")
    return container, prefix


def listed(account: AccountClient, path: Path, headers: Headers) -> DynamicObject:
    """The object whose manifest has these headers. Raises ObjectNotFound if its container of segments is gone."""
    container, prefix = place_of_segments(headers)
    found = [each for each in account.objects(container, prefix=prefix) if (container, each.name) != path]
    return DynamicObject(account, path[1], container, found)


class DynamicObject:
    """A dynamic large object by its segments; called, it opens a range, by one try."""

    def __init__(self, account: AccountClient, key: str, container: str, found: list[ListedObject]) -> None:
        self._account = account
        self.patience = account.patience
        self.segments = [Segment(container, each.name, each.size, each.etag) for each in found]
        self._ends = list(itertools.accumulate(each.size for each in found))
        newest = max((each.modified for each in found), default=None)
        etag = etag_of([each.etag for each in found])
        self.info = ObjectInfo(key, self._ends[-1] if found else 0, etag=etag, modified=newest)

    def __call__(self, start: int, stop: int) -> Chain:
        """Bytes `start` to `stop`. Raises ObjectChanged, StoreUnavailable."""
        return Chain(self, start, stop, tries=1)

    def opened(self, start: int, stop: int) -> Chain:
        """The same, by as many tries as any request has."""
        return Chain(self, start, stop, tries=None)

    def open_segment(self, start: int, stop: int, tries: int | None) -> tuple[Stream, int]:
        """An open body that begins at `start`, and where it ends."""
        number = bisect.bisect_right(self._ends, start)
        segment, end = self.segments[number], self._ends[number]
        first = end - segment.size
        stop = min(stop, end)
        headers = {"Range": f"bytes={start - first}-{stop - first - 1}", "If-Match": f'"{segment.etag}"'}
        changed = errors.ObjectChanged("A segment of the object changed in the store.")
        try:
            stream = self._account.get(
                segment.path, headers=headers, refusals={412: changed, 416: changed}, tries=tries
            )
        except errors.ObjectNotFound:
            raise errors.IntegrityError("A segment of the object is missing in the store.") from None
        if stream.status != 206:
            stream.close()
            raise errors.IntegrityError("The store sends another range than was asked for.")
        return stream, stop


class Chain:
    """The bodies of one range, one after the other."""

    def __init__(self, source: DynamicObject, start: int, stop: int, *, tries: int | None) -> None:
        self._source = source
        self._position = start
        self._stop = stop
        self._stream, self._until = source.open_segment(start, stop, tries)

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" at the end. Raises StoreUnavailable."""
        if self._position == self._until:
            if self._position == self._stop:
                return b""
            self._stream.close()
            self._stream, self._until = self._source.open_segment(self._position, self._stop, 1)
        data = self._stream.read(size)
        if not data:
            raise Passing("Image storage is not available (a segment ended early).", detail="reading")
        self._position += len(data)
        return data

    def close(self) -> None:
        """Returns the connection."""
        self._stream.close()
