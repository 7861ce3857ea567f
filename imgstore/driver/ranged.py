"""A reader for storages that are asked for ranges over a network: broken bodies are resumed where they broke, at the
same object, and large reads are fetched ahead in parallel.

The driver opens the first body, which is how it learns what the object is, and hands over `fetch` for later ranges. A
body that ends early or fails with StoreUnavailable is fetched again from where it broke, up to RESUMES times without a
byte in between and after a jittered pause; an object that changed or went away is not. Memory: what one body
buffers; with `concurrency` above 1, `(concurrency + 1) * block_size` bytes besides.
"""

from __future__ import annotations

import collections
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from imgstore import errors
from imgstore.driver.reader import ObjectReader
from imgstore.driver.translate import storage_failures
from imgstore.model import MIB, ObjectInfo

RESUMES = 4
PIECE = 256 * 1024
FIRST_PAUSE = 0.1
_FINAL = (errors.ObjectChanged, errors.IntegrityError)


class Body(Protocol):
    """The bytes of one range as the storage sends them."""

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" at the end, which may come too early. Raises StoreUnavailable."""

    def close(self) -> None:
        """Returns the connection, in the middle of the body too."""


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


class RangedReader(ObjectReader):
    """Bytes of one object up to `stop`. The first range has been requested already."""

    def __init__(self, opened: Opened, *, stop: int, fetch: Fetch, block_size: int = MIB, concurrency: int = 1) -> None:
        self.info = opened.info
        self._current = _Resumed(fetch, opened.start, opened.stop, opened.body)
        self._next = opened.stop
        self._end = stop
        self._fetch = fetch
        self._ahead = _Ahead(fetch, block_size, concurrency) if concurrency > 1 and opened.stop < stop else None

    def _read(self, size: int) -> bytes:
        if self._ahead is not None:
            self._next = self._ahead.fill(self._next, self._end)
        if data := self._current.read(size):
            return data
        block = self._ahead.take() if self._ahead is not None else None
        if block is not None:
            self._current = _Resumed(self._fetch, 0, sum(map(len, block)), _Memory(block))
        elif self._next < self._end:
            self._current = _Resumed(self._fetch, self._next, self._end)
            self._next = self._end
        else:
            return b""
        return self._current.read(size)

    def _close(self) -> None:
        try:
            self._current.close()
        finally:
            if self._ahead is not None:
                self._ahead.close()


class _Resumed:
    """One range, read to its end over as many bodies as it takes."""

    def __init__(self, fetch: Fetch, start: int, stop: int, body: Body | None = None) -> None:
        self._fetch = fetch
        self._position = start
        self._stop = stop
        self._body = body
        self._tries = 0

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" only at the end of the range."""
        while self._position < self._stop:
            if data := self._try(min(size, self._stop - self._position)):
                self._position += len(data)
                self._tries = 0
                return data
        self.close()
        return b""

    def close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def _try(self, size: int) -> bytes:
        failure: errors.StoreError
        try:
            with storage_failures("reading"):
                if self._body is None:
                    self._body = self._fetch(self._position, self._stop)
                if data := self._body.read(size):
                    return data
            failure = errors.ObjectTruncated("The store ended the object early.")
        except _FINAL:
            raise
        except errors.StoreUnavailable as error:
            failure = error
        self._pause_after(failure)
        return b""

    def _pause_after(self, failure: errors.StoreError) -> None:
        self._close_broken()
        self._tries += 1
        if self._tries > RESUMES:
            raise failure
        time.sleep(random.uniform(0, FIRST_PAUSE * 2**self._tries))  # noqa: S311 - jitter, not a secret

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

    def __init__(self, fetch: Fetch, block_size: int, concurrency: int) -> None:
        self._fetch = fetch
        self._block_size = block_size
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="imgstore-read")
        self._blocks: collections.deque[Future[Block]] = collections.deque()
        self._closing = threading.Event()

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
        """Returns when no block is being fetched any more."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._blocks.clear()

    def _block(self, start: int, stop: int) -> Block:
        pieces: Block = collections.deque()
        source = _Resumed(self._fetch, start, stop)
        try:
            while not self._closing.is_set() and (piece := source.read(PIECE)):
                pieces.append(piece)
        finally:
            source.close()
        return pieces
