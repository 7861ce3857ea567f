"""One stream to several stores at once, behind the interface of one: as fast as the slowest store alone takes it.

Each store's writer has a thread of its own, fed from a queue. A chunk in an immutable buffer is handed over by
reference; a mutable one belongs to the caller, so `write` returns when every store has taken it. Size, limit, capacity
and quota are asked on the caller's thread (`Admission`), before any store sees the byte. Memory: at most `window` bytes
of chunks wait for the slowest store, or one chunk if that is larger, whatever the number of stores; and what each
driver's writer says of itself.

The first store that fails fails the upload. Without `need_all` it is left out instead: aborted by its writer, its hold
released, logged; the others go on, and the last one that fails fails the upload. `commit` and `close` return when no
thread is running, so that the undo covers everything that was written.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from functools import partial

from imgstore import errors
from imgstore.first_failure import FirstFailure
from imgstore.model import MIB
from imgstore.transfers.target import Target, is_taken, leave_out

DEFAULT_WINDOW = 8 * MIB

STORES_FAULTS = (errors.StoreError, errors.ConfigurationError)
"""What a store may be left out for; anything else fails the upload."""

COMMIT = 1  # a commit waits in the queue as one byte would

Task = Callable[[], object]


class Fanout:
    """Several targets as one (see `Targets`). One thread owns it."""

    def __init__(self, targets: Sequence[Target], *, need_all: bool, window: int = DEFAULT_WINDOW) -> None:
        self._need_all = need_all
        self._window = window
        self._awaited = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._lanes = [_Lane(target, self._lock, self._tell_owner) for target in targets]
        self._everyone = tuple(self._lanes)

    @property
    def all(self) -> Sequence[Target]:
        """See Targets."""
        return [lane.target for lane in self._lanes]

    def admit(self, total: int) -> None:
        """See Targets. A store that has no room for more is left out like one that failed."""
        self._notice_failures()
        for lane in self._lanes:
            try:
                lane.target.writer.admission.admit(total)
            except errors.StoreFull as error:
                if self._need_all or len(self._lanes) == 1:
                    raise
                self._give_up(lane, error)

    def write(self, data: bytes | memoryview) -> None:
        """See Targets. Waits while the window is full. Raises what a store raised, mostly of an earlier chunk."""
        if max(lane.waiting for lane in self._lanes) + len(data) > self._window:
            # Half the window at once: being woken for every chunk costs a switch of threads for every chunk.
            self._wait_until(max(0, min(self._window // 2, self._window - len(data))))
        self._put_everywhere(lambda target: partial(target.writer.write, data), len(data))
        if not isinstance(data, bytes):
            self._wait_until(0)

    def expect_complete(self, total: int) -> None:
        """See Targets."""
        self._lanes[0].target.writer.admission.expect_complete(total)

    def commit(self) -> None:
        """See Targets. No store commits before each of them has every byte or is left out."""
        self._wait_until(0)
        self._put_everywhere(lambda target: target.commit, COMMIT)
        try:
            self._wait_until(0)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the threads and waits for them. What no store has begun to take is dropped; nothing is aborted."""
        with self._lock:
            for lane in self._everyone:
                lane.end()
        for lane in self._everyone:
            lane.join()
            lane.forget()

    def _put_everywhere(self, task_for: Callable[[Target], Task], size: int) -> None:
        for lane in self._lanes:
            lane.start()
        with self._lock:
            for lane in self._lanes:
                lane.put(task_for(lane.target), size)

    def _wait_until(self, waiting: int) -> None:
        """Waits until at most `waiting` bytes are not written yet, in every store; a failure ends the wait at once."""
        self._awaited = waiting
        with self._lock:
            self._changed.wait_for(self._is_over)
        if self._notice_failures():
            self._wait_until(waiting)

    def _is_over(self) -> bool:
        lanes = self._lanes
        return all(lane.waiting <= self._awaited for lane in lanes) or any(lane.failure.happened for lane in lanes)

    def _tell_owner(self) -> None:
        if self._is_over():
            self._changed.notify()

    def _notice_failures(self) -> bool:
        """Leaves out the stores that failed, or raises what one of them raised. Returns whether there were any."""
        before = self._lanes
        for lane in before:
            if lane.failure.happened:
                self._leave_out(lane)
        return len(self._lanes) < len(before)

    def _give_up(self, lane: _Lane, error: errors.StoreFull) -> None:
        """The store is left out after what it is writing now."""
        lane.start()
        with self._lock:
            lane.put(partial(_abort_for, lane.target, error), COMMIT)

    def _leave_out(self, lane: _Lane) -> None:
        if self._need_all or len(self._lanes) == 1 or _is_fatal(lane.failure.error):
            lane.failure.throw()
        self._lanes = [other for other in self._lanes if other is not lane]
        lane.target.count_left_behind()
        lane.target.slot.free()
        if lane.failure.error is not None:
            leave_out(lane.target.store, lane.target.quota, lane.failure.error)


class _Lane:
    """One target and the thread that drives its writer, task by task. `lock` is held by whoever calls `put` and `end`;
    `told` is called with it when there is something for the owner to see."""

    def __init__(self, target: Target, lock: threading.Lock, told: Callable[[], None]) -> None:
        self.target = target
        self.waiting = 0
        self.failure = FirstFailure()
        self._tasks: collections.deque[tuple[Task, int]] = collections.deque()
        self._more = threading.Condition(lock)
        self._told = told
        self._ended = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, once. Raises RuntimeError where the system has none to give."""
        if self._thread is None:
            name = f"imgstore-store-{self.target.store.identifier}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            thread.start()
            self._thread = thread

    def put(self, task: Task, size: int) -> None:
        """One more task for the thread; none after a failure."""
        if not self.failure.happened:
            self._tasks.append((task, size))
            self.waiting += size
            self._more.notify()

    def end(self) -> None:
        """No task begins any more."""
        self._ended = True
        self._tasks.clear()
        self._more.notify()

    def join(self) -> None:
        """Returns when the thread has ended."""
        if self._thread is not None:
            self._thread.join()

    def forget(self) -> None:
        """After the end: it refers to no fanout, which refers to its lanes, and to no traceback."""
        self._told = _nobody
        self.failure.forget()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            task, size = found
            failure = _failure_of(task)
            del task, found  # the owner of a mutable buffer may resize or close it as soon as nothing waits
            goes_on = self._goes_on(size, failure)
            del failure  # its traceback has this frame
            if not goes_on:
                return

    def _next(self) -> tuple[Task, int] | None:
        with self._more:
            self._more.wait_for(lambda: self._tasks or self._ended)
            return self._tasks.popleft() if self._tasks else None

    def _goes_on(self, size: int, failure: BaseException | None) -> bool:
        with self._more:
            self.waiting -= size
            if failure is not None:
                self.failure.keep(failure)
                self.target.part.end(failure)
                self._tasks.clear()
                self.waiting = 0
            self._told()
            return failure is None


def _is_fatal(failure: BaseException | None) -> bool:
    return failure is None or not isinstance(failure, STORES_FAULTS) or is_taken(failure)


def _nobody() -> None:
    """Is told."""


def _abort_for(target: Target, error: errors.StoreFull) -> None:
    try:
        target.writer.abort()
    except errors.StoreError as failure:
        raise error from failure
    raise error


def _failure_of(task: Task) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the owner's thread
        return error
    return None
