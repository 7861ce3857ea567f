"""When each step of the service's end is over: all of them are parts of the grace period, counted from the signal.

cut      the connections that are left are cut, and their requests undo themselves
served   no request is waited for any more
closed   nothing is waited for any more: catalog, quota and stores are closed, or left to the end of the process
over     the process has ended; what hangs all the same ends as by a crash
"""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST = 1.0
"""Seconds that an end may take, however short the grace period is."""
UNDO_SECONDS = 5.0
"""For what was cut to undo itself, or half of the time if that is less."""
CLOSE_SECONDS = 1.5
"""For all that is closed after the last request, or less where the period is short."""
EXIT_SECONDS = 0.5
"""For Python to end, or less where the period is short."""


class Ending:
    """The end of one process with so many seconds of `grace`. It begins once, and any thread may ask."""

    def __init__(self, grace: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.over = max(grace, LEAST)
        self.closed = self.over - min(EXIT_SECONDS, self.over / 8)
        self.served = self.closed - min(CLOSE_SECONDS, self.over * 3 / 8)
        self.cut = min(grace, max(self.served - UNDO_SECONDS, self.served / 2))
        self._clock = clock
        self._began: float | None = None

    def begin(self) -> None:
        """The signal has come; a no-op after the first time."""
        if self._began is None:
            self._began = self._clock()

    def left(self, step: float) -> float:
        """Seconds until `step`, one of the four, is over; all of them before the beginning."""
        return step if self._began is None else max(0.0, self._began + step - self._clock())
