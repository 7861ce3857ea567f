"""Reading from Swift: plain objects, static and dynamic large ones, whole or by range, pinned by ETag (never short).

The first request tells what the object is. Every later one has If-Match with its ETag, and the ETag of the answer is
compared in any case: some servers ignore If-Match, and some refuse the right one of a large object, so they get none.
Where a server ignores the range and sends the whole object, the bytes before the range are read and dropped.
`imgstore.driver.ranged` resumes a body that breaks off. A long dynamic large object is read segment by segment
(`dynamic_objects`): Swift tells neither its size nor an ETag.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from imgstore import errors
from imgstore.driver import ObjectReader
from imgstore.driver.ranged import Body, Opened, RangedReader
from imgstore.driver.reader import EmptyReader
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import Headers, Stream, etag_in, info_of, range_of
from imgstore.drivers.swift.dynamic_objects import DynamicObject, described, is_dynamic, is_long, listed
from imgstore.drivers.swift.errors import Passing, Refusals
from imgstore.drivers.swift.manifest import is_static
from imgstore.model import ObjectInfo

SKIP = 256 * 1024


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `start` to `stop` (None: the end) of the object with this ETag, if there is one."""

    start: int
    stop: int | None
    etag: str | None

    def end_in(self, info: ObjectInfo) -> int:
        """Where it ends in an object."""
        return info.size if self.stop is None else min(self.stop, info.size)


def open_reader(
    account: AccountClient, path: Path, wanted: Range, *, block_size: int, concurrency: int
) -> ObjectReader:
    """A reader of the range. With `concurrency` above 1 it asks for `block_size` bytes first.

    Raises ObjectNotFound, RangeNotSatisfiable, ObjectChanged, IntegrityError, StoreUnavailable.
    """
    first = wanted
    if concurrency > 1:
        until = wanted.start + block_size
        first = replace(wanted, stop=until if wanted.stop is None else min(wanted.stop, until))
    try:
        stream = _get_pinned(account, path, first)
    except errors.ObjectChanged:
        return _long_reader(account, path, wanted)
    with contextlib.ExitStack() as undo:
        undo.callback(stream.close)
        if stream.status == 416 or _has_no_segments(stream):
            return _nothing(_described(account, path, stream.headers), wanted.start)
        if is_long(stream.headers):
            return _listed_reader(listed(account, path, stream.headers), wanted)
        info = info_of(path[1], stream.headers)
        if wanted.etag not in (None, info.etag):
            raise _changed()
        if info.etag is None and first != wanted:  # no further range could be known to be of the same object
            return open_reader(account, path, wanted, block_size=block_size, concurrency=1)
        opened = _opened(info, stream, first)
        undo.pop_all()
    fetch = Fetch(account, path, info)
    return RangedReader(
        opened, stop=wanted.end_in(info), fetch=fetch, block_size=block_size, concurrency=concurrency,
        patience=account.patience,
    )  # fmt: skip


class Fetch:
    """Opens later ranges of the very object that was opened first, each by one try: the reader tries again."""

    def __init__(self, account: AccountClient, path: Path, info: ObjectInfo) -> None:
        self._account = account
        self._path = path
        self._info = info

    def __call__(self, start: int, stop: int) -> Body:
        """The body of bytes `start` to `stop`. Raises ObjectChanged, ObjectNotFound, StoreUnavailable."""
        wanted = Range(start, stop, self._info.etag)
        stream = _get_pinned(self._account, self._path, wanted, tries=1)
        try:
            if stream.status == 416 or self._info.etag is None or etag_in(stream.headers) != self._info.etag:
                raise _changed()
            return _opened(self._info, stream, wanted).body
        except BaseException:
            stream.close()
            raise


def _get_pinned(account: AccountClient, path: Path, wanted: Range, *, tries: int | None = None) -> Stream:
    """Opens the range, pinned as far as the server compares the ETag; the caller compares it in any case. Ceph's
    gateway compares that of a large object's manifest, and says that the right one is wrong."""
    if wanted.etag is None or not account.pins_large_objects:
        return _get(account, path, replace(wanted, etag=None), tries)
    try:
        return _get(account, path, wanted, tries)
    except errors.ObjectChanged:
        headers = account.head(path)
        if not is_static(headers) or etag_in(headers) != wanted.etag:
            raise
    account.pins_no_large_objects()
    return _get(account, path, replace(wanted, etag=None), tries)


def _get(account: AccountClient, path: Path, wanted: Range, tries: int | None) -> Stream:
    headers: dict[str, str] = {}
    if wanted.start or wanted.stop is not None:
        headers["Range"] = f"bytes={wanted.start}-{'' if wanted.stop is None else wanted.stop - 1}"
    if wanted.etag is not None:
        headers["If-Match"] = f'"{wanted.etag}"'
    return account.get(path, headers=headers, refusals=_refusals(), tries=tries)


def _refusals() -> Refusals:
    return {
        412: _changed(),
        409: errors.IntegrityError("A segment of the object is missing in the store, or is another."),
    }


def _opened(info: ObjectInfo, stream: Stream, wanted: Range) -> Opened:
    """The body from the range's start on, whatever the server sends."""
    start = wanted.start
    if stream.status == 206:
        sent = range_of(stream.headers)
        if sent is None or sent[0] != start or sent[1] > info.size:
            raise errors.IntegrityError("The store sends another range than was asked for.")
        return Opened(info, stream, *sent)
    if start > info.size:
        raise errors.RangeNotSatisfiable(f"The object has {info.size} bytes.", size=info.size)
    _read_over(stream, start)
    return Opened(info, stream, start, wanted.end_in(info))


def _has_no_segments(stream: Stream) -> bool:
    """Whether it is the answer of Ceph's gateway for a range of a dynamic object that is empty: others say 416."""
    return stream.status == 206 and is_dynamic(stream.headers) and range_of(stream.headers) is None


def _read_over(stream: Stream, count: int) -> None:
    while count:
        data = stream.read(min(count, SKIP))
        if not data:
            raise Passing("Image storage is not available (the object ended early).", detail=f"{count} bytes before")
        count -= len(data)


def _described(account: AccountClient, path: Path, headers: Headers) -> ObjectInfo:
    """The object of which a range was refused: of a dynamic one Swift says only part of it then."""
    told = etag_in(headers) is not None and "content-range" in headers and not is_dynamic(headers)
    return info_of(path[1], headers) if told else described(account, path, account.head(path))


def _nothing(info: ObjectInfo, start: int) -> ObjectReader:
    """A reader at the object's end."""
    if start != info.size:
        raise errors.RangeNotSatisfiable(f"The object has {info.size} bytes.", size=info.size)
    return EmptyReader(info)


def _long_reader(account: AccountClient, path: Path, wanted: Range) -> ObjectReader:
    """Swift said that the object is another. If the object is a long one, Swift compared the ETag of the manifest."""
    headers = account.head(path)
    if not is_long(headers):
        raise _changed()
    return _listed_reader(listed(account, path, headers), wanted)


def _listed_reader(found: DynamicObject, wanted: Range) -> ObjectReader:
    info, start, end = found.info, wanted.start, wanted.end_in(found.info)
    if wanted.etag is not None and wanted.etag != info.etag:
        raise _changed()
    if start >= info.size:
        return _nothing(info, start)
    opened = Opened(info, found.opened(start, end), start, end)
    return RangedReader(opened, stop=end, fetch=found, patience=found.patience)


def _changed() -> errors.ObjectChanged:
    return errors.ObjectChanged("The object changed in the store.")
