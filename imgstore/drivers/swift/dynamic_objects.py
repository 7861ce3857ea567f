"""Dynamic large objects with more segments than one listing has: Swift tells neither their size nor an ETag, and takes
no range beyond the first listing. So they are listed here, page by page, and read segment by segment.

Each segment is pinned by its own ETag, and the whole by that of all of them, in the form in which Swift has it for
shorter ones: the md5 of the segments' ETags (law 9). Memory (law 6): the listing, some 200 bytes a segment.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools

from imgstore import errors
from imgstore.drivers.swift.account import Account, Entry, Headers, Path, Stream
from imgstore.drivers.swift.errors import Passing
from imgstore.drivers.swift.headers import info_of
from imgstore.drivers.swift.manifest import Segment
from imgstore.model import ObjectInfo


def is_dynamic(headers: Headers) -> bool:
    """Whether the object is the manifest of a dynamic large object."""
    return "x-object-manifest" in headers


def is_long(headers: Headers) -> bool:
    """Whether it is one of which Swift does not tell the size: then the ETag is the manifest's own, without quotes, and
    the length of an answer to HEAD is 0."""
    return is_dynamic(headers) and not headers.get("etag", "").startswith('"')


def described(account: Account, path: Path, headers: Headers) -> ObjectInfo:
    """What the object is whose headers these are, of whatever kind."""
    if is_long(headers):
        return listed(account, path, headers).info
    return info_of(path[1], headers)


def listed(account: Account, path: Path, headers: Headers) -> Listed:
    """The object whose manifest has these headers. Raises ObjectNotFound if its container of segments is gone."""
    container, _, prefix = headers["x-object-manifest"].partition("/")
    entries = [entry for entry in account.objects(container, prefix=prefix) if (container, entry.name) != path]
    return Listed(account, path[1], container, entries)


class Listed:
    """A dynamic large object by its segments; called, it opens a range."""

    def __init__(self, account: Account, key: str, container: str, entries: list[Entry]) -> None:
        self._account = account
        self._container = container
        self._entries = entries
        self._ends = list(itertools.accumulate(entry.size for entry in entries))
        etag = hashlib.md5("".join(entry.etag for entry in entries).encode(), usedforsecurity=False).hexdigest()
        newest = max((entry.modified for entry in entries), default=None)
        self.info = ObjectInfo(key, self._ends[-1] if entries else 0, etag=etag, modified=newest)

    def __call__(self, start: int, stop: int) -> Chain:
        """Bytes `start` to `stop`. Raises ObjectChanged, StoreUnavailable."""
        return Chain(self, start, stop)

    def segments(self) -> list[Segment]:
        """What it is made of."""
        return [Segment(self._container, entry.name, entry.size, entry.etag) for entry in self._entries]

    def segment(self, start: int, stop: int) -> tuple[Stream, int]:
        """An open body that begins at `start`, and where it ends."""
        number = bisect.bisect_right(self._ends, start)
        entry, end = self._entries[number], self._ends[number]
        first = end - entry.size
        stop = min(stop, end)
        headers = {"Range": f"bytes={start - first}-{stop - first - 1}", "If-Match": f'"{entry.etag}"'}
        changed = errors.ObjectChanged("A segment of the object changed in the store.")
        try:
            stream = self._account.get(
                (self._container, entry.name), headers=headers, refusals={412: changed, 416: changed}
            )
        except errors.ObjectNotFound:
            raise errors.IntegrityError("A segment of the object is missing in the store.") from None
        if stream.status != 206:
            stream.close()
            raise errors.IntegrityError("The store sends another range than was asked for.")
        return stream, stop


class Chain:
    """The bodies of one range, one after the other."""

    def __init__(self, source: Listed, start: int, stop: int) -> None:
        self._source = source
        self._position = start
        self._stop = stop
        self._stream, self._until = source.segment(start, stop)

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" at the end. Raises StoreUnavailable."""
        if self._position == self._until:
            if self._position == self._stop:
                return b""
            self._stream.close()
            self._stream, self._until = self._source.segment(self._position, self._stop)
        data = self._stream.read(size)
        if not data:
            raise Passing("Image storage is not available (a segment ended early).", detail="reading")
        self._position += len(data)
        return data

    def close(self) -> None:
        """Returns the connection."""
        self._stream.close()
