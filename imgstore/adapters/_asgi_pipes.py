"""Bytes between the event loop and the thread that owns a session, bounded in both directions (law 6).

The thread waits on a condition, the event loop on an event, and neither runs ahead of the other: an upload's bytes are
received when there is room for them, a download's are read when those before them were sent. `fail` and `stop` reach a
side that waits at once; a driver that is in the middle of a call is never disturbed.
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
"""Bytes that a message is charged besides its own, so that many small ones cannot pass the bound."""


class Stopped(Exception):
    """The event loop gave the session up; nobody waits for its outcome."""


class _Pipe(Generic[T]):
    """`begun` holds what the thread gave when its session began. One side may wait at a time on each end."""

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
        """From the thread: the session has begun."""
        with self._change():
            self._begun.append(begun)

    async def begun(self) -> T:
        """What `begin` was given, as soon as it was; or what `fail` was given before."""
        await self._until(lambda: bool(self._begun) or self._error is not None)
        if not self._begun:
            self._raise()
        return self._begun[0]

    def end(self) -> None:
        """No more bytes will come."""
        with self._change():
            self._ended = True

    def fail(self, error: BaseException) -> None:
        """The other side is to raise `error`; the first one counts."""
        with self._change():
            self._error = self._error or error

    def stop(self) -> None:
        """The thread is to end its session as soon as it is out of the driver."""
        self.fail(Stopped())

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()
        with contextlib.suppress(RuntimeError):  # the event loop was closed: nobody is left to be told
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


class UploadPipe(_Pipe["int | None"]):
    """From the event loop to the thread. Holds less than `window` bytes and one message, the one that the session
    is writing included; each message is charged MESSAGE_COST more than its length."""

    async def room(self) -> None:
        """Returns when the next message may be received."""
        await self._until(lambda: self._held < self._window)

    def put(self, chunk: bytes) -> None:
        """The next bytes, when there was `room`."""
        with self._changed:
            self._held += _charge(chunk)
            self._chunks.append(chunk)
            self._changed.notify_all()

    def pour_into(self, write: Callable[[Chunk], None]) -> None:
        """Writes everything up to the `end`. Raises what `fail` was given, at once but never in the middle of a
        write."""
        while (chunk := self._take()) is not None:
            write(chunk)
            charge = _charge(chunk)
            del chunk
            with self._change():
                self._held -= charge

    def _take(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._ended or self._error)
            self._raise()
            return self._chunks.popleft() if self._chunks else None


class DownloadPipe(_Pipe[T]):
    """From the thread to the event loop. Holds at most `window` chunks, the one that is being sent included, and one
    more that the thread has read."""

    def put(self, chunk: bytes) -> None:
        """Waits for a place, then leaves the chunk there. Raises what `stop` gave."""
        with self._change():
            self._changed.wait_for(lambda: self._held < self._window or self._error)
            self._raise()
            self._held += 1
            self._chunks.append(chunk)

    async def pour_into(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Sends everything up to the `end`. Raises what `fail` was given, after the bytes before it."""
        while True:
            await self._until(lambda: bool(self._chunks) or self._ended or self._error is not None)
            if not self._chunks:
                return self._raise()
            await send(self._chunks.popleft())
            with self._changed:
                self._held -= 1
                self._changed.notify_all()


def _charge(chunk: bytes) -> int:
    return len(chunk) + MESSAGE_COST
