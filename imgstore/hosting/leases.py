"""Leases: an attempt owns its image as long as its process renews the lease.

Every third of a lease, one thread renews the leases of all open attempts of its process in one call. It does nothing
else. So a client that stalls, a slow store or a long commit loses no lease; only a process that is dead, frozen or cut
off from the catalog for a whole lease does. The thread remembers which attempts lost their image, so that uploads can
ask without a query.

A lease that ran out still belongs to its attempt until somebody takes it back (`recovery`): a renewal that is late but
first is good.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence

from imgstore import errors
from imgstore.driver.forks import OfOneProcess
from imgstore.model import Attempt
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

RETRIES = 4
"""How often a failed renewal is tried again within a third of a lease."""

JOIN_SECONDS = 5.0
"""For the thread's present round at the end; a catalog that hangs keeps no process from ending."""

Renew = Callable[[Sequence[Attempt]], Collection[Attempt]]
"""Renews the leases of attempts; returns those that do not own their image any more."""


class LeaseKeeper(OfOneProcess):
    """Renews the leases of this process's open attempts, `lease` seconds each. The thread lives from the first attempt
    to `stop`. It is a daemon, so a catalog that hangs does not keep the process from ending. A child that is forked has
    none of its parent's attempts."""

    def __init__(self, renew: Renew, *, lease: float) -> None:
        super().__init__()
        self._renew = renew
        self._pause = self._next = lease / 3
        self.failures = 0  # renewals that did not come about, whatever the reason
        self.supervised = Supervised("leases", pause=self._pause / RETRIES, longest=self._pause)
        self._forked()

    def _forked(self) -> None:
        self._open: set[Attempt] = set()
        self._lost: set[Attempt] = set()
        self._stopped = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, attempt: Attempt) -> None:
        """Renews the attempt's lease from now on."""
        with self._changed:
            self._open.add(attempt)
            if not self._stopped:
                self._start()
            self._changed.notify()

    def drop(self, attempt: Attempt) -> None:
        """Renews the attempt's lease no more."""
        with self._changed:
            self._open.discard(attempt)
            self._lost.discard(attempt)

    def is_lost(self, attempt: Attempt) -> bool:
        """Whether a renewal found that the attempt does not own its image any more."""
        return attempt in self._lost

    def start(self) -> None:
        """After `stop`: leases are renewed again."""
        with self._changed:
            self._stopped = False
            if self._open:
                self._start()

    def stop(self, seconds: float = JOIN_SECONDS) -> None:
        """Ends the thread, and waits so many seconds for it; no lease is renewed any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = self._pause
        while self._wait(pause):
            pause = self.supervised.round(self._round) or self._next

    def _wait(self, pause: float) -> bool:
        """Waits for an attempt, however long, and then for `pause` seconds. False if the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or bool(self._open))
            self._changed.wait_for(lambda: self._stopped, timeout=pause)
            return not self._stopped

    def _round(self) -> None:
        self._next = self._pause if self._renewed() else self._pause / RETRIES

    def _renewed(self) -> bool:
        with self._changed:
            attempts = sorted(self._open - self._lost, key=lambda attempt: attempt.image_id)
        if not attempts:
            return True
        try:
            lost = self._renew(attempts)
        except errors.ImgstoreError as error:
            self.failures += 1
            LOG.error("The leases of %s uploads could not be renewed: %s", len(attempts), describe(error))
            return False
        with self._changed:
            self._lost |= self._open & set(lost)
        return True
