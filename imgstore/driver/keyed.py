"""One at a time for each key: what two threads must not do to one object at once, such as to remove and count it."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.driver.turns import PATIENCE, Turn


@dataclass(slots=True)
class _Used:
    turn: Turn
    users: int = 0


class KeyedLocks(OfOneProcess):
    """Locks by key. Memory: one lock for each key that is in use now. `what` is done under a key; `patience`: seconds
    that it may take before nobody waits for its end any more."""

    def __init__(self, what: str = "the deletion of the same object", *, patience: float = PATIENCE) -> None:
        super().__init__()
        self._what = what
        self._patience = patience
        self._guard = ProcessLock()
        self._turns: dict[Hashable, _Used] = {}

    @contextlib.contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Waits for whoever has the key, within a bound. Raises StoreUnavailable."""
        with self._guard:
            used = self._turns.setdefault(key, _Used(Turn(self._what, patience=self._patience)))
            used.users += 1
        try:
            with used.turn:
                yield
        finally:
            with self._guard:
                used.users -= 1
                if not used.users:
                    self._turns.pop(key, None)

    def _forked(self) -> None:
        self._turns = {}
