"""One attempt at storing an object: the names it uses, how its object becomes visible, and how all of it goes away.

Law 1: `If-None-Match: *` keeps an object that is there; Swift does not decide a race by it, the attempt's own key does
(law 8). The object carries the attempt's name, so that after an answer that got lost, or a 412 to a second try, Swift
can be asked whose object it is. Law 3: `discard` removes the object, if it is this attempt's, then every segment that
was begun, whether or not its answer came: what was sent before its deletion and arrives after it Swift refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imgstore import errors
from imgstore.drivers.swift.account import Account, Headers, Path
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.deletion import Deletion
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.headers import expect, modified
from imgstore.drivers.swift.manifest import Segment, etag_of, new_attempt, put_manifest, segment_name
from imgstore.model import ObjectInfo

MARK = "x-object-meta-imgstore-attempt"
PLAIN = {"Content-Type": "application/octet-stream"}


class Attempt:
    """What a writer, or a copy, does in the storage."""

    def __init__(self, key: str, *, account: Account, containers: Containers, deletion: Deletion) -> None:
        self.key = key
        self.path: Path = (containers.of(key), key)
        self.name = new_attempt()
        self.headers = {**PLAIN, "If-None-Match": "*", MARK: self.name}
        self._account = account
        self._containers = containers
        self._deletion = deletion
        self._begun: set[int] = set()
        self._object_begun = False

    def segment(self, number: int, put: Callable[[Path], str], *, size: int) -> Segment:
        """Stores a segment by `put`, which gets its path and returns its verified ETag. Called on several threads."""
        self._begun.add(number)
        path = (self._containers.segments_of(self.key), segment_name(self.key, self.name, number))
        return Segment(*path, size, self._containers.in_place(self.key, lambda: put(path)))

    def make(self, put: Callable[[Refusals], Headers], *, size: int, etag: str) -> ObjectInfo:
        """Makes the object visible by `put`, which gets what a refusal means, and compares what Swift says of it."""
        self._object_begun = True
        try:
            answer = self._containers.in_place(self.key, lambda: put({412: taken()}))
        except (errors.ObjectExists, errors.StoreUnavailable) as error:
            answer = self._found_after(error)
        expect(etag, answer)
        return ObjectInfo(self.key, size, etag, modified(answer))

    def join(self, segments: Sequence[Segment]) -> ObjectInfo:
        """Makes one object of the segments."""
        headers = {**self.headers, "Accept": "application/json"}

        def put(refusals: Refusals) -> Headers:
            wrong = errors.IntegrityError("The store does not have the segments that were sent to it.")
            return put_manifest(self._account, self.path, segments, headers=headers, refusals={**refusals, 400: wrong})

        return self.make(put, size=sum(segment.size for segment in segments), etag=etag_of(segments))

    def is_taken(self) -> bool:
        """Whether any object has the key now."""
        try:
            self._account.head(self.path)
        except errors.ObjectNotFound:
            return False
        return True

    def discard(self) -> None:
        """Removes every trace. Called when nothing is being stored any more."""
        if self._object_begun and self._found() is not None:
            self._deletion.single(self.path)
        container = self._containers.segments_of(self.key)
        self._deletion.many([(container, segment_name(self.key, self.name, each)) for each in sorted(self._begun)])
        self._containers.tidy(self.key)

    def _found_after(self, error: errors.StoreError) -> Headers:
        """The object's headers, if in spite of `error` this attempt's object is there; else raises it."""
        try:
            found = self._found()
        except errors.StoreError:
            raise error from None
        if found is None:
            raise error
        return found

    def _found(self) -> Headers | None:
        """The headers of the object under the key, if it is this attempt's."""
        try:
            headers = self._account.head(self.path)
        except errors.ObjectNotFound:
            return None
        return headers if headers.get(MARK) == self.name else None


def taken() -> errors.ObjectExists:
    """The error for a key that another object has."""
    return errors.ObjectExists("An object with that key exists already.")
