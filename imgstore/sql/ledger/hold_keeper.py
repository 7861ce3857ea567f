"""A thread that looks after the holds of this process, as long as there are any.

    renews     the holds, so that nobody takes them for those of a dead process
    returns    spare bytes that somebody else needs, even if the session's client has stalled
    ends       holds that the session could not end, because the database was away

If the process dies, all of this stops, and the holds expire.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Protocol

from imgstore import errors
from imgstore.model import ObjectId
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.ledger.hold import SqlHold
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

JOIN_SECONDS = 5.0
"""For the thread's present round at the end; a database that hangs keeps no process from ending."""


class UpkeepTransactions(Protocol):
    """What the keeper asks of its ledger. Each is one transaction and raises CatalogUnavailable, OutcomeUnknown."""

    def renew(self) -> None:
        """Gives all holds of this process another lease."""

    def asked_for(self) -> Iterable[ObjectId]:
        """The holds of this process whose spare bytes somebody else needs."""

    def finish(self, object_id: ObjectId, actual: int | None) -> None:
        """Settles a hold for `actual` bytes, or releases it (None), unless it has ended."""


class HoldKeeper:
    """`tick`: seconds between two rounds; `lease`: seconds for which a hold is good."""

    def __init__(self, ledger: UpkeepTransactions, *, tick: float, lease: float) -> None:
        self._ledger = ledger
        self._tick = tick
        self._lease = lease
        self._holds: dict[ObjectId, SqlHold] = {}
        self._unended: dict[ObjectId, int | None] = {}
        self._renewed = 0.0
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.supervised = Supervised("holds", pause=tick, longest=lease / 6)

    def keep(self, hold: SqlHold) -> None:
        """Looks after the hold from now on."""
        with self._lock:
            self._holds[hold.object_id] = hold
            self._start()

    def drop(self, object_id: ObjectId) -> SqlHold | None:
        """Looks after the hold no more. Returns it, if it was looked after."""
        with self._lock:
            return self._holds.pop(object_id, None)

    def end_later(self, object_id: ObjectId, actual: int | None) -> None:
        """Settles (bytes) or releases (None) the hold as soon as the database is back."""
        with self._lock:
            self._unended[object_id] = actual
            self._start()

    def wake(self) -> None:
        """Begins the next round now."""
        self._awake.set()

    def close(self, seconds: float = JOIN_SECONDS) -> None:
        """Ends the thread after a last round, and waits so many seconds for it."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._awake.set()
        if thread is not None:
            thread.join(seconds)

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._renewed = time.monotonic()
            thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the process has as many as it may: the next hold tries again
                LOG.warning("The holds on the quota wait for a thread, and would expire: %s", describe(error))
            else:
                self._thread = thread

    def _run(self) -> None:
        pause = 0.0
        while not self._is_over():
            self._awake.wait(pause or self._tick)
            self._awake.clear()
            pause = self.supervised.round(self._round)

    def _is_over(self) -> bool:
        with self._lock:
            if self._closed or not (self._holds or self._unended):
                self._thread = None
                return True
            return False

    def _round(self) -> None:
        try:
            self._upkeep()
        except (errors.ImgstoreError, OutcomeUnknown) as error:
            LOG.warning("The holds on the quota could not be renewed, and would expire: %s", describe(error))

    def _upkeep(self) -> None:
        with self._lock:
            unended, spare = dict(self._unended), any(not hold.known for hold in self._holds.values())
        for object_id, actual in unended.items():
            self._ledger.finish(object_id, actual)
            with self._lock:
                del self._unended[object_id]
        if spare:
            self._return_spare()
        if time.monotonic() - self._renewed > self._lease / 3:
            self._ledger.renew()
            self._renewed = time.monotonic()

    def _return_spare(self) -> None:
        for object_id in self._ledger.asked_for():
            with self._lock:
                hold = self._holds.get(object_id)
            if hold is not None:
                hold.return_spare()
