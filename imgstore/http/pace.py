"""How slow a client may be: no single wait may be too long, nor may many short ones move almost nothing (contained).

A client that sends or takes one byte now and then never meets a timeout of single waits. So the waits are added up, and
whenever they reach a window the client must have moved LEAST_RATE in it. What the host itself takes (a slow store)
is no wait. A virtual machine's image over 100 kB/s is a hundred times faster than the least rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LEAST_RATE: Final = 1024
"""Bytes a second, on average over a window."""
WINDOW: Final = 60.0
"""Seconds of waiting after which the rate is looked at; a longer timeout of single waits is the window."""

Clock = Callable[[], float]


class Pace:
    """The waits for one client in one direction, during one request. `timeout`: seconds that a single wait may take;
    `whole`: seconds that everything may take, whatever moves."""

    def __init__(self, timeout: float, *, whole: float | None = None, clock: Clock = time.monotonic) -> None:
        self._timeout = timeout
        self._window = max(WINDOW, timeout)
        self._clock = clock
        self._end = None if whole is None else clock() + whole
        self._waited = 0.0
        self._moved = 0

    def longest(self) -> float | None:
        """Seconds that the next wait may take, None: as always. Raises TimeoutError where there are none left."""
        if self._end is None:
            return None
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the whole took too long")
        return min(self._timeout, left)

    def longest_for(self, count: int) -> float:
        """Seconds that one wait for `count` bytes may take, where nobody sees how many of them have moved."""
        return max(self._timeout, count / LEAST_RATE)

    def moved(self, count: int, *, since: float) -> None:
        """Counts bytes and the wait for them, which began at `since` by the clock. Raises TimeoutError."""
        self._waited += self._clock() - since
        self._moved += count
        if self._waited >= self._window:
            if self._moved < LEAST_RATE * self._waited:
                raise TimeoutError(f"less than {LEAST_RATE} bytes a second")
            self._waited, self._moved = 0.0, 0
