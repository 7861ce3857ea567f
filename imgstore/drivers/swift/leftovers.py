"""What uploads left that died: segments that no manifest names, found by age, since no server knows who is alive.

The segments of one attempt are one leftover. It is none while its object's manifest names one of them, and none while
the attempt may be alive: its newest segment must be older than the age that is asked for, and the attempt must have
been quiet for longer than it had been at work, because segments of a slow upload come slowly and ever larger. Names
that this driver never gives are not touched. What this module refuses to do: guess at segments of other programs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.drivers.swift.account import Account, Entry, Path
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.deletion import Deletion, segments_of
from imgstore.drivers.swift.manifest import attempt_of
from imgstore.model import Leftover

REASON = "segments of an upload that ended without its object"


@dataclass
class Attempt:
    """The segments of one attempt, as a listing has them."""

    container: str
    key: str
    name: str
    started: float
    size: int = 0
    newest: float = 0.0

    @property
    def prefix(self) -> str:
        """How the names of its segments begin."""
        return f"{self.key}/{self.name}/"

    def add(self, entry: Entry) -> None:
        """One more segment."""
        self.size += entry.size
        self.newest = max(self.newest, entry.modified)

    def quiet(self, older_than: float, now: float) -> bool:
        """Whether nothing came for so long that none will. Age 0 is for whoever knows that nobody uploads."""
        silence = now - self.newest
        return older_than <= 0 or (silence >= older_than and silence >= self.newest - self.started)


class Leftovers:
    """Finds and removes them in one account."""

    def __init__(self, account: Account, containers: Containers, deletion: Deletion) -> None:
        self._account = account
        self._containers = containers
        self._deletion = deletion

    def older_than(self, age: float) -> Iterator[Leftover]:
        """See FindsLeftovers."""
        now = time.time()
        for container in list(self._containers.all_of_segments()):
            for attempt in self._attempts(container):
                if attempt.quiet(age, now) and not self._named(attempt):
                    name = f"{container}/{attempt.prefix}"
                    yield Leftover(name, REASON, attempt.size, attempt.newest, attempt.key)

    def remove(self, leftover: Leftover) -> None:
        """See FindsLeftovers: looked at again, since its upload may have lived on. Raises InvalidKey."""
        container, attempt = self._parsed(leftover.name)
        entries = self._entries(container, attempt.prefix)
        for entry in entries:
            attempt.add(entry)
        grown = leftover.modified is not None and attempt.newest > leftover.modified
        if entries and not grown and not self._named(attempt):
            self._deletion.many([(container, entry.name) for entry in entries])

    def of(self, key: str) -> None:
        """See RemovesTraces: every segment of the key but those that its object's manifest names."""
        container = self._containers.segments_of(key)
        entries = self._entries(container, f"{key}/")
        if entries:
            wanted = set(self._segments_of(key))
            found = [(container, entry.name) for entry in entries]
            self._deletion.many([path for path in found if path not in wanted])

    def _attempts(self, container: str) -> Iterator[Attempt]:
        """The attempts in a listing, which has each one's segments together."""
        current: Attempt | None = None
        for entry in self._listed(container):
            known = attempt_of(entry.name)
            if known is None:
                continue
            if current is None or (current.key, current.name) != known[:2]:
                if current is not None:
                    yield current
                current = Attempt(container, *known)
            current.add(entry)
        if current is not None:
            yield current

    def _listed(self, container: str, prefix: str = "") -> Iterator[Entry]:
        """What is in a container; one that is not there is empty."""
        try:
            yield from self._account.objects(container, prefix=prefix)
        except errors.ObjectNotFound:
            return

    def _entries(self, container: str, prefix: str) -> list[Entry]:
        return [entry for entry in self._listed(container, prefix) if attempt_of(entry.name) is not None]

    def _named(self, attempt: Attempt) -> bool:
        """Whether the object's manifest names a segment of the attempt."""
        return any(
            container == attempt.container and name.startswith(attempt.prefix)
            for container, name in self._segments_of(attempt.key)
        )

    def _segments_of(self, key: str) -> list[Path]:
        """The segments that the manifest of the object under the key names, if there is one."""
        path = (self._containers.of(key), key)
        try:
            return segments_of(self._account, path, self._account.head(path))
        except errors.ObjectNotFound:
            return []

    def _parsed(self, name: str) -> tuple[str, Attempt]:
        container, _, prefix = name.partition("/")
        known = attempt_of(f"{prefix}{0:08d}")
        if known is None or container not in set(self._containers.all_of_segments()):
            raise errors.InvalidKey("That is not the name of a leftover.")
        return container, Attempt(container, *known)
