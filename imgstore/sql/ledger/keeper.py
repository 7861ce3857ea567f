"""What a process does for its holds besides extending them: a thread that is there while there is something to keep.

    renews     the holds, so that nobody takes them for a dead process's
    gives      slack back that somebody else needs, also of a session whose client has stalled
    ends       what could not be ended when it was to be, since the database was away

If the process dies all of it stops, and the holds expire.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Protocol

from imgstore import errors
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.ledger.entries import Place
from imgstore.sql.ledger.hold import SqlHold
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


class Chores(Protocol):
    """What the keeper asks of its ledger; each is a transaction. Raises CatalogUnavailable, OutcomeUnknown."""

    def renew(self) -> None:
        """All holds of this process are good for another lease."""

    def tight(self) -> Iterable[Place]:
        """The holds of this process whose slack somebody else needs."""

    def finish(self, place: Place, actual: int | None) -> None:
        """Settles or releases a hold, unless it is ended."""


class Keeper:
    """`tick`: seconds between two looks; `lease`: seconds that a hold is good for."""

    def __init__(self, chores: Chores, *, tick: float, lease: float) -> None:
        self._chores = chores
        self._tick = tick
        self._lease = lease
        self._holds: dict[Place, SqlHold] = {}
        self._unended: dict[Place, int | None] = {}
        self._renewed = 0.0
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def keep(self, hold: SqlHold) -> None:
        """From now on the hold is kept."""
        with self._lock:
            self._holds[hold.place] = hold
            self._start()

    def drop(self, place: Place) -> SqlHold | None:
        """The hold has ended."""
        with self._lock:
            return self._holds.pop(place, None)

    def end_later(self, place: Place, actual: int | None) -> None:
        """The hold is settled (bytes) or released (None) as soon as the database is back."""
        with self._lock:
            self._unended[place] = actual
            self._start()

    def wake(self) -> None:
        """There may be something to do now."""
        self._awake.set()

    def close(self) -> None:
        """Ends the thread, after what can still be ended is ended."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._awake.set()
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._renewed = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="imgstore-quota", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._is_over():
            self._awake.wait(self._tick)
            self._awake.clear()
            try:
                self._look()
            except (errors.ImgstoreError, OutcomeUnknown) as error:
                LOG.warning("The holds on the quota could not be looked after: %s", describe(error))

    def _is_over(self) -> bool:
        with self._lock:
            if self._closed or not (self._holds or self._unended):
                self._thread = None
                return True
            return False

    def _look(self) -> None:
        with self._lock:
            unended, slack = dict(self._unended), any(not hold.known for hold in self._holds.values())
        for place, actual in unended.items():
            self._chores.finish(place, actual)
            with self._lock:
                del self._unended[place]
        if slack:
            self._give_slack()
        if time.monotonic() - self._renewed > self._lease / 3:
            self._chores.renew()
            self._renewed = time.monotonic()

    def _give_slack(self) -> None:
        for place in self._chores.tight():
            with self._lock:
                hold = self._holds.get(place)
            if hold is not None:
                hold.give_slack()
