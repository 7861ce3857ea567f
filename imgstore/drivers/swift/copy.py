"""Copying inside the account, without a byte passing through here: a small object by one request, the segments of a
large one each by its own, several at a time, and a manifest of the copies.

A copy shares no segment with its source, so that either can be removed. What a copy becomes is compared with what the
source is (law 10); a failure removes what was copied (law 3).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imgstore import errors
from imgstore.drivers.swift.account import Account, Headers, Path
from imgstore.drivers.swift.attempt import PLAIN, Attempt, taken
from imgstore.drivers.swift.dynamic_objects import is_dynamic, listed
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.headers import expect
from imgstore.drivers.swift.manifest import Segment, pieces_in
from imgstore.model import ObjectInfo
from imgstore.undo import Undo


class Copy:
    """Copies one object to what `attempt` makes. `concurrency`: segments at a time."""

    def __init__(self, account: Account, attempt: Attempt, *, concurrency: int) -> None:
        self._account = account
        self._attempt = attempt
        self._concurrency = concurrency

    def of(self, source: Path, headers: Headers, info: ObjectInfo) -> ObjectInfo:
        """Copies the object that has these headers. Raises ObjectExists, StoreFull, ObjectChanged, StoreUnavailable."""
        undo = Undo()
        undo.push(f"the copy of {source[1]}", self._attempt.discard)
        try:
            segments = self._segments_of(source, headers)
            copied = self._whole(source, info) if segments is None else self._attempt.join(self._copied(segments))
        except BaseException:
            undo.run()
            raise
        return copied

    def _segments_of(self, source: Path, headers: Headers) -> list[Segment] | None:
        """What a large object is made of; None for one that is whole."""
        if is_dynamic(headers):
            return listed(self._account, source, headers).segments()
        if headers.get("x-static-large-object", "").lower() == "true":
            return list(pieces_in(self._account, source))
        return None

    def _whole(self, source: Path, info: ObjectInfo) -> ObjectInfo:
        """By one request. Swift would take If-None-Match for a condition on the source: the target is looked up."""
        if self._attempt.is_taken():
            raise taken()
        headers = _pinned({**self._attempt.headers, "If-None-Match": ""}, info.etag)

        def put(_: Refusals) -> Headers:
            return self._account.copy(source, self._attempt.path, headers=headers, refusals=_changed())

        return self._attempt.make(put, size=info.size, etag=info.etag or "")

    def _copied(self, segments: Sequence[Segment]) -> list[Segment]:
        with contextlib.ExitStack() as ended, ThreadPoolExecutor(self._concurrency, "imgstore-copy") as pool:
            ended.callback(pool.shutdown, cancel_futures=True)
            return list(pool.map(self._copied_one, range(1, len(segments) + 1), segments))

    def _copied_one(self, number: int, segment: Segment) -> Segment:
        headers = _pinned(PLAIN, segment.etag)

        def put(path: Path) -> str:
            source = (segment.container, segment.name)
            expect(segment.etag, self._account.copy(source, path, headers=headers, refusals=_changed()))
            return segment.etag

        return self._attempt.segment(number, put, size=segment.size)


def _pinned(headers: Headers, etag: str | None) -> Headers:
    kept = {name: value for name, value in headers.items() if value}
    return {**kept, "If-Match": f'"{etag}"'} if etag else kept


def _changed() -> Refusals:
    return {412: errors.ObjectChanged("The object changed in the store.")}
