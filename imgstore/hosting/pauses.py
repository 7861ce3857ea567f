"""Leaves a store that failed alone for a while: longer with each failure, and never everybody for the same time.

The pause has a random part, so that not everybody meets the store when it comes back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Seconds that a store is left alone after its first failure, and at most."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A store is left alone until `end`, in seconds of the clock, for `length` seconds in all."""

    end: float
    length: float


class Pauses:
    """The pauses of all stores, for all threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pauses: dict[str, Pause] = {}

    def is_left_alone(self, store: str) -> bool:
        """Whether the store is not to be asked now."""
        pause = self._pauses.get(store)
        return pause is not None and self._clock() < pause.end

    def leave_alone(self, store: str) -> None:
        """The store failed."""
        before = self._pauses.get(store)
        length = FIRST_PAUSE if before is None else min(2 * before.length, LONGEST_PAUSE)
        self._pauses[store] = Pause(self._clock() + length * random.uniform(0.5, 1.0), length)  # noqa: S311 - no secret

    def end(self, store: str) -> None:
        """The store works again."""
        self._pauses.pop(store, None)
