"""Work that a thread does again and again, and that no failure ends.

What a round's work expects to fail, it handles itself. Whatever else it raises is caught here: a thread that ends for a
defect would leave its work undone for good, and nobody would see it. The defect is logged once, the work is tried again
after pauses that grow, and `failing` tells of it until a round ends well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from imgstore.undo import describe, is_failure

LOG = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0


class Supervised:
    """The rounds of one thread. `name`: of the thread and its work. `pause`: seconds from the first round that fails to
    the next; it doubles with each, up to `longest`. One thread calls `round`; all may read the rest."""

    def __init__(self, name: str, *, pause: float = 1.0, longest: float = LONGEST_PAUSE) -> None:
        self.name = name
        self.failures = 0
        self.failing = ""
        self._first = pause
        self._longest = longest
        self._pause = 0.0

    def round(self, work: Callable[[], object]) -> float:
        """Does one round. Returns the seconds to wait, in place of the usual ones, before the next; 0 if this one ended
        well. Raises no failure."""
        try:
            work()
        except BaseException as error:
            if is_failure(error):
                return self._failed(error)
            raise
        if self.failing:
            LOG.warning("Thread %s goes on after %s failures", self.name, self.failures)
            self.failing, self._pause = "", 0.0
        return 0.0

    def _failed(self, error: BaseException) -> float:
        reason = describe(error)
        self.failures += 1
        if reason != self.failing:
            LOG.error("Thread %s failed, and tries again: %s", self.name, reason)
            self.failing = reason
        self._pause = min(2 * self._pause or self._first, self._longest)
        return self._pause
