"""Calls of foreign code that knows no deadline: each on a thread that its caller leaves when its time is over.

Nothing can end such a call, so it goes on. While MOST of those that were left go on, nothing more is called: a storage
that hangs for hours costs so many threads and no more (contained).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from imgstore import errors
from imgstore.driver import deadline
from imgstore.driver.translate import forget_frames

MOST: Final = 8

T = TypeVar("T")


class BoundedCalls:
    """Those of one store, for all its threads. `patience`: seconds for each; `thread_name`: how an operator sees them
    in a dump of the threads."""

    def __init__(self, patience: float, *, thread_name: str = "imgstore-call") -> None:
        self._patience = patience
        self._thread_name = thread_name
        self._left: list[threading.Thread] = []
        self._lock = threading.Lock()

    def run(self, action: str, call: Callable[[], T], *, patience: float | None = None) -> T:
        """What `call` returns. Raises what it raises; StoreUnavailable if that takes too long, or is not tried.
        `patience`: other seconds for this one."""
        self._refuse_more(action)
        done: Future[T] = Future()
        thread = threading.Thread(target=_run, args=(call, done), name=self._thread_name, daemon=True)
        thread.start()
        thread.join(max(0.0, min(self._patience if patience is None else patience, deadline.left())))
        if thread.is_alive():
            with self._lock:
                self._left.append(thread)
            raise errors.StoreUnavailable(f"Image storage did not answer in time while {action}.")
        try:
            return done.result()
        finally:
            del done  # it has the failure, whose traceback has this frame

    def _refuse_more(self, action: str) -> None:
        with self._lock:
            self._left = [thread for thread in self._left if thread.is_alive()]
            if len(self._left) >= MOST:
                raise errors.StoreUnavailable(f"Image storage is not available: {MOST} calls hang ({action}).")


def _run(call: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(call())
    except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the caller's thread
        forget_frames(error)
        done.set_exception(error)
        del done  # as above
