"""Leftovers: segments that no manifest names. They are found by age, since no server knows which upload is alive.

The segments of one attempt are one leftover. They are none while the object's manifest names one of them, and none
while the attempt may be alive: its newest segment must be older than the age that is asked for, and the attempt must
have been silent for longer than it had been at work, because the segments of a slow upload come slowly and ever larger.
Names that this driver never gives are not touched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import ListedObject
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.deletion import Deletion, segments_of
from imgstore.drivers.swift.manifest import attempt_of
from imgstore.model import Leftover

REASON = "segments of an upload that ended without its object"


@dataclass
class FoundSegments:
    """The segments of one attempt, as a listing has them."""

    container: str
    key: str
    attempt: str
    started: float
    size: int = 0
    newest: float = 0.0

    @property
    def prefix(self) -> str:
        """How the names of the segments begin."""
        return f"{self.key}/{self.attempt}/"

    def add(self, segment: ListedObject) -> None:
        """One more segment."""
        self.size += segment.size
        self.newest = max(self.newest, segment.modified)

    def silent(self, older_than: float, now: float) -> bool:
        """Whether nothing came for so long that none will. Age 0 is for whoever knows that nobody uploads."""
        silence = now - self.newest
        return older_than <= 0 or (silence >= older_than and silence >= self.newest - self.started)


class Leftovers:
    """Finds and removes them in one account."""

    def __init__(self, account: AccountClient, containers: Containers, deletion: Deletion) -> None:
        self._account = account
        self._containers = containers
        self._deletion = deletion

    def older_than(self, age: float) -> Iterator[Leftover]:
        """What no manifest names and nobody touched for `age` seconds."""
        now = time.time()
        for container in list(self._containers.all_of_segments()):
            for found in self._attempts(container):
                if found.silent(age, now) and not self._in_use(found):
                    name = f"{container}/{found.prefix}"
                    yield Leftover(name, REASON, found.size, found.newest, found.key)

    def remove(self, leftover: Leftover) -> None:
        """Removes one, unless its upload lived on meanwhile. Raises InvalidKey."""
        found = self._parsed(leftover.name)
        segments = list(self._segments(found.container, found.prefix))
        for segment in segments:
            found.add(segment)
        grown = leftover.modified is not None and found.newest > leftover.modified
        if segments and not grown and not self._in_use(found):
            self._deletion.many([(found.container, segment.name) for segment in segments])

    def remove_of(self, key: str) -> None:
        """Removes every segment of the key but those that its object's manifest names."""
        container = self._containers.segments_of(key)
        segments = list(self._segments(container, f"{key}/"))
        if segments:
            wanted = set(self._segments_of_object(key))
            found = [(container, segment.name) for segment in segments]
            self._deletion.many([path for path in found if path not in wanted])

    def _attempts(self, container: str) -> Iterator[FoundSegments]:
        """The attempts in a listing, which has each one's segments together."""
        current: FoundSegments | None = None
        for segment in self._segments(container):
            key, attempt, started = attempt_of(segment.name) or ("", "", 0)
            if current is None or (current.key, current.attempt) != (key, attempt):
                if current is not None:
                    yield current
                current = FoundSegments(container, key, attempt, started)
            current.add(segment)
        if current is not None:
            yield current

    def _segments(self, container: str, prefix: str = "") -> Iterator[ListedObject]:
        """The segments of this driver in a container; a missing container has none."""
        try:
            for found in self._account.objects(container, prefix=prefix):
                if attempt_of(found.name) is not None:
                    yield found
        except errors.ObjectNotFound:
            return

    def _in_use(self, found: FoundSegments) -> bool:
        """Whether the object's manifest names one of the segments."""
        return any(
            container == found.container and name.startswith(found.prefix)
            for container, name in self._segments_of_object(found.key)
        )

    def _segments_of_object(self, key: str) -> list[Path]:
        """The segments that the manifest of the object under the key names, if there is one."""
        path = (self._containers.of(key), key)
        try:
            return segments_of(self._account, path, self._account.head(path))
        except errors.ObjectNotFound:
            return []

    def _parsed(self, name: str) -> FoundSegments:
        container, _, prefix = name.partition("/")
        known = attempt_of(f"{prefix}{0:08d}")
        if known is None or container not in set(self._containers.all_of_segments()):
            raise errors.InvalidKey("That is not the name of a leftover.")
        return FoundSegments(container, *known)
