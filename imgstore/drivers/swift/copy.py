"""Copying inside the account, without a byte passing through here: a small object by one request, the segments of a
large one each by its own, several at a time, and a manifest of the copies.

A copy shares no segment with its source, so that either can be removed. What a copy becomes is compared with what the
source is (accounted for). After a failure the driver has what was copied removed (undone).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imgstore import errors
from imgstore.driver.deadline import Stop, handed_down
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import Headers, expect_etag
from imgstore.drivers.swift.dynamic_objects import is_dynamic, listed
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.manifest import Segment, is_static, pieces_in
from imgstore.drivers.swift.writer import PLAIN, NewObject, taken
from imgstore.model import ObjectInfo


class Copy:
    """Copies one object to `new`. `concurrency`: segments at a time."""

    def __init__(self, account: AccountClient, new: NewObject, *, concurrency: int) -> None:
        self._account = account
        self._new = new
        self._concurrency = concurrency

    def of(self, source: Path, headers: Headers, info: ObjectInfo) -> ObjectInfo:
        """Copies the object that has these headers. Raises ObjectExists, StoreFull, ObjectChanged, StoreUnavailable."""
        segments = self._segments_of(source, headers)
        return self._whole(source, info) if segments is None else self._new.join(self._copied(segments))

    def _segments_of(self, source: Path, headers: Headers) -> list[Segment] | None:
        """What a large object is made of; None for one that is whole."""
        if is_dynamic(headers):
            return listed(self._account, source, headers).segments
        return list(pieces_in(self._account, source, headers)) if is_static(headers) else None

    def _whole(self, source: Path, info: ObjectInfo) -> ObjectInfo:
        """By one request. Swift would take If-None-Match for a condition on the source: the target is looked up."""
        if self._new.is_taken():
            raise taken()
        kept = {name: value for name, value in self._new.headers.items() if name != "If-None-Match"}
        headers = _pinned(kept, info.etag)

        def put(_: Refusals) -> Headers:
            return self._account.copy(source, self._new.path, headers=headers, refusals=_changed())

        return self._new.make(put, size=info.size, etag=info.etag or "")

    def _copied(self, segments: Sequence[Segment]) -> list[Segment]:
        with (
            Stop() as stop,
            contextlib.ExitStack() as ended,
            ThreadPoolExecutor(self._concurrency, "imgstore-copy") as pool,
        ):
            ended.callback(pool.shutdown, cancel_futures=True)
            ended.callback(stop.set)
            return list(pool.map(handed_down(self._copied_one), range(1, len(segments) + 1), segments))

    def _copied_one(self, number: int, segment: Segment) -> Segment:
        headers = _pinned(PLAIN, segment.etag)

        def put(path: Path) -> str:
            answer = self._account.copy(segment.path, path, headers=headers, refusals=_changed())
            expect_etag(segment.etag, answer)
            return segment.etag

        return self._new.segment(number, put, size=segment.size)


def _pinned(headers: Headers, etag: str | None) -> Headers:
    return {**headers, "If-Match": f'"{etag}"'} if etag else headers


def _changed() -> Refusals:
    return {412: errors.ObjectChanged("The object changed in the store.")}
