"""Leftovers: segments that no manifest names. They are found by age, since no server knows which upload is alive.

A segment's name has the beginning of its store's mark, and tells where its manifest would be. So a neighbour's segments
are not touched, and an image's are not, whatever the options say now. Segments without a mark were written before there
was one: by this store, or by a neighbour. They are listed as uncertain, and go only when somebody says that their
upload ended: `remove_of`, or a leftover made certain. In a caller's account, where no mark is kept, the two containers
of an object tell whose its segments are.

The segments of one attempt are one leftover. They are none while the object's manifest names one of them, and none
while the attempt may be alive: its newest segment must be older than the age that is asked for, and the attempt must
have been silent for longer than it had been at work, and than its next segment needs, which may be twice as large as
any.
Names that this driver never gives are not touched.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import ListedObject, server_time
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.deletion import Deletion, segments_of
from imgstore.drivers.swift.manifest import Attempt, attempt_of
from imgstore.model import Leftover

LOG = logging.getLogger(__name__)

REASON = "segments of an upload that ended without its object"
_LARGER = 2
"""How much larger the next segment may be: `PartSizes.staggered` begins with one half of the second."""
UNCERTAIN = "segments without a mark, and without an object: of this store before it had one, or of another store"


@dataclass
class FoundSegments:
    """The segments of one attempt, as a listing has them. `certain`: whether they are known to be this store's."""

    container: str
    attempt: Attempt
    certain: bool
    size: int = 0
    newest: float = 0.0
    largest: int = 0

    def add(self, segment: ListedObject) -> None:
        """One more segment."""
        self.size += segment.size
        self.newest = max(self.newest, segment.modified)
        self.largest = max(self.largest, segment.size)

    def silent(self, older_than: float, now: float) -> bool:
        """Whether nothing came for so long that none will; `now` by the server's clock. Age 0 is for whoever knows that
        nobody uploads."""
        silence = now - self.newest
        return older_than <= 0 or silence >= max(older_than, self._longest_pause())

    def _longest_pause(self) -> float:
        """Seconds that a living attempt may be silent: its next segment at half the pace of those that it has."""
        at_work = self.newest - self.attempt.started
        return at_work * max(1.0, 2 * _LARGER * self.largest / max(1, self.size))

    def leftover(self) -> Leftover:
        """For whoever lists them."""
        name, reason = f"{self.container}/{self.attempt.prefix}", REASON if self.certain else UNCERTAIN
        return Leftover(name, reason, self.size, self.newest, self.attempt.key, self.certain)


class Leftovers:
    """Finds and removes them in one account. `owner` tells what the names of the store's own segments have."""

    def __init__(
        self, account: AccountClient, containers: Containers, deletion: Deletion, *, owner: Callable[[], str | None]
    ) -> None:
        self._account = account
        self._containers = containers
        self._deletion = deletion
        self._owner = owner

    def older_than(self, age: float) -> Iterator[Leftover]:
        """What no manifest names and nobody touched for `age` seconds."""
        for container in list(self._containers.all_of_segments()):
            with contextlib.suppress(errors.ObjectNotFound):
                now = server_time(self._account.head_container(container))
                yield from self._ended(container, age, now)

    def _ended(self, container: str, age: float, now: float) -> Iterator[Leftover]:
        for found in self._attempts(container):
            if found.silent(age, now) and not self._in_use(found):
                yield found.leftover()

    def remove(self, leftover: Leftover) -> None:
        """Removes one that is certain, unless its upload lived on meanwhile. Raises InvalidKey."""
        found = self._parsed(leftover.name)
        segments = list(self._segments(found.container, found.attempt.prefix))
        for segment in segments:
            found.add(segment)
        grown = leftover.modified is not None and found.newest > leftover.modified
        if leftover.certain and segments and not grown and not self._in_use(found):
            self._deletion.many([(found.container, segment.name) for segment in segments])

    def remove_of(self, key: str) -> None:
        """Removes every segment of the key that is not another store's, but those that its object's manifest names."""
        container = self._containers.segments_of(key)
        segments = [(attempt_of(each.name), (container, each.name)) for each in self._segments(container, f"{key}/")]
        found = {path: attempt for attempt, path in segments if attempt and self._ours(container, attempt) is not None}
        wanted = {path for attempt in set(found.values()) for path in self._of_objects(container, attempt)}
        self._deletion.many([path for path in found if path not in wanted])

    def _attempts(self, container: str) -> Iterator[FoundSegments]:
        """The attempts in a listing that may be this store's. It has each one's segments together."""
        current: FoundSegments | None = None
        for segment in self._segments(container):
            attempt = attempt_of(segment.name)
            certain = None if attempt is None else self._ours(container, attempt)
            if attempt is None or certain is None:
                continue
            if current is None or current.attempt != attempt:
                if current is not None:
                    yield current
                current = FoundSegments(container, attempt, certain)
            current.add(segment)
        if current is not None:
            yield current

    def _ours(self, container: str, attempt: Attempt) -> bool | None:
        """Whether it is certain that an attempt is this store's; None if it is certain that it is not."""
        if attempt.owner is not None:
            return True if attempt.owner == self._owner() else None
        return self._containers.own if self._containers.segments_of(attempt.key) == container else None

    def _segments(self, container: str, prefix: str = "") -> Iterator[ListedObject]:
        """The segments of this driver in a container; a missing container has none."""
        try:
            for found in self._account.objects(container, prefix=prefix):
                if attempt_of(found.name) is not None:
                    yield found
        except errors.ObjectNotFound:
            return

    def _in_use(self, found: FoundSegments) -> bool:
        """Whether a manifest of the object names one of the segments, or cannot be read."""
        try:
            return any(
                container == found.container and name.startswith(found.attempt.prefix)
                for container, name in self._of_objects(found.container, found.attempt)
            )
        except errors.IntegrityError as error:
            LOG.warning("The segments of %s are kept: %s", found.attempt.key, error)
            return True

    def _of_objects(self, container: str, attempt: Attempt) -> Iterator[Path]:
        """What is named by the manifests of the objects that the attempt's may be."""
        letters = None if attempt.owner is None else attempt.letters
        for home in sorted(self._containers.homes(attempt.key, container, letters)):
            path = (home, attempt.key)
            with contextlib.suppress(errors.ObjectNotFound):
                yield from segments_of(self._account, path, self._account.head(path))

    def _parsed(self, name: str) -> FoundSegments:
        container, _, prefix = name.partition("/")
        attempt = attempt_of(f"{prefix}{0:08d}")
        certain = None if attempt is None else self._ours(container, attempt)
        if attempt is None or certain is None or container not in set(self._containers.all_of_segments()):
            raise errors.InvalidKey("That is not the name of a leftover.")
        return FoundSegments(container, attempt, certain)
