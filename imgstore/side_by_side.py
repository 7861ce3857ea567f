"""Work in several stores at the same time, so that one that hangs holds up no other (contained).

Each piece of work has a daemon thread of its own: what hangs in the kernel cannot be ended, and must not keep the
process from ending. Whoever waits, waits within a bound.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")
Work = Callable[[], T]


def begun(name: str, work: Work[T]) -> Future[T]:
    """Begins `work` on a thread of that name."""
    future: Future[T] = Future()
    threading.Thread(target=_do, args=(future, work), name=name, daemon=True).start()
    return future


def _do(future: Future[T], work: Work[T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - of any class: it is raised where the result is asked for
        future.set_exception(error)


class Begun(Generic[T]):
    """All of `work`, by store, begun at once; each has `seconds` from now."""

    def __init__(self, work: Mapping[str, Work[T]], *, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._futures = {store: begun(f"imgstore-{store}", each) for store, each in work.items()}

    def result(self, store: str) -> T:
        """What it returned. Raises what it raised; TimeoutError if it has not ended in time."""
        future = self._futures[store]
        wait([future], max(0.0, self._until - time.monotonic()))
        if not future.done():
            raise TimeoutError
        return future.result()

    def all_ended(self, seconds: float) -> bool:
        """Whether all have ended; waits so many `seconds` at most."""
        return not wait(self._futures.values(), seconds).not_done

    def ended(self) -> Iterator[str]:
        """The stores, each when its work has ended; after the time those whose work has not are left out."""
        left = {future: store for store, future in self._futures.items()}
        while left:
            done, _ = wait(left, max(0.0, self._until - time.monotonic()), return_when=FIRST_COMPLETED)
            if not done:
                return
            for future in done:
                yield left.pop(future)


class StoreThreads:
    """At most one thread for each store, for work that may be left out while the last one has not ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, Future[object]] = {}

    def run(self, work: Mapping[str, Work[object]], *, seconds: float) -> None:
        """Begins what can begin; returns when it has ended, at the latest after so many `seconds`. Raises what one of
        them raised by then."""
        with self._lock:
            free = [store for store in work if store not in self._last or self._last[store].done()]
            mine = {store: begun(f"imgstore-cleanup of {store}", work[store]) for store in free}
            self._last |= mine
        for future in wait(mine.values(), seconds).done:
            future.result()
