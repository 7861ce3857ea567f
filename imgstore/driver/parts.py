"""Pieces of a stream, sent in parallel from memory: for storages that take a large object in parts or segments.

The owner's thread fills one part while up to `concurrency` others are being sent, each by one call of `send` on a
thread of the sender. A slow storage slows the owner down: `write` blocks while the memory is full. The first failure
of any `send`, of whatever class, stops the others from starting and is raised on the owner's thread. `finish` and
`cancel` return only when no `send` is running any more, so that whoever undoes what was sent undoes all of it (law 3).

Memory (law 6): at most `(concurrency + 1) * sizes.unit` bytes, or one part where a single one is larger. As parts
grow, fewer are in memory at a time.

What this module refuses to do: know a storage, retry, hash.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Generic, TypeVar

from imgstore import errors
from imgstore.model import MIB

T = TypeVar("T")

_STEPS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One piece: `number` counts from 1, `offset` is the bytes before it. `data` may be read again and again until
    `send` returns, and not afterwards."""

    number: int
    offset: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class PartSizes:
    """How large each part of an object is, in bytes.

    The first parts have `first` bytes; the later ones grow, in steps, by the smallest factor with which `most` parts
    hold `largest` bytes, and never beyond `ceiling`. With `equal` all have `first` bytes (the last one may be shorter).
    `part_size` is what was configured, which the memory is reckoned by; None: `first`. `steps`: see `staggered`.
    """

    first: int
    most: int
    largest: int
    ceiling: int | None = None
    equal: bool = False
    part_size: int | None = None
    steps: int = 1

    @property
    def unit(self) -> int:
        """Bytes by which the memory is reckoned: of the configuration, not of the object."""
        return self.first if self.part_size is None else self.part_size

    @classmethod
    def for_size(
        cls, size: int | None, *, part_size: int, most: int, largest: int, ceiling: int | None = None,
        equal: bool = False,
    ) -> PartSizes:  # fmt: skip
        """The sizes for an object of `size` bytes (None: unknown). A known one gets equal parts of `part_size` bytes,
        or of as many as `most` parts need. Raises StoreFull for an object larger than the storage takes."""
        if size is None:
            return cls(part_size, most, largest, ceiling, equal)
        needed = part_size if size <= part_size * most else -(-size // most // MIB) * MIB
        first = needed if ceiling is None else min(needed, ceiling)
        if size > min(largest, first * most):
            raise errors.StoreFull(
                f"The image has {size} bytes, the store takes at most {min(largest, (ceiling or largest) * most)}."
            )
        return cls(first, most, largest, ceiling, equal=True, part_size=part_size)

    def staggered(self, steps: int, *, size: int | None) -> PartSizes:
        """The same for an object of `size` bytes, but the first parts are one, two, three ... `steps`ths of a part, so
        that of `steps` parts on their way each ends at another time: what the storage does then, such as to wait for
        its disk, it does while it takes in the others. Unchanged where the parts would not hold the object any more."""
        staggered = replace(self, steps=steps)
        wanted, capacity = self.largest, (self.ceiling or self.largest) * self.most
        if size is not None:
            wanted, capacity = size, self.first * self.most
        return staggered if wanted + staggered._left_out <= capacity and steps <= self.most else self

    @property
    def _left_out(self) -> int:
        """Bytes that the first parts have less than they would have unstaggered."""
        return sum(self.first - self._shorter(number) for number in range(1, self.steps))

    def _shorter(self, number: int) -> int:
        return round(self.first * number / self.steps)

    def size_of(self, number: int) -> int:
        """Bytes of part `number`. Raises StoreFull for one more than the storage takes."""
        if number > self.most:
            raise errors.StoreFull(f"The store takes an image of unknown size in at most {self.most} parts.")
        if number < self.steps:
            return self._shorter(number)
        if self.equal:
            return self.first
        step, ceiling = (number - 1) // _span(self.most), self.ceiling or self.largest
        return _grown(self.first, _factor(self.first, self.most, self.largest + self._left_out, ceiling), step, ceiling)


def _span(most: int) -> int:
    """Parts of one size before the next step."""
    return max(1, most // _STEPS)


def _grown(first: int, factor: float, step: int, ceiling: int) -> int:
    if step * math.log(factor) >= math.log(ceiling / first):  # before the power is a number too large
        return ceiling if step else first
    return min(math.ceil(first * factor**step), ceiling)


@lru_cache(maxsize=64)
def _factor(first: int, most: int, largest: int, ceiling: int) -> float:
    """The smallest growth a step with which all parts together hold `largest` bytes, as near as the ceiling allows."""
    span = _span(most)

    def holds(factor: float) -> bool:
        return span * sum(_grown(first, factor, step, ceiling) for step in range(most // span)) >= largest

    low, high = 1.0, 2.0
    while not holds(high) and high * first < largest:
        high *= 2
    if holds(low):
        return low
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


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
        self._failure: BaseException | None = None
        self._stopping = False
        self._taken = 0
        self._number = 0
        self._offset = 0
        self._buffer: bytearray | None = None
        self._filled = 0

    @property
    def stopping(self) -> bool:
        """Whether what is being sent is wanted no more: `send` need not try again."""
        return self._stopping

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
        self._pool.shutdown(wait=True)
        self._raise_failure()
        self._spare.clear()
        return [self._sent[number] for number in sorted(self._sent)]

    def cancel(self) -> None:
        """Starts no further part and returns when none is being sent any more."""
        self._stopping = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._buffer = None
        self._spare.clear()

    def _take(self, size: int) -> bytearray:
        """A buffer; used ones serve again, since a new one costs a page fault for every 4 KiB."""
        self._wait_for_room(size)
        with self._changed:
            fitting = [buffer for buffer in self._spare if len(buffer) == size]
            self._spare = fitting[1:]
        return fitting[0] if fitting else bytearray(size)

    def _wait_for_room(self, size: int) -> None:
        with self._changed:
            while self._failure is None and self._taken and self._taken + size > self._memory:
                self._changed.wait()
            self._raise_failure()
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
        try:
            if not self._stopping:
                self._sent[part.number] = self._send(part)
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the owner's thread
            with self._changed:
                self._failure = self._failure or error
                self._stopping = True
        with self._changed:
            self._taken -= size
            if buffer is not None:
                self._spare.append(buffer)
            self._changed.notify_all()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
