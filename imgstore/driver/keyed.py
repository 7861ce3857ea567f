"""One at a time for each key: what two threads must not do to one object at once, such as to remove and count it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from imgstore.driver.forks import OfOneProcess, ProcessLock


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class KeyedLocks(OfOneProcess):
    """Locks by key. Memory: one lock for each key that is in use now."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = ProcessLock()
        self._turns: dict[Hashable, _Turn] = {}

    @contextlib.contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Waits for whoever has the key."""
        with self._guard:
            turn = self._turns.setdefault(key, _Turn())
            turn.users += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._guard:
                turn.users -= 1
                if not turn.users:
                    self._turns.pop(key, None)

    def _forked(self) -> None:
        self._turns = {}
