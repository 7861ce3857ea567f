"""Work on a thread of its own, which the event loop awaits to its very end.

A session belongs to one thread, and whoever began it must see its end: so a cancellation, however often it comes, asks
the work to stop and is raised only when the thread is gone. What this module refuses to do: end a thread by force, or
let the event loop wait for a lock that is held for longer than a few statements.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """`work` on a new thread, in the context variables of the caller. `stop` is called from the event loop and makes
    `work` end soon."""

    def __init__(self, work: Callable[[], T], *, name: str, stop: Callable[[], None] = lambda: None) -> None:
        self._work = work
        self._stop = stop
        self._outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run,), name=name)
        self._thread.start()

    async def end(self) -> T:
        """What `work` returned or raised, when its thread is gone: not before, and no cancellation before either."""
        over = asyncio.wrap_future(self._outcome)
        try:
            await outlast(over, stop=self._stop)
        finally:
            self._thread.join()  # it has nothing left to do
        return over.result()

    def _run(self) -> None:
        try:
            result = self._work()
        except StopIteration as error:  # no future takes it, and the event loop would wait for ever
            self._outcome.set_exception(RuntimeError(f"StopIteration on a thread: {error}"))
        except BaseException as error:  # noqa: BLE001 - raised where the end is awaited
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(result)


async def outlast(*futures: asyncio.Future[Any], stop: Callable[[], None]) -> None:
    """Returns when all are done, whatever became of them. Cancelled meanwhile, it calls `stop`, goes on waiting, and
    raises the cancellation at the end."""
    cancelled: asyncio.CancelledError | None = None
    while pending := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
            stop()
    for future in futures:
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not complain where nobody else looks
    if cancelled is not None:
        raise cancelled


async def dismiss(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks and waits for their ends."""

    def cancel() -> None:
        for task in tasks:
            task.cancel()

    cancel()
    await outlast(*tasks, stop=lambda: None)
