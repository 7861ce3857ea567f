"""Reading from Swift: plain objects, static and dynamic large ones, whole or by range, pinned by ETag (law 9).

The first request tells what the object is; every later one has If-Match with its ETag, and what the answer says is
compared in any case, since some servers ignore it. A server that ignores the range and sends the whole object has what
was not asked for read over. `imgstore.driver.ranged` resumes what breaks off. A dynamic large object of more segments
than one listing has is read segment by segment (`dynamic_objects`): Swift tells neither its size nor an ETag.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from imgstore import errors
from imgstore.driver.ranged import Body, Opened, RangedReader
from imgstore.driver.reader import EmptyReader, ObjectReader
from imgstore.drivers.swift.account import Account, Headers, Path, Stream
from imgstore.drivers.swift.dynamic_objects import Listed, described, is_dynamic, is_long, listed
from imgstore.drivers.swift.errors import Passing
from imgstore.drivers.swift.headers import etag_in, info_of, range_of
from imgstore.model import ObjectInfo

SKIP = 256 * 1024


def open_reader(
    account: Account, path: Path, *, start: int, stop: int | None, etag: str | None, block_size: int, concurrency: int
) -> ObjectReader:  # fmt: skip
    """A reader of bytes `start` to `stop` (None: the end).

    Raises ObjectNotFound, RangeNotSatisfiable, ObjectChanged, IntegrityError, StoreUnavailable.
    """
    ask_until = stop
    if concurrency > 1:
        ask_until = start + block_size if stop is None else min(stop, start + block_size)
    try:
        stream = _get(account, path, start, ask_until, etag)
    except errors.ObjectChanged:
        return _long_reader(account, path, start, stop, etag)
    with contextlib.ExitStack() as undo:
        undo.callback(stream.close)
        if stream.status == 416:
            return _nothing(_described(account, path, stream.headers), start)
        if is_long(stream.headers):
            return _listed_reader(listed(account, path, stream.headers), start, stop, etag)
        info = info_of(path[1], stream.headers)
        if info.etag is None and ask_until != stop:  # no further range could be known to be of the same object
            return open_reader(account, path, start=start, stop=stop, etag=etag, block_size=block_size, concurrency=1)
        opened = _opened(info, stream, start, ask_until)
        undo.pop_all()
    end = info.size if stop is None else min(stop, info.size)
    fetch = Fetch(account, path, info)
    return RangedReader(opened, stop=end, fetch=fetch, block_size=block_size, concurrency=concurrency)


class Fetch:
    """Opens later ranges of the very object that was opened first."""

    def __init__(self, account: Account, path: Path, info: ObjectInfo) -> None:
        self._account = account
        self._path = path
        self._info = info

    def __call__(self, start: int, stop: int) -> Body:
        """See imgstore.driver.ranged."""
        stream = _get(self._account, self._path, start, stop, self._info.etag)
        try:
            if stream.status == 416 or self._info.etag is None or etag_in(stream.headers) != self._info.etag:
                raise _changed()
            return _opened(self._info, stream, start, stop).body
        except BaseException:
            stream.close()
            raise


def _get(account: Account, path: Path, start: int, stop: int | None, etag: str | None) -> Stream:
    headers: dict[str, str] = {}
    if start or stop is not None:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    if etag is not None:
        headers["If-Match"] = f'"{etag}"'
    return account.get(path, headers=headers, refusals=_refusals())


def _refusals() -> Mapping[int, errors.StoreError]:
    return {
        412: _changed(),
        409: errors.IntegrityError("A segment of the object is missing in the store, or is another."),
    }


def _opened(info: ObjectInfo, stream: Stream, start: int, stop: int | None) -> Opened:
    """The body from `start` on, whatever the server sends."""
    end = info.size if stop is None else min(stop, info.size)
    if stream.status == 206:
        sent = range_of(stream.headers)
        if sent is None or sent[0] != start:
            raise errors.IntegrityError("The store sends another range than was asked for.")
        return Opened(info, stream, *sent)
    if start > info.size:
        raise errors.RangeNotSatisfiable(f"The object has {info.size} bytes.", size=info.size)
    _read_over(stream, start)
    return Opened(info, stream, start, end)


def _read_over(stream: Stream, count: int) -> None:
    while count:
        data = stream.read(min(count, SKIP))
        if not data:
            raise Passing("Image storage is not available (the object ended early).", detail=f"{count} bytes before")
        count -= len(data)


def _described(account: Account, path: Path, headers: Headers) -> ObjectInfo:
    """The object of which a range was refused: of a dynamic one Swift says only part of it then."""
    told = etag_in(headers) is not None and not is_dynamic(headers)
    return info_of(path[1], headers) if told else described(account, path, account.head(path))


def _nothing(info: ObjectInfo, start: int) -> ObjectReader:
    """What is there behind the last byte."""
    if start != info.size:
        raise errors.RangeNotSatisfiable(f"The object has {info.size} bytes.", size=info.size)
    return EmptyReader(info)


def _long_reader(account: Account, path: Path, start: int, stop: int | None, etag: str | None) -> ObjectReader:
    """Swift said that the object is another. What it compared is of the manifest alone, if the object is a long one."""
    headers = account.head(path)
    if not is_long(headers):
        raise _changed()
    return _listed_reader(listed(account, path, headers), start, stop, etag)


def _listed_reader(found: Listed, start: int, stop: int | None, etag: str | None) -> ObjectReader:
    info = found.info
    if etag is not None and etag != info.etag:
        raise _changed()
    if start >= info.size:
        return _nothing(info, start)
    end = info.size if stop is None else min(stop, info.size)
    return RangedReader(Opened(info, found(start, end), start, end), stop=end, fetch=found)


def _changed() -> errors.ObjectChanged:
    return errors.ObjectChanged("The object changed in the store.")
