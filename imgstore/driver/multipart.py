"""A writer for storages that take a small object in one request and a large one in parts, sent in parallel.

Up to `threshold` bytes everything stays in memory and one `_put` on the caller's thread stores it; no thread is
started. The byte that exceeds begins the parts. The driver's hooks name what differs: `_put`, `_begin`, `_send`,
`_complete` and `_discard`; retries are theirs. Whatever may have been begun is discarded, after the last part in
flight has ended. An abort returns within a second, whatever the server does: parts in flight have GRACE seconds to end,
then their sockets are woken, and what takes longer goes on by itself (`imgstore.driver.background`).

The owner's thread fills one part while up to `concurrency` others are being sent, each by one call of `_send` on a
thread of the sender. A slow storage slows the owner down: `write` blocks while the memory is full. The first failure
of any `_send`, of whatever class, stops the others from starting and is raised on the owner's thread: no part is tried
again, and none sends another piece.

Memory: at most `threshold + (concurrency + 1) * sizes.unit` bytes, or one part where a single one is larger. As parts
grow, fewer are in memory at a time.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from imgstore import errors
from imgstore.driver.background import undo_soon
from imgstore.driver.deadline import Stop
from imgstore.driver.part_sizes import PartSizes
from imgstore.driver.translate import storage_failures
from imgstore.driver.writer import ObjectWriter
from imgstore.first_failure import FirstFailure
from imgstore.model import ObjectInfo

T = TypeVar("T")

GRACE = 0.4
"""Seconds in which a part that was sent may still be answered when nobody wants it any more. What is cut off may be
stored all the same, and later than it is discarded."""


@dataclass(frozen=True, slots=True)
class Part:
    """One piece: `number` counts from 1, `offset` is the bytes before it. `data` may be read again and again until
    `send` returns, and not afterwards."""

    number: int
    offset: int
    data: memoryview


class MultipartWriter(ObjectWriter, Generic[T]):
    """One object on its way to a storage. `size` bytes (None: unknown) decides whether the parts begin at once."""

    def __init__(self, *, size: int | None, sizes: PartSizes, threshold: int, concurrency: int) -> None:
        self.__sizes = sizes
        self.__holds = threshold if size is None else size if size <= threshold else 0
        self.__concurrency = concurrency
        self.__small: bytearray | None = None
        self.__sender: PartSender[T] | None = None
        self.__begun = False

    @abstractmethod
    def _put(self, data: memoryview) -> ObjectInfo:
        """Stores a small object, possibly empty, with one request and makes it visible.
        Thread: as `_commit`. Raises: as `_commit`. Tried again by: the driver. `_discard` follows a failure."""

    @abstractmethod
    def _begin(self) -> None:
        """Called once, before the first part.
        Thread: as `_write`. Raises: as `_write`. Tried again by: the driver. `_discard` follows a failure."""

    @abstractmethod
    def _send(self, part: Part) -> T:
        """Stores one part; called on several threads at once. `stopping` says whether trying again is of use.
        Thread: one of the sender's, several at once. Raises: as `_write`; the first failure ends the upload.
        Tried again by: the driver, until `stopping`. `_discard` follows a failure."""

    @abstractmethod
    def _complete(self, sent: list[T], total: int) -> ObjectInfo:
        """Makes an object of `total` bytes out of all parts, in order, visible.
        Thread: as `_commit`. Raises: as `_commit`. Tried again by: the driver. `_discard` follows a failure."""

    @abstractmethod
    def _discard(self) -> None:
        """Removes every trace: parts, and the object if this writer made it visible. Called when no part is in flight,
        and only if one of the other hooks was called, which may have failed or succeeded unnoticed.
        Thread: one of its own, which goes on when the upload has ended. Raises: as `_abort`. Tried again by: as
        `_abort`."""

    @property
    def stopping(self) -> bool:
        """Whether the upload has failed elsewhere, so that no part need be tried again."""
        return self.__sender is not None and self.__sender.stopping

    def _write(self, chunk: bytes | memoryview) -> None:
        if self.__sender is None and self.total + len(chunk) <= self.__holds:
            self.__keep(chunk)
            return
        sender = self.__sender or self.__start()
        sender.write(chunk)

    def _commit(self) -> ObjectInfo:
        if self.__sender is not None:
            return self._complete(self.__sender.finish(), self.total)
        self.__begun = True
        return self._put(self.__kept())

    def _abort(self) -> None:
        self.__small = None
        if self.__begun:
            undo_soon("what was sent of an object", self.__undo)

    def __undo(self) -> None:
        if self.__sender is not None:
            self.__sender.cancel()
        self._discard()

    def __keep(self, chunk: bytes | memoryview) -> None:
        if self.__small is None:
            self.__small = bytearray(self.__holds)
        self.__small[self.total : self.total + len(chunk)] = chunk

    def __kept(self) -> memoryview:
        return memoryview(self.__small or b"")[: self.total].toreadonly()

    def __start(self) -> PartSender[T]:
        self.__begun = True
        self._begin()
        sender = self.__sender = PartSender(self.__send, sizes=self.__sizes, concurrency=self.__concurrency)
        sender.adopt(self.__kept())
        self.__small = None
        return sender

    def __send(self, part: Part) -> T:
        with storage_failures("writing"):  # here: on the owner's thread an exit may be a signal's
            return self._send(part)


def _send_nothing(part: Part) -> NoReturn:
    raise errors.UsageError(f"Part {part.number} comes after the end.")


class PartSender(Generic[T]):
    """Sends the parts of one object. One thread owns it; `send` is called on up to `concurrency` others at once."""

    def __init__(self, send: Callable[[Part], T], *, sizes: PartSizes, concurrency: int) -> None:
        self._send = send
        self._sizes = sizes
        self._memory = (concurrency + 1) * sizes.unit
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="imgstore-part")
        self._changed = threading.Condition()
        self._sent: dict[int, T] = {}
        self._spare: list[bytearray] = []
        self._failure = FirstFailure()
        self._stop = Stop()
        self._running = 0
        self._taken = 0
        self._number = 0
        self._offset = 0
        self._buffer: bytearray | None = None
        self._filled = 0

    @property
    def stopping(self) -> bool:
        """Whether what is being sent is wanted no more: `send` need not try again."""
        return not self._stop.wanted()

    def write(self, data: bytes | memoryview) -> None:
        """Copies the next bytes of the object. Blocks while the memory is full. Raises what a `send` raised."""
        view = memoryview(data)
        while view:
            buffer = self._buffer
            if buffer is None:
                buffer = self._buffer = self._take(self._sizes.size_of(self._number + 1))
            count = min(len(view), len(buffer) - self._filled)
            buffer[self._filled : self._filled + count] = view[:count]
            self._filled += count
            view = view[count:]
            if self._filled == len(buffer):
                self._send_buffer()

    def adopt(self, data: memoryview) -> None:
        """The next bytes, not copied where they make up whole parts: a buffer that nobody changes any more."""
        while self._buffer is None and data and len(data) >= (size := self._sizes.size_of(self._number + 1)):
            self._wait_for_room(size)
            self._submit(data[:size], None)
            data = data[size:]
        self.write(data)

    def finish(self) -> list[T]:
        """What `send` returned for each part, in order, when all of them are sent. Raises what a `send` raised."""
        if self._buffer is not None:
            self._send_buffer()
        with self._changed:
            self._changed.wait_for(lambda: self._failure.happened or not self._taken)
            self._failure.throw()
        self._pool.shutdown(wait=True)
        self._forget()
        return [self._sent[number] for number in sorted(self._sent)]

    def cancel(self) -> None:
        """Starts no further part and returns when none is being sent any more: soon, if `send` keeps its bounds. What
        goes on all the same keeps its own part in memory, and nothing else."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            self._changed.wait_for(lambda: not self._running, GRACE)
        self._stop.cut()
        self._forget()
        self._pool.shutdown(wait=True)
        self._forget()

    def _forget(self) -> None:
        """The bytes that nobody needs any more; a failure has them in the frames of its traceback."""
        with self._changed:
            self._buffer = None
            self._spare.clear()
        self._failure.forget()
        self._send = _send_nothing

    def _take(self, size: int) -> bytearray:
        """A buffer; used ones serve again, since a new one costs a page fault for every 4 KiB."""
        self._wait_for_room(size)
        with self._changed:
            fitting = [buffer for buffer in self._spare if len(buffer) == size]
            self._spare = fitting[1:]
        return fitting[0] if fitting else bytearray(size)

    def _wait_for_room(self, size: int) -> None:
        with self._changed:
            while not self._failure.happened and self._taken and self._taken + size > self._memory:
                self._changed.wait()
            self._failure.throw()
            self._taken += size

    def _send_buffer(self) -> None:
        buffer, filled = self._buffer, self._filled
        self._buffer, self._filled = None, 0
        if buffer is not None:
            self._submit(memoryview(buffer)[:filled], buffer)

    def _submit(self, data: memoryview, buffer: bytearray | None) -> None:
        self._number += 1
        part = Part(self._number, self._offset, data)
        self._offset += len(data)
        self._pool.submit(self._run, part, buffer)

    def _run(self, part: Part, buffer: bytearray | None) -> None:
        size = len(part.data) if buffer is None else len(buffer)
        with self._changed:
            self._running += 1
        try:
            if not self.stopping:
                with self._stop:
                    self._sent[part.number] = self._send(part)
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the owner's thread
            with self._changed:
                self._failure.keep(error)
                self._stop.set()
        with self._changed:
            self._running -= 1
            self._taken -= size
            if buffer is not None and not self.stopping:
                self._spare.append(buffer)
            self._changed.notify_all()
