"""A hold on the ledger: the quota that one session has set aside.

If the size is known, the hold has all of it from the beginning. If not, the hold grows in slabs: each time it takes
what it needs now and some spare bytes, so that the next chunks cost no transaction. It takes spare bytes only if three
times as many stay free afterwards. So slabs shrink as the limit comes near; at the end each chunk is asked for, and the
limit is met to the byte.

Spare bytes that were taken earlier may be missing now. Then whoever is short of them asks for them, and `HoldKeeper`
returns them: nobody is refused because of bytes that another session has set aside and not written.

The session's own thread extends and ends the hold; the keeper's thread returns spare bytes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

from imgstore import errors
from imgstore.model import MIB, ObjectId
from imgstore.sql.ledger.accounts import Refused
from imgstore.sql.ledger.entries import HoldGone

SMALLEST_SLAB, LARGEST_SLAB = MIB // 16, 64 * MIB
LARGEST_FRACTION = 4
"""A slab is at most a quarter of what has been written."""
PAUSE = 16
"""After the smallest slab was refused: so many extensions go without spare bytes before the next try."""


class HoldTransactions(Protocol):
    """What a hold asks of its ledger. Each method but `reclaim` is one transaction."""

    def extend(self, hold: SqlHold, total: int, spare: int) -> int:
        """Makes the hold `total + spare` bytes if `3 * spare` stay free; returns its size. Raises Refused, HoldGone."""

    def shrink(self, hold: SqlHold, total: int) -> int:
        """Makes the hold `total` bytes. Raises HoldGone."""

    def end(self, hold: SqlHold, actual: int | None) -> None:
        """Settles the hold for `actual` bytes, or releases it (None). Does not fail."""

    def reclaim(self, object_id: ObjectId) -> Callable[[Refused], None]:
        """A function that waits for spare bytes of others, or raises the error of the refusal."""


class SqlHold:
    """See Hold of `imgstore.quota`. `size`: what is held already; `known`: that is the size, so nothing is spare."""

    def __init__(self, ledger: HoldTransactions, object_id: ObjectId, owner: str, size: int, *, known: bool) -> None:
        self.object_id = object_id
        self.owner = owner
        self.known = known
        self._ledger = ledger
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
        wait = self._ledger.reclaim(self.object_id)
        while True:
            try:
                self._extend(total)
                return
            except Refused as refused:
                wait(refused)
            except HoldGone as gone:
                raise errors.ImageGone("The upload took too long without a sign of life: it was ended.") from gone

    def return_spare(self) -> None:
        """Returns what was set aside and not written; for the keeper."""
        with self._lock, contextlib.suppress(HoldGone):
            if self._open:
                self._size = self._ledger.shrink(self, self._total)
                self._slab, self._pause = 0, PAUSE

    def settle(self, actual: int) -> None:
        """See Hold."""
        self._end(actual)

    def release(self) -> None:
        """See Hold."""
        self._end(None)

    def forget(self) -> None:
        """A transaction of the catalog has ended the hold."""
        with self._lock:
            self._open = False

    def _end(self, actual: int | None) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._ledger.end(self, actual)

    def _extend(self, total: int) -> None:
        """Takes a slab, or a smaller one, or none. Raises Refused if even that is too much."""
        with self._lock:
            while slab := self._next_slab(total):
                with contextlib.suppress(Refused):
                    self._grow(total, slab)
                    self._slab = min(2 * slab, LARGEST_SLAB)
                    return
                self._slab = slab // 8 if slab // 8 >= SMALLEST_SLAB else 0
                self._pause = PAUSE
            self._grow(total, 0)

    def _grow(self, total: int, spare: int) -> None:
        self._size = self._ledger.extend(self, total, spare)
        self._total = total

    def _next_slab(self, total: int) -> int:
        if self._slab == 0:
            self._pause -= 1
            if self._pause < 0:
                self._slab = SMALLEST_SLAB
        return min(self._slab, max(total // LARGEST_FRACTION, SMALLEST_SLAB)) if self._slab else 0
