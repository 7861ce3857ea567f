"""A turn: one thread at a time, where whoever has it may hang in a store (trouble stays where it is).

Who comes later waits until the turn has lasted `patience` seconds, and no longer than its own deadline. Then the store
is unavailable to it. So a call that hangs for an hour keeps no other thread: after the first seconds all are refused at
once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType

from imgstore import errors
from imgstore.driver import deadline

PATIENCE = 10.0
"""Seconds that a turn may last before nobody waits for its end any more."""


class Turn:
    """`what` is done under it, for the message. Entering raises StoreUnavailable. A forked child needs another one."""

    def __init__(self, what: str, *, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._since = math.inf

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._left()):
            problem = f"Image storage is not available: {self._what} is under way and does not end. Try again later."
            raise errors.StoreUnavailable(problem)
        self._since = self._clock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._since = math.inf  # before the release: who comes next has not begun yet
        self._lock.release()

    def _left(self) -> float:
        lasted = max(0.0, self._clock() - self._since)
        return max(0.0, min(self._patience - lasted, deadline.left()))
