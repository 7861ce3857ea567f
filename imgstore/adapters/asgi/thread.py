"""Work on a thread of its own, which the event loop awaits to its end.

Undone: whoever began a session must see its end. So a cancellation, however often it comes, asks the work to stop, and
is raised only when the thread has ended. No thread is ended by force.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from imgstore.http import HostBusy

T = TypeVar("T")


class Worker(Generic[T]):
    """Runs `work` on a new thread, with the caller's context variables. `stop` is called by the event loop and makes
    `work` end soon. Raises HostBusy where there is no thread."""

    def __init__(self, work: Callable[[], T], *, name: str, stop: Callable[[], None] = lambda: None) -> None:
        self._work = work
        self._stop = stop
        self._outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run,), name=name)
        try:
            self._thread.start()
        except RuntimeError as error:  # the process has as many threads as it may
            raise HostBusy from error

    async def end(self) -> T:
        """What `work` returned or raised, once its thread has ended. A cancellation, too, is raised only then."""
        over = asyncio.wrap_future(self._outcome)
        try:
            await outlast(over, stop=self._stop)
        finally:
            self._thread.join()  # it returns at once
            self._forget()
        try:
            return over.result()
        finally:
            del over  # it has the failure, whose traceback has this frame

    def _forget(self) -> None:
        """The outcome has been handed over: a failure's traceback has frames that refer to this worker."""
        self._outcome = concurrent.futures.Future()
        del self._work, self._stop

    def _run(self) -> None:
        try:
            result = self._work()
        except (StopIteration, SystemExit, asyncio.CancelledError) as error:
            # A future refuses the first, and the event loop would wait for ever; the others would end it, or the task.
            self._outcome.set_exception(RuntimeError(f"{type(error).__name__} on a thread: {error}"))
        except BaseException as error:  # noqa: BLE001 - raised where the end is awaited
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(result)


async def outlast(*futures: asyncio.Future[Any], stop: Callable[[], None]) -> None:
    """Returns when all are done, whatever their outcome. When it is cancelled, it calls `stop`, waits on, and raises
    the cancellation at the end."""
    cancelled: asyncio.CancelledError | None = None
    while pending := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
            stop()
    for future in futures:
        if not future.cancelled():
            future.exception()  # retrieved, so that asyncio does not log it where nobody else does
    try:
        if cancelled is not None:
            raise cancelled
    finally:
        del cancelled  # its traceback has this frame


async def dismiss(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await outlast(*tasks, stop=lambda: None)
