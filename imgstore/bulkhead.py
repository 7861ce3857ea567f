"""A bulkhead: at most so many transfers of one store at once (law "contained"). A store that hangs takes these threads
and no more; the others' transfers have the rest.

A transfer has a slot while a thread may wait for the store. Whoever finds no slot waits for one, but no longer than
`max_wait`, and not together with many others: who waits holds a thread, too. Otherwise the store is busy.

Slots are tokens in a queue. `SimpleQueue.put` is the one way of giving back that may run anywhere, in the middle of a
`get` as well: so a slot comes back even if its owner forgot it and the garbage collector finds it.

`max_wait` is a bound for the client: it counts from when the request came (`asked_at`), and a part of it is left for
the undo and the answer.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from imgstore import errors

if TYPE_CHECKING:
    from typing_extensions import Self

Tokens = queue.SimpleQueue[None]

HOST_THREADS = 64
"""Threads of a host that does not say how many it has; the ASGI application has so many."""
MAX_WAIT = 10.0
ASKED_AT = "imgstore.asked_at"
"""Under this name a server may tell in a WSGI environ when the request's head was whole, by time.monotonic."""
WAITED = 0.95
"""Of `max_wait`; the rest is for the undo of what was begun, and for the answer."""


class _Here(threading.local):
    """When what the current thread does was asked for; None: at the moment."""

    asked: float | None = None


_HERE = _Here()


@contextlib.contextmanager
def asked_at(moment: float | None = None) -> Iterator[None]:
    """Inside, whoever wants a slot has waited since `moment` by time.monotonic (None: since now) or, if this is inside
    another such, since that one's. A host's server knows it: a request may have waited for a thread."""
    before = _HERE.asked
    _HERE.asked = before or moment or time.monotonic()
    try:
        yield
    finally:
        _HERE.asked = before


def wait_ends(max_wait: float) -> float:
    """Until when (time.monotonic) the current thread may wait."""
    return (_HERE.asked or time.monotonic()) + max_wait * WAITED


def share(threads: int | None, *, stores: int) -> int:
    """The slots of one of `stores` stores in a host with so many threads (None: not known), where no option says so:
    half of the threads, so that one store that hangs leaves the others enough. A store without neighbours has all."""
    threads = threads or HOST_THREADS
    return threads if stores < 2 else max(1, threads // 2)


class Slot:
    """One transfer's part of a bulkhead, given back by `free` or, at the latest, with this object."""

    __slots__ = ("_bulkhead",)

    def __init__(self, slots: Tokens) -> None:
        self._bulkhead = [slots]

    def free(self) -> None:
        """Gives it back; a no-op the second time. Any thread may call it."""
        with contextlib.suppress(IndexError):
            self._bulkhead.pop().put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.free()

    def __del__(self) -> None:
        self.free()


class Bulkhead:
    """The slots of one store, used by all threads. `max_transfers`: how many; `max_wait`: seconds that one may wait for
    a slot, 0 for not at all. Half as many as there are slots may wait. A child that is forked has slots of its
    own, all of them free."""

    def __init__(self, *, max_transfers: int = HOST_THREADS // 2, max_wait: float = MAX_WAIT) -> None:
        if max_transfers < 1 or max_wait < 0:
            raise errors.UsageError("max_transfers is 1 or more, max_wait 0 or more.")
        self.max_transfers = max_transfers
        self.max_wait = max_wait
        self._most_waiting = max(1, max_transfers // 2)
        self._begin()

    @property
    def under_way(self) -> int:
        """Slots that are taken now."""
        return self.max_transfers - self._slots.qsize()

    @property
    def waiting(self) -> int:
        """Transfers that wait for a slot now."""
        return self._most_waiting - self._waiting.qsize()

    def take(self, *, wait: float | None = None) -> Slot:
        """A slot. `wait`: seconds, if they are to be fewer than what is left of `max_wait`. Raises StoreBusy."""
        if self._process != os.getpid():
            self._begin()
        slots, left = self._slots, wait_ends(self.max_wait) - time.monotonic()
        seconds = left if wait is None else min(wait, left)
        try:
            slots.get_nowait() if seconds <= 0 else self._get(slots, seconds)
        except queue.Empty:
            raise errors.StoreBusy(
                f"Image storage is busy: {self.max_transfers} transfers of it are under way, "
                "and max_transfers allows no more."
            ) from None
        return Slot(slots)

    def _get(self, slots: Tokens, seconds: float) -> None:
        with contextlib.suppress(queue.Empty):
            return slots.get_nowait()
        waiting = self._waiting
        waiting.get_nowait()
        try:
            slots.get(timeout=seconds)
        finally:
            waiting.put(None)

    def _begin(self) -> None:
        self._slots = _tokens(self.max_transfers)
        self._waiting = _tokens(self._most_waiting)
        self._process = os.getpid()


def _tokens(count: int) -> Tokens:
    tokens: Tokens = queue.SimpleQueue()
    for _ in range(count):
        tokens.put(None)
    return tokens
