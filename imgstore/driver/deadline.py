"""Bounds of what a driver waits for: a deadline for an operation, a pace for an answer, a stop for what nobody wants
any more (trouble stays where it is).

A bound is entered around what it bounds, on the thread that does it: `with deadline, pace: send()`. The bounds that a
thread is in add up. Sockets of `imgstore.driver.sockets` wait no longer than all of them allow, so nobody hands a
timeout from function to function. Whoever tries again asks `expect_wanted` before each try, and pauses by `pause`.

A retry happens on one floor only. `in_haste` is said by a caller who can get the object elsewhere: two tries, and one
wait for an answer, are enough then.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from imgstore import errors

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

LEAST: Final = 64 * 1024
"""Bytes that must move in the time of a pace, or the rest if that is less."""
STALLS: Final = 3
"""Waits that may last to their end in one operation with all its tries."""
HASTY_TRIES: Final = 2
_GLANCE = 0.1


class _Here(threading.local):
    """What the current thread is in."""

    def __init__(self) -> None:
        self.bounds: list[Bound] = []
        self.haste = False


_HERE = _Here()


class Bound:
    """One limit of waiting; entered by as many threads at a time as want to."""

    def left(self) -> float:
        """Seconds that the next wait may take; 0 or less: none."""
        return math.inf

    def wanted(self) -> bool:
        """Whether another try, or another piece, is of use."""
        return self.left() > 0

    def begin(self, waiting: socket.socket, *, sending: bool) -> None:
        """A wait on a socket begins."""

    def end(self, waiting: socket.socket, moved: int) -> None:
        """It has ended; so many bytes have moved."""

    def __enter__(self) -> Self:
        _HERE.bounds.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        _HERE.bounds.pop()


class Deadline(Bound):
    """The end of one operation with all its tries, in so many seconds; None: never."""

    def __init__(self, seconds: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = math.inf if seconds is None else clock() + seconds

    def left(self) -> float:
        return self._end - self._clock()


class Pace(Bound):
    """The wait for a request or an answer, by one thread at a time: in `seconds` at least `least` bytes must move, or
    all that is left to move. With `least` 1 each byte is enough: for servers that send blanks while they work."""

    def __init__(self, seconds: float, *, least: int = LEAST, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._least = least
        self._clock = clock
        self._sending = False
        self._renew()

    def left(self) -> float:
        return self._end - self._clock()

    def begin(self, waiting: socket.socket, *, sending: bool) -> None:
        """The answer has its own time, whatever the sending took."""
        if sending is not self._sending:
            self._sending = sending
            self._renew()

    def end(self, waiting: socket.socket, moved: int) -> None:
        self._moved += moved
        if self._moved >= self._least:
            self._renew()

    def __enter__(self) -> Self:
        self._renew()
        return super().__enter__()

    def _renew(self) -> None:
        self._end = self._clock() + self._seconds
        self._moved = 0


class Progress(Pace):
    """The same over all tries at one thing: another request, or a turn from sending to receiving, renews nothing. It is
    a deadline that bytes put off."""

    def begin(self, waiting: socket.socket, *, sending: bool) -> None:
        """Changes nothing."""


class Stop(Bound):
    """Says that what goes on is wanted no more: an abort, a close. `set`: nothing more is sent and nothing is tried
    again, but an answer may still come. `cut`: whoever waits on a socket wakes up, and the connection is lost."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._lock = threading.Lock()
        self._waiting: set[socket.socket] = set()
        self._is_cut = False

    def set(self) -> None:
        """From now on."""
        self.event.set()

    def cut(self) -> None:
        """The same, and at once."""
        self.event.set()
        with self._lock:
            self._is_cut = True
            for waiting in self._waiting:
                with contextlib.suppress(OSError):  # it is not connected yet, or no more
                    socket.socket.shutdown(waiting, socket.SHUT_RDWR)

    def left(self) -> float:
        return 0.0 if self._is_cut else math.inf

    def wanted(self) -> bool:
        return not self.event.is_set()

    def begin(self, waiting: socket.socket, *, sending: bool) -> None:
        """Raises ConnectionAbortedError for another piece that nobody wants."""
        with self._lock:
            if self._is_cut or (sending and self.event.is_set()):
                raise ConnectionAbortedError("wanted no more")
            self._waiting.add(waiting)

    def end(self, waiting: socket.socket, moved: int) -> None:
        with self._lock:
            self._waiting.discard(waiting)


def bounds() -> list[Bound]:
    """Those that the current thread is in."""
    return _HERE.bounds


def left() -> float:
    """Seconds that the current thread may still wait; infinity where nothing bounds it."""
    return min((bound.left() for bound in _HERE.bounds), default=math.inf)


def wanted() -> bool:
    """Whether another try is of use: nobody has stopped it, and there is time left."""
    return all(bound.wanted() for bound in _HERE.bounds)


def expect_wanted() -> None:
    """To be called before each try and each piece. Raises StoreUnavailable."""
    if not wanted():
        raise errors.StoreUnavailable("Image storage did not answer in time, or nobody waits for it any more.")


def pause(seconds: float) -> None:
    """Sleeps, but not beyond a deadline, and not after a stop."""
    until = time.monotonic() + seconds
    stops = [bound.event for bound in _HERE.bounds if isinstance(bound, Stop)]
    while wanted() and (rest := min(until - time.monotonic(), left())) > 0:
        if stops:
            stops[0].wait(min(rest, _GLANCE) if len(stops) > 1 else rest)
        else:
            time.sleep(rest)


def handed_down(work: Callable[..., T]) -> Callable[..., T]:
    """`work` for other threads, inside the deadlines and stops of this one."""
    here = list(_HERE.bounds)

    def inside(*arguments: Any) -> T:
        with contextlib.ExitStack() as stack:
            for bound in here:
                stack.enter_context(bound)
            return work(*arguments)

    return inside


@contextlib.contextmanager
def in_haste(haste: bool = True) -> Iterator[None]:
    """Inside, what is opened to be read is given up early: the object is elsewhere too."""
    before, _HERE.haste = _HERE.haste, haste
    try:
        yield
    finally:
        _HERE.haste = before


def is_in_haste() -> bool:
    """Whether the caller can get the object elsewhere. A reader asks this while it is opened."""
    return _HERE.haste


def reading_time(patience: float | None) -> float | None:
    """Seconds for one piece of a read with all its tries; `patience`: those for an answer, None for no bound."""
    return None if patience is None else patience if _HERE.haste else patience * STALLS
