"""Attempts of this process whose release failed, because the database was away, until one succeeds.

Their images stay `saving` so long. Who begins an upload of such an image ends its attempt first. Others are ended by
whoever finds that the database is back: else each image of which nobody asks again would be remembered for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from imgstore.model import Attempt

AT_ONCE = 10
"""Attempts that one request ends besides its own."""


class Unreleased:
    """What is remembered; for all threads."""

    def __init__(self) -> None:
        self._attempts: dict[str, list[Attempt]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._attempts.values()))

    def add(self, attempt: Attempt) -> None:
        """Its release failed."""
        with self._lock:
            self._attempts.setdefault(attempt.image_id, []).append(attempt)

    def of(self, image_id: str) -> Sequence[Attempt]:
        """Those of one image."""
        with self._lock:
            return tuple(self._attempts.get(image_id, ()))

    def some(self) -> Sequence[Attempt]:
        """A few of all, the oldest first."""
        with self._lock:
            return [attempt for attempts in self._attempts.values() for attempt in attempts][:AT_ONCE]

    def ended(self, attempts: Sequence[Attempt]) -> None:
        """They own no image any more."""
        with self._lock:
            for attempt in attempts:
                left = [other for other in self._attempts.pop(attempt.image_id, ()) if other != attempt]
                if left:
                    self._attempts[attempt.image_id] = left
