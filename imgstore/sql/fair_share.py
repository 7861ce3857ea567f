"""The connections to a server are given to threads in the order in which these ask.

A pool of SQLAlchemy gives a connection that comes back to whichever thread runs first. That is often the one that gave
it back, so others wait many times as long: at 64 uploads at once one in twenty took four times the median.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from sqlalchemy.exc import TimeoutError as NoConnection

from imgstore.driver.forks import OfOneProcess


class FairShare(OfOneProcess):
    """At most `most` threads at once are inside `turn`; each waits for at most `patience` seconds."""

    def __init__(self, most: int, *, patience: float) -> None:
        super().__init__()
        self._most = most
        self._patience = patience
        self._forked()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Raises NoConnection, as a pool does."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _forked(self) -> None:
        self._free = self._most
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    def _enter(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        if not called.acquire(timeout=self._patience):
            self._give_up(called)

    def _give_up(self, called: threading.Lock) -> None:
        """Unless the turn came at this very moment."""
        with self._lock:
            if called in self._waiting:
                self._waiting.remove(called)
                raise NoConnection("Others kept all connections for too long.")

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
