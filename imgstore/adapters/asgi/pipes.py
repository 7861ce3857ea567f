"""Pipes of bytes between the event loop and the thread that owns a session, with bounded memory in both directions.

The thread waits on a condition, the event loop on an event. Neither runs ahead: an upload's bytes are received when
there is room for them, a download's bytes are read when the earlier ones were sent. `fail` and `stop` wake a side that
waits; they never interrupt a driver's call.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from imgstore.model import Chunk

T = TypeVar("T")

MESSAGE_COST = 256
"""Bytes that each message is charged besides its length, so that many small messages stay within the bound."""


class Stopped(Exception):
    """The event loop gave up the session; nobody waits for its outcome."""


class _Pipe(Generic[T]):
    """At most one task and one thread wait on a pipe. The thread reports its session's begin to the event loop."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._changed = threading.Condition()
        self._chunks: collections.deque[bytes] = collections.deque()
        self._held = 0
        self._begun: list[T] = []
        self._ended = False
        self._error: BaseException | None = None

    def begin(self, begun: T) -> None:
        """Called by the thread when its session has begun."""
        with self._change():
            self._begun.append(begun)

    async def begun(self) -> T:
        """Waits for `begin` and returns its argument. Raises the error of a `fail` that came first."""
        await self._until(lambda: bool(self._begun) or self._error is not None)
        if not self._begun:
            self._raise()
        return self._begun[0]

    def end(self) -> None:
        """No more bytes will come."""
        with self._change():
            self._ended = True

    def fail(self, error: BaseException) -> None:
        """Makes the other side raise `error`; only the first error counts."""
        with self._change():
            self._error = self._error or error

    def stop(self) -> None:
        """Makes the thread end its session as soon as the driver's current call has returned."""
        self.fail(Stopped())

    def forget(self) -> None:
        """Both sides have ended: the traceback of an error has frames that refer to this pipe."""
        self._error = None

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()
        self._tell_loop()

    def _tell_loop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._news.set)

    async def _until(self, ready: Callable[[], bool]) -> None:
        while True:
            self._news.clear()
            with self._changed:
                if ready():
                    return
            await self._news.wait()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class UploadPipe(_Pipe[int]):
    """From the event loop to the thread. Holds less than `window` bytes and one message, including the one that the
    session is writing; each message is charged its length and MESSAGE_COST."""

    async def room(self) -> None:
        """Returns when the next message may be received."""
        if self._held >= self._window:
            await self._until(lambda: self._held < self._window)

    def put(self, chunk: bytes) -> None:
        """The next bytes, once there is `room`."""
        with self._changed:
            self._held += len(chunk) + MESSAGE_COST
            self._chunks.append(chunk)
            self._changed.notify_all()

    def pour_into(self, write: Callable[[Chunk], None]) -> None:
        """Writes everything up to the `end`. Raises the error of `fail` at once, but never during a write."""
        while (chunk := self._take()) is not None:
            write(chunk)
            charge = len(chunk) + MESSAGE_COST
            del chunk
            with self._changed:
                self._held -= charge
            self._tell_loop()

    def _take(self) -> bytes | None:
        with self._changed:
            while not (self._chunks or self._ended or self._error):
                self._changed.wait()
            self._raise()
            return self._chunks.popleft() if self._chunks else None


class DownloadPipe(_Pipe[T]):
    """From the thread to the event loop. Holds at most `window` chunks, including the one that is being sent, and one
    more that the thread has read."""

    def put(self, chunk: bytes) -> None:
        """Waits until the pipe has room for `chunk`. Raises Stopped after `stop`."""
        with self._change():
            self._changed.wait_for(lambda: self._held < self._window or self._error)
            self._raise()
            self._held += 1
            self._chunks.append(chunk)

    async def pour_into(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Sends everything up to the `end`. Raises the error of `fail` after the bytes that came before it."""
        while True:
            await self._until(lambda: bool(self._chunks) or self._ended or self._error is not None)
            if not self._chunks:
                return self._raise()
            await send(self._chunks.popleft())
            with self._changed:
                self._held -= 1
                self._changed.notify_all()
