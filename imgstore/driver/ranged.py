"""A reader for storages that are asked for ranges over a network: broken bodies are resumed where they broke, at the
same object, and large reads are fetched ahead in parallel.

The driver opens the first body, which is how it learns what the object is, and hands over `fetch` for later ranges,
which tries once. A body that ends early or fails with StoreUnavailable is fetched again from where it broke, up to
TRIES times without a byte in between and after a jittered pause; an object that changed or went away is not. This is
the one floor on which a read is tried again. All tries at a piece have one deadline, which bytes put off: STALLS times
the `patience` (the seconds for an answer). A caller who has the object elsewhere too is in haste: two tries within one
`patience`.

`close` returns at once, whatever the server does: threads that wait for it are woken. Memory: what one body buffers;
with `concurrency` above 1, `(concurrency + 1) * block_size` bytes besides.
"""

from __future__ import annotations

import collections
import math
import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from imgstore import errors
from imgstore.driver import deadline
from imgstore.driver.background import MOMENT
from imgstore.driver.deadline import HASTY_TRIES, Progress, Stop
from imgstore.driver.reader import ObjectReader
from imgstore.driver.translate import storage_failures
from imgstore.model import MIB, ObjectInfo

TRIES = 5
PIECE = 256 * 1024
FIRST_PAUSE = 0.1
_FINAL = (errors.ObjectChanged, errors.IntegrityError)


class Body(Protocol):
    """The bytes of one range as the storage sends them."""

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" at the end, which may come too early. Raises StoreUnavailable.
        Thread: the reader's, or one that reads ahead. Raises: StoreUnavailable. Tried again by: the reader,
        with `Fetch`, from where it broke."""

    def close(self) -> None:
        """Returns the connection, in the middle of the body too.
        Thread: as `read`. Raises: StoreError. Tried again by: nobody."""


Fetch = Callable[[int, int], Body]
"""Opens bytes start to stop of the very object that the reader is pinned to. Raises ObjectChanged, ObjectNotFound,
StoreUnavailable."""

Block = collections.deque[bytes]


@dataclass(frozen=True, slots=True)
class Opened:
    """The first answer of the storage: `body` has bytes `start` to `stop` of the object `info`."""

    info: ObjectInfo
    body: Body
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Source:
    """How ranges are fetched, how often and how long that is tried, and whether they are wanted."""

    fetch: Fetch
    patience: float
    tries: int
    stop: Stop


class RangedReader(ObjectReader):
    """Bytes of one object up to `stop`. The first range has been requested already. `patience`: seconds for an answer;
    None: the driver's own bounds are enough."""

    RESUMES = True

    def __init__(
        self, opened: Opened, *, stop: int, fetch: Fetch, block_size: int = MIB, concurrency: int = 1,
        patience: float | None = None,
    ) -> None:  # fmt: skip
        self.info = opened.info
        tries = HASTY_TRIES if deadline.is_in_haste() else TRIES
        self.__source = _Source(fetch, deadline.reading_time(patience) or math.inf, tries, Stop())
        self.__current = _Resumed(self.__source, opened.start, opened.stop, opened.body)
        self.__next = opened.stop
        self.__end = stop
        ahead = concurrency > 1 and opened.stop < stop
        self.__ahead = _Ahead(self.__source, block_size, concurrency) if ahead else None

    def _read(self, size: int) -> bytes:
        if self.__ahead is not None:
            self.__next = self.__ahead.fill(self.__next, self.__end)
        if data := self.__current.read(size):
            return data
        block = self.__ahead.take() if self.__ahead is not None else None
        if block is not None:
            self.__current = _Resumed(self.__source, 0, sum(map(len, block)), _Memory(block))
        elif self.__next < self.__end:
            self.__current = _Resumed(self.__source, self.__next, self.__end)
            self.__next = self.__end
        else:
            return b""
        return self.__current.read(size)

    def _close(self) -> None:
        self.__source.stop.cut()
        try:
            self.__current.close()
        finally:
            if self.__ahead is not None:
                self.__ahead.close()


class _Resumed:
    """One range, read to its end over as many bodies as it takes."""

    def __init__(self, source: _Source, start: int, stop: int, body: Body | None = None) -> None:
        self._source = source
        self._position = start
        self._stop = stop
        self._body = body
        self._tries = 0

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" only at the end of the range."""
        if self._position < self._stop:
            with self._source.stop, Progress(self._source.patience):
                return self._piece(min(size, self._stop - self._position))
        self.close()
        return b""

    def _piece(self, size: int) -> bytes:
        while not (data := self._try(size)):
            deadline.expect_wanted()
        self._position += len(data)
        self._tries = 0
        return data

    def close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def _try(self, size: int) -> bytes:
        try:
            return self._read(size)
        except _FINAL:
            raise
        except errors.StoreUnavailable:
            self._close_broken()
            self._tries += 1
            if self._tries >= self._source.tries or not deadline.wanted():
                raise
        deadline.pause(random.uniform(0, FIRST_PAUSE * 2**self._tries))  # noqa: S311 - jitter, not a secret
        return b""

    def _read(self, size: int) -> bytes:
        with storage_failures("reading"):
            if self._body is None:
                self._body = self._source.fetch(self._position, self._stop)
            data = self._body.read(size)
        if not data:
            raise errors.ObjectTruncated("The store ended the object early.")
        return data

    def _close_broken(self) -> None:
        try:
            with storage_failures("closing"):
                self.close()
        except errors.StoreError:
            self._body = None  # the read goes on over another connection, or raises why it cannot


class _Memory:
    """A block that was fetched ahead, in the pieces in which it came."""

    def __init__(self, pieces: Block) -> None:
        self._pieces = pieces

    def read(self, size: int) -> bytes:
        piece = self._pieces.popleft() if self._pieces else b""
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
        return piece[:size]

    def close(self) -> None:
        self._pieces.clear()


class _Ahead:
    """Blocks on their way, in order; at most `concurrency` of them are there or being fetched."""

    def __init__(self, source: _Source, block_size: int, concurrency: int) -> None:
        self._source = source
        self._block_size = block_size
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="imgstore-read")
        self._blocks: collections.deque[Future[Block]] = collections.deque()

    def fill(self, start: int, end: int) -> int:
        """Asks for as many blocks from `start` on as there is room for; returns where the next one will start."""
        while start < end and len(self._blocks) < self._concurrency:
            stop = min(start + self._block_size, end)
            self._blocks.append(self._pool.submit(self._block, start, stop))
            start = stop
        return start

    def take(self) -> Block | None:
        """The next block, when it is there; None if none was asked for. Raises what fetching it raised."""
        return self._blocks.popleft().result() if self._blocks else None

    def close(self) -> None:
        """Returns when no block is being fetched any more: at once, since the source has been stopped. What waits where
        nobody can wake it, for a name or a connection, is not waited for: it ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if not wait([each for each in self._blocks if not each.cancelled()], MOMENT).not_done:
            self._pool.shutdown(wait=True)
        self._blocks.clear()

    def _block(self, start: int, stop: int) -> Block:
        pieces: Block = collections.deque()
        blocks = _Resumed(self._source, start, stop)
        try:
            while self._source.stop.wanted() and (piece := blocks.read(PIECE)):
                pieces.append(piece)
        finally:
            blocks.close()
        return pieces
