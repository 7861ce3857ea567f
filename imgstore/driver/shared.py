"""A value that all threads of a store use, and that one of them at a time asks for: a token, keys, a cluster's limits.

It is asked for on a thread of its own. Who has a value that is still good never waits: the value is renewed meanwhile.
Who has none waits for that thread, but no longer than `patience`. A failure is told to all who wait, and to whoever
comes before its pause is over: a server that is down gets one request in a pause, however many uploads begin. The
pauses grow from FIRST_PAUSE to LONGEST_PAUSE seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from imgstore import errors
from imgstore.driver import deadline
from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], float]
FOR_EVER = float("inf")

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
GLANCE = 0.1


class Passing(errors.StoreUnavailable):
    """May be over in a moment. `pause`: the seconds that the server wants to be left alone, if it says so."""

    def __init__(self, message: str, *, detail: str, pause: float | None = None) -> None:
        super().__init__(message, detail=detail)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A value, and the seconds for which it is good; before those of `fresh` are over it is not renewed."""

    value: T
    fresh: float = FOR_EVER
    good: float = FOR_EVER


class Shared(OfOneProcess, Generic[T]):
    """A value, called `what` in messages. A child of a fork keeps it, and asks by itself."""

    def __init__(self, what: str, *, patience: float, clock: Clock = time.monotonic) -> None:
        super().__init__()
        self._what = what
        self._patience = patience
        self.clock = clock
        self._lock = ProcessLock()
        self._kept: Kept[T] | None = None
        self._kept_at = 0.0
        self._asked: Future[T] | None = None
        self._failure: BaseException | None = None
        self._failures = self._wrong = 0
        self._again_at = float("-inf")

    def get(self, ask: Callable[[], Kept[T]]) -> T:
        """The value; `ask` gives another. Raises what asking raised, StoreUnavailable where it takes too long."""
        with self._lock:
            kept, age = self._kept, self.clock() - self._kept_at
            if kept is not None and age < kept.fresh:
                return kept.value
            asked = self._asked or self._begun(ask)
            if kept is not None and age < kept.good:
                return kept.value
        try:
            return self._told() if asked is None else self._awaited(asked)
        finally:
            del asked  # it has the failure, whose traceback has this frame

    def forget(self, is_wrong: Callable[[T], bool], told: Passing | None) -> None:
        """It is not good. Only the first of many threads that say so of one value makes it be asked for again, at once.
        Where the next values are soon not good either, there are pauses too, in which `told` is raised; None: none."""
        with self._lock:
            if self._kept is None or not is_wrong(self._kept.value):
                return
            if self.clock() - self._kept_at >= LONGEST_PAUSE:
                self._wrong = 0
            self._kept = None
            if told is None:
                return
            self._wait(told, self._wrong)
            self._wrong += 1

    def _begun(self, ask: Callable[[], Kept[T]]) -> Future[T] | None:
        """Asks, unless the pause after a failure is not over."""
        if self.clock() < self._again_at:
            return None
        asked: Future[T] = Future()
        thread = threading.Thread(target=self._run, args=(ask, asked), name=f"imgstore-{self._what}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the process has as many threads as it may
            self._wait(Passing(f"Image storage is not available (no {self._what}).", detail=str(error)), 1)
            return None
        self._asked = asked
        return asked

    def _run(self, ask: Callable[[], Kept[T]], asked: Future[T]) -> None:
        begun = self.clock()
        try:
            kept = ask()
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again where somebody waits
            self._failed(error)
            asked.set_exception(error)
            del asked  # as in `get`
        else:
            self._keep(kept, begun)
            asked.set_result(kept.value)

    def _keep(self, kept: Kept[T], begun: float) -> None:
        with self._lock:
            self._kept, self._kept_at, self._asked = kept, begun, None
            self._failures = 0

    def _failed(self, error: BaseException) -> None:
        with self._lock:
            self._asked = None
            self._failures += isinstance(error, errors.StoreError)  # else nobody was asked, and nobody is spared
            pause = self._wait(error, self._failures)
            if self._kept is not None:  # else somebody is told
                LOG.warning("The %s could not be renewed yet: %s", self._what, describe(error))
        if isinstance(error, Passing):
            error.pause = max(pause, error.pause or 0.0)

    def _wait(self, failure: BaseException, failures: int) -> float:
        """Nobody asks before the pause is over."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (failures - 1)) if failures else 0.0
        if isinstance(failure, Passing):  # without its traceback, which has the frames of whoever was told first
            failure = Passing(str(failure), detail=failure.detail or "")
        self._failure, self._again_at = failure, max(self._again_at, self.clock() + pause)
        return pause

    def _awaited(self, asked: Future[T]) -> T:
        until = time.monotonic() + min(self._patience, deadline.left())
        try:
            while deadline.wanted() and (left := until - time.monotonic()) > 0:
                if futures.wait([asked], min(left, GLANCE)).done:
                    return asked.result()
        finally:
            del asked  # as in `get`
        raise Passing(f"Image storage is not available (no {self._what} in time).", detail="waiting")

    def _told(self) -> T:
        """Raises the last failure again, as it is now."""
        failure, left = self._failure, max(0.0, self._again_at - self.clock())
        if isinstance(failure, Passing):
            raise Passing(str(failure), detail=failure.detail or "", pause=left)
        assert failure is not None  # noqa: S101 - there is a pause only after a failure
        raise failure.with_traceback(None)

    def _forked(self) -> None:
        self._asked = None
