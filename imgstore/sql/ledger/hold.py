"""A hold on the ledger: what one session has set aside, and how it asks for more without asking for every chunk.

Where the size is known the hold has it from the begin. Where it is not the hold grows in slabs: what is needed now, and
some more, so that the next chunks cost nothing. A slab is taken only where three times as much is left for others after
it, and it shrinks as the limit comes near, down to nothing: there each chunk is asked for, and the limit is met to the
byte. Slack that was taken while there was room is given back when somebody else would be refused because of it
(`keeper`), so nobody is refused while what others have not written yet would do.

The thread that owns the session extends and ends; the keeper's thread shrinks. What this module refuses to do: SQL.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

from imgstore import errors
from imgstore.model import MIB
from imgstore.sql.ledger.accounts import Refused
from imgstore.sql.ledger.entries import Gone, Place

SMALLEST_SLAB, LARGEST_SLAB = MIB // 16, 64 * MIB
SHARE_OF_TOTAL = 4
"""A slab is at most a quarter of what has been written."""
PAUSE = 16
"""Extensions without slack after the smallest slab was refused, until one is tried again."""


class Teller(Protocol):
    """What a hold asks of its ledger; each is a transaction."""

    def extend(self, hold: SqlHold, total: int, slack: int) -> int:
        """Makes the hold `total + slack` bytes, leaving room for others if there is slack; returns its size.

        Raises Refused, Gone.
        """

    def shrink(self, hold: SqlHold, total: int) -> int:
        """Makes the hold `total` bytes. Raises Gone."""

    def end(self, hold: SqlHold, actual: int | None) -> None:
        """The hold is settled for `actual` bytes, or released (None). Does not fail."""

    def patience(self, hold: SqlHold) -> Callable[[Refused], None]:
        """Waits for slack of others, or raises the error that a refusal is."""


class SqlHold:
    """See Hold of `imgstore.quota`. `size`: what is held already; `known`: it is the size, there is nothing to give."""

    def __init__(self, teller: Teller, place: Place, owner: str, size: int, *, known: bool) -> None:
        self.place = place
        self.owner = owner
        self.known = known
        self._teller = teller
        self._size = size
        self._total = 0
        self._slab = SMALLEST_SLAB
        self._pause = 0
        self._open = True
        self._lock = threading.Lock()

    def extend_to(self, total: int) -> None:
        """See Hold."""
        with self._lock:
            if not self._open or total <= self._size:
                self._total = max(self._total, total)
                return
        wait = self._teller.patience(self)
        while True:
            try:
                self._extend(total)
                return
            except Refused as refused:
                wait(refused)
            except Gone as gone:
                raise errors.ImageGone("The upload took too long without a sign of life: it was ended.") from gone

    def give_slack(self) -> None:
        """Gives back what was set aside and not written, or says that there is nothing; for the keeper."""
        with self._lock, contextlib.suppress(Gone):
            if self._open:
                self._size = self._teller.shrink(self, self._total)
                self._slab, self._pause = 0, PAUSE

    def settle(self, actual: int) -> None:
        """See Hold."""
        self._end(actual)

    def release(self) -> None:
        """See Hold."""
        self._end(None)

    def forget(self) -> None:
        """The hold was ended in a transaction of the catalog."""
        with self._lock:
            self._open = False

    def _end(self, actual: int | None) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._teller.end(self, actual)

    def _extend(self, total: int) -> None:
        """With a slab, or a smaller one, or none. Raises Refused if even that is too much."""
        with self._lock:
            while slab := self._next_slab(total):
                with contextlib.suppress(Refused):
                    self._grown(total, slab)
                    self._slab = min(2 * slab, LARGEST_SLAB)
                    return
                self._slab = slab // 8 if slab // 8 >= SMALLEST_SLAB else 0
                self._pause = PAUSE
            self._grown(total, 0)

    def _grown(self, total: int, slack: int) -> None:
        self._size = self._teller.extend(self, total, slack)
        self._total = total

    def _next_slab(self, total: int) -> int:
        if self._slab == 0:
            self._pause -= 1
            if self._pause < 0:
                self._slab = SMALLEST_SLAB
        return min(self._slab, max(total // SHARE_OF_TOTAL, SMALLEST_SLAB)) if self._slab else 0
