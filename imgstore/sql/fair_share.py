"""The connections to a server are given to threads in the order in which these ask.

A pool of SQLAlchemy gives a connection that comes back to whichever thread runs first. That is often the one that gave
it back, so others wait many times as long: at 64 uploads at once one in twenty took four times the median.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from sqlalchemy.exc import TimeoutError as NoConnection

from imgstore.driver.forks import OfOneProcess


class FairShare(OfOneProcess):
    """At most `most` threads at once are inside `turn`; each waits for at most `patience` seconds.

    A thread that is interrupted as it waits (a signal, a timeout of gevent) keeps no turn, and no place in the queue.
    """

    def __init__(self, most: int, *, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._patience = patience
        self._clock = clock
        self._forked()

    @contextlib.contextmanager
    def turn(self, patience: float | None = None) -> Iterator[float]:
        """The seconds that are left of `patience`, or of its own. Raises NoConnection, as a pool does."""
        began, called = self._clock(), threading.Lock()
        seconds = self._patience if patience is None else patience
        try:
            self._enter(called, seconds)
            yield max(0.0, seconds - (self._clock() - began))
        finally:
            self._leave(called)

    def _forked(self) -> None:
        self._lock = threading.RLock()  # the collector of garbage may run inside, and what it ends ask for a turn
        self._inside: set[threading.Lock] = set()
        self._waiting: deque[threading.Lock] = deque()

    def _enter(self, called: threading.Lock, seconds: float) -> None:
        called.acquire()
        with self._lock:
            self._waiting.append(called)
            self._call()
        if not called.acquire(timeout=seconds):
            raise NoConnection("Others kept all connections for too long.")

    def _leave(self, called: threading.Lock) -> None:
        """Also of a thread that never came in; and of one that came in before this process was forked."""
        with self._lock:
            self._inside.discard(called)
            with contextlib.suppress(ValueError):
                self._waiting.remove(called)
            self._call()

    def _call(self) -> None:
        while self._waiting and len(self._inside) < self._most:
            called = self._waiting.popleft()
            self._inside.add(called)
            called.release()
