"""Coroutine functions of a host, called from the threads of uploads and awaited in the host's event loop.

A call waits on its thread until the loop has run it, at most `timeout` seconds. The loop never waits for such a thread,
so the two cannot wait for each other; a call on the thread of a loop would, and is refused. A cancelled request ends
its upload when the call that is under way has returned.

A call that the loop never began has changed nothing (CatalogUnavailable). Of one that was given up nobody knows
(NoAnswer, which is none of the library's errors): the session then asks for its image, as after a lost answer.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar

from imgstore import errors

P = ParamSpec("P")
T = TypeVar("T")

SERVING: ContextVar[asyncio.AbstractEventLoop] = ContextVar("imgstore-serving")
"""The loop that serves the request, also for the thread of its upload."""
TIMEOUT = 30.0
LOOK = 0.5
"""Seconds between two looks whether the loop still runs."""


class NoAnswer(Exception):
    """A call was given up after its timeout, or with its loop: whether it had its effect is unknown."""


class Bridge:
    """Calls functions in `loop`; without one in the loop that serves the request. `timeout`: seconds for each call."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, timeout: float = TIMEOUT) -> None:
        if timeout <= 0:
            raise errors.UsageError("The timeout of a call is more than 0 seconds.")
        self._loop = loop
        self._timeout = timeout

    def call(self, function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns, awaited if it is a coroutine. Raises what it raises, CatalogUnavailable if the loop
        has ended, NoAnswer, UsageError on the thread of a loop."""
        _refuse_in_a_loop()
        answer = function(*args, **kwargs)
        if not inspect.isawaitable(answer):
            return answer
        call: _Call[T] = _Call(answer if inspect.iscoroutine(answer) else _awaited(answer))
        try:
            return call.result(self._running_loop(), self._timeout)
        finally:
            call.give_up()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop or SERVING.get(None)
        if loop is None:
            raise errors.UsageError("No event loop serves this thread: say which one awaits the call (loop=...).")
        return loop


def _refuse_in_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise errors.UsageError("A call from an event loop would wait for itself: it belongs on another thread.")


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


class _Call(Generic[T]):
    """One coroutine on its way through a loop. Whoever takes it first, the loop or the end of the wait, has it."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._taken = threading.Lock()
        self._cancel: Callable[[], object] = lambda: None
        self._outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def result(self, loop: asyncio.AbstractEventLoop, timeout: float) -> T:
        """Waits for the loop. See `Bridge.call`."""
        until = time.monotonic() + timeout
        try:
            loop.call_soon_threadsafe(self._start, loop)
        except RuntimeError as error:
            raise _ended(error) from error
        while not self._outcome.done() and loop.is_running() and (left := until - time.monotonic()) > 0:
            concurrent.futures.wait([self._outcome], min(left, LOOK))
        if self._outcome.done():
            return self._outcome.result()
        if self.give_up():
            raise _ended(None)
        loop.call_soon_threadsafe(self._cancel)
        raise NoAnswer

    def give_up(self) -> bool:
        """Whether the call never began, and never will."""
        never = self._taken.acquire(blocking=False)
        if never:
            self._coroutine.close()
        return never

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop's thread, and in the context variables of the caller."""
        if self._taken.acquire(blocking=False):
            task = loop.create_task(self._coroutine)
            self._cancel = task.cancel
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[T]) -> None:
        failure = NoAnswer("cancelled") if task.cancelled() else task.exception()
        if failure is None:
            self._outcome.set_result(task.result())
        else:
            self._outcome.set_exception(failure)


def _ended(error: BaseException | None) -> errors.CatalogUnavailable:
    detail = "its event loop did not begin the call" if error is None else "its event loop is closed"
    return errors.CatalogUnavailable("The service's catalog did not answer.", detail=detail)
