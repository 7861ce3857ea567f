"""Digests of a stream, computed while it passes, each on a thread of its own, without copying a chunk.

Memory: at most `window` bytes of chunks wait for the slowest digest, or one chunk if that is larger; the
digests share the chunks, so their number does not matter. A stream that ends within its first `inline` bytes never
starts a thread. A chunk in an immutable buffer (`bytes`) is passed on by reference and `update` returns at once; a
mutable one belongs to the caller, so `update` returns when every digest has read it.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterable
from typing import Protocol

from imgstore.first_failure import FirstFailure
from imgstore.model import MIB

DEFAULT_WINDOW = 8 * MIB
DEFAULT_INLINE = MIB


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


def new_hash(algorithm: str) -> _Hash:
    """A hash object by its name in hashlib; md5 is a checksum here, so FIPS builds are told not to refuse it."""
    return hashlib.new(algorithm, usedforsecurity=False)


def supported(algorithm: str) -> bool:
    """Whether `algorithm` can be used: known to hashlib everywhere, with a digest of fixed length."""
    return algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake_")


class Digests:
    """Several digests of one stream. One thread owns it; `close` returns its threads whatever happened."""

    def __init__(
        self, algorithms: Iterable[str], *, window: int = DEFAULT_WINDOW, inline: int = DEFAULT_INLINE
    ) -> None:
        self._hashes = {name: new_hash(name) for name in algorithms}
        self._window = window
        self._inline = inline
        self._total = 0
        self._lanes: list[_Lane] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The algorithms."""
        return tuple(self._hashes)

    def update(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the stream; a mutable buffer is free again when it returns."""
        self.start(chunk)
        self.settle(chunk)

    def start(self, chunk: bytes | memoryview) -> None:
        """Hands the next bytes to the digests; between this and `settle` the buffer is not to change."""
        self._total += len(chunk)
        if not self._lanes and self._total <= self._inline:
            for hash_ in self._hashes.values():
                hash_.update(chunk)
            return
        if not self._lanes:
            self._start_lanes()
        for lane in self._lanes:
            lane.put(chunk)

    def settle(self, chunk: bytes | memoryview) -> None:
        """Returns when the digests need `chunk` no more, at once if it is immutable."""
        if not isinstance(chunk, bytes):
            self._drain()

    def hexdigests(self) -> dict[str, str]:
        """The digests of everything so far, in hex, by algorithm; waits for the threads."""
        self._drain()
        return {name: hash_.hexdigest() for name, hash_ in self._hashes.items()}

    def close(self) -> None:
        """Ends the threads and waits for them; what they have not read is dropped."""
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            lane.join()
        self._lanes = []

    def _start_lanes(self) -> None:
        """One by one: if the system refuses a thread, `close` still knows those that were started."""
        for name, hash_ in self._hashes.items():
            self._lanes.append(_Lane(name, hash_, self._window))

    def _drain(self) -> None:
        for lane in self._lanes:
            lane.drain()


class _Lane:
    """One hash object and the thread that feeds it from a queue bounded in bytes.

    `_put` is counted by the owner alone and `_done` by the thread alone, so that a chunk costs neither a lock. The
    owner looks again after it has said what it waits for; a wake-up too many only makes it look once more.
    """

    def __init__(self, name: str, hash_: _Hash, window: int) -> None:
        self._hash = hash_
        self._window = window
        self._chunks: queue.SimpleQueue[bytes | memoryview | None] = queue.SimpleQueue()
        self._put = 0
        self._done = 0
        self._awaited: int | None = None
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._failure = FirstFailure()
        self._thread = threading.Thread(target=self._run, name=f"imgstore-digest-{name}", daemon=True)
        self._thread.start()

    def put(self, chunk: bytes | memoryview) -> None:
        size = len(chunk)
        if self._put + size - self._done > self._window:
            # Half the window at once: being woken for every chunk costs a switch of threads for every chunk.
            self._wait_until(min(self._window // 2, self._window - size))
        self._failure.throw()
        self._put += size
        self._chunks.put(chunk)

    def drain(self) -> None:
        self._wait_until(0)
        self._failure.throw()

    def end(self) -> None:
        self._closed = True
        self._chunks.put(None)

    def join(self) -> None:
        self._thread.join()
        self._failure.forget()

    def _wait_until(self, waiting: int) -> None:
        """Waits until at most `waiting` bytes are not read yet; below 0 is as good as 0."""
        wanted = self._put - max(0, waiting)
        self._awaited = wanted
        while self._done < wanted:
            self._woken.get()
        self._awaited = None

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None and not self._closed:
            try:
                self._hash.update(chunk)
            except BaseException as error:  # noqa: BLE001 - raised again on the thread that owns the stream
                self._failure.keep(error)
            size = len(chunk)
            del chunk  # the owner of a mutable buffer may resize or close it as soon as nothing waits
            self._done += size
            awaited = self._awaited
            if awaited is not None and self._done >= awaited:
                self._woken.put(None)
