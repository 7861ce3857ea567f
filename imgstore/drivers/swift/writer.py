"""An object on its way to Swift: one PUT for a small one, else segments in parallel and a manifest.

Accounted for: a small object, which is visible at once, goes with its md5, and Swift refuses other bytes. The md5 of a
segment, which nobody sees before the manifest, is computed while the segment is sent, so that the server need not wait
for it, and compared with Swift's answer; the manifest names it again. For the memory see `imgstore.driver.multipart`.

Nothing visible before commit: `If-None-Match: *` keeps an object that is there. Swift does not decide a race by it;
the attempt's own key does (only the owner acts). The object carries the attempt's name. So after a lost answer, or a
412 to a second try, Swift can be asked whose object it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from imgstore import errors
from imgstore.driver.multipart import MultipartWriter, Part
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import Headers, expect_etag, modified
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.deletion import Deletion
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.manifest import (
    ATTEMPT,
    CONTAINER,
    Segment,
    etag_of,
    manifest_of,
    md5_of,
    new_attempt,
    segment_name,
)
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.model import ObjectInfo

PLAIN = {"Content-Type": "application/octet-stream"}
MANY = 64
"""From so many segments on Swift is asked for a heartbeat while it looks at them, and gets more time."""


class NewObject:
    """What one attempt at storing an object, a writer's or a copy's, has in the storage: the names that it uses, how
    the object becomes visible, and how all of it goes away. `owner`: whose it is (`manifest.owner_of`)."""

    def __init__(
        self, key: str, *, owner: str | None, account: AccountClient, containers: Containers, deletion: Deletion
    ) -> None:
        self.key = key
        self.path: Path = (containers.of(key), key)
        self.attempt = new_attempt(owner, containers.letters_of(key))
        self.headers = {**PLAIN, "If-None-Match": "*", ATTEMPT: self.attempt}
        self._account = account
        self._containers = containers
        self._deletion = deletion
        self._begun: set[int] = set()
        self._object_begun = False

    def segment(self, number: int, put: Callable[[Path], str], *, size: int) -> Segment:
        """Stores a segment by `put`, which gets its path and returns its verified ETag. Called on several threads."""
        self._begun.add(number)
        path = (self._containers.segments_of(self.key), segment_name(self.key, self.attempt, number))
        return Segment(*path, size, self._containers.in_place(self.key, lambda: put(path)))

    def make(self, put: Callable[[Refusals], Headers], *, size: int, etag: str) -> ObjectInfo:
        """Makes the object visible by `put`, which gets what a refusal means, and compares what Swift says of it."""
        self._expect_free()
        self._object_begun = True
        try:
            answer = self._containers.in_place(self.key, lambda: put({412: taken()}))
        except (errors.ObjectExists, errors.StoreUnavailable) as error:
            answer = self._found_after(error)
        expect_etag(etag, answer)
        return ObjectInfo(self.key, size, etag, modified(answer))

    def join(self, segments: Sequence[Segment]) -> ObjectInfo:
        """Makes one object of the segments."""
        container = quote(self._containers.segments_of(self.key))
        headers = {**self.headers, CONTAINER: container, "Accept": "application/json"}
        manifest, heartbeats = manifest_of(segments), len(segments) // MANY
        wrong = errors.IntegrityError("The store does not have the segments that were sent to it.")

        def put(refusals: Refusals) -> Headers:
            return self._account.put_manifest(
                self.path, manifest, heartbeats=heartbeats, headers=headers, refusals={**refusals, 400: wrong}
            )

        size = sum(segment.size for segment in segments)
        return self.make(put, size=size, etag=etag_of([segment.etag for segment in segments]))

    def _expect_free(self) -> None:
        """Raises ObjectExists where another object has the key, if the server may ignore `If-None-Match`."""
        if not self._account.keeps and self.is_taken():
            raise taken()

    def is_taken(self) -> bool:
        """Whether any object has the key now."""
        try:
            self._account.head(self.path)
        except errors.ObjectNotFound:
            return False
        return True

    def discard(self) -> None:
        """Removes every trace, when nothing is being stored any more: the object, if it is this attempt's, and every
        segment that was begun, answered or not. What was sent before its deletion and arrives after it, Swift refuses.
        """
        if self._object_begun and self._own() is not None:
            self._deletion.single(self.path)
        container = self._containers.segments_of(self.key)
        self._deletion.many([(container, segment_name(self.key, self.attempt, each)) for each in sorted(self._begun)])
        self._containers.tidy(self.key)

    def _found_after(self, error: errors.StoreError) -> Headers:
        """The object's headers, if in spite of `error` this attempt's object is there; else raises it."""
        try:
            found = self._own()
        except errors.StoreError:
            raise error from None
        if found is None:
            raise error
        return found

    def _own(self) -> Headers | None:
        """The headers of the object under the key, if it is this attempt's."""
        try:
            headers = self._account.head(self.path)
        except errors.ObjectNotFound:
            return None
        return headers if headers.get(ATTEMPT) == self.attempt else None


class SwiftWriter(MultipartWriter[Segment]):
    """Writes one object of `size` bytes (None: unknown). Raises StoreFull for one that is too large for the cluster."""

    def __init__(self, new: NewObject, account: AccountClient, options: SwiftOptions, size: int | None) -> None:
        limits = account.limits()
        sizes, threshold = limits.sizes(options, size), limits.threshold(options)
        super().__init__(size=size, sizes=sizes, threshold=threshold, concurrency=options.concurrency)
        self._new = new
        self._account = account

    def _put(self, data: memoryview) -> ObjectInfo:
        etag = md5_of(data)
        headers = {**self._new.headers, "ETag": etag}

        def put(refusals: Refusals) -> Headers:
            path = self._new.path
            return self._account.put(path, data, action="storing an object", headers=headers, refusals=refusals)

        return self._new.make(put, size=len(data), etag=etag)

    def _begin(self) -> None:
        """Swift is not told of segments to come."""

    def _send(self, part: Part) -> Segment:
        def put(path: Path) -> str:
            return self._account.put_verified(path, part.data, action="storing a segment", headers=PLAIN)

        return self._new.segment(part.number, put, size=len(part.data))

    def _complete(self, sent: list[Segment], total: int) -> ObjectInfo:
        return self._new.join(sent)

    def _discard(self) -> None:
        self._new.discard()


def taken() -> errors.ObjectExists:
    """The error for a key that another object has."""
    return errors.ObjectExists("An object with that key exists already.")
