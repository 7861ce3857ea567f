"""Leases: an attempt owns its image as long as its process renews the lease.

Every third of a lease, one thread renews the leases of all open attempts of its process in one statement. It does
nothing else. So a client that stalls, a slow store or a long commit loses no lease; only a process that is dead, frozen
or cut off from the database for a whole lease does. The thread remembers which attempts lost their image, so that
uploads can ask without a statement.

A lease that ran out still belongs to its attempt until somebody takes it back (`recovery`): a renewal that is late but
first is good. The database's clock decides whether a lease ran out (`clock`).
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Attempt
from imgstore.sql.clock import Now
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.schema import IMAGES
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

ENDED: Mapping[str, Any] = {"uploading": None, "upload_store": None, "lease_until": None, "lease_holder": None}
"""The columns of an image without an attempt."""

LEASE = 60.0
"""Seconds, by default."""

RETRIES = 4
"""How often a failed renewal is tried again within a third of a lease."""

JOIN_SECONDS = 5.0
"""For the thread's present round at the end; a database that hangs keeps no process from ending."""

AT_ONCE = 500
"""Attempts in one statement."""

Renew = Callable[[Sequence[Attempt]], Collection[Attempt]]
"""Renews the leases of attempts; returns those that do not own their image any more."""


def granted(lease: float) -> Mapping[str, Any]:
    """The columns of a new lease, held by this process."""
    return {"lease_until": _until(lease), "lease_holder": holder()}


def holder() -> str:
    """Names this process, for people and logs: host, process, and a random part."""
    return f"{socket.gethostname()[:200]}:{os.getpid()}:{_RANDOM}"


def renew(connection: sa.Connection, attempts: Sequence[Attempt], lease: float) -> set[Attempt]:
    """Gives each attempt a whole lease; returns those that do not own their image any more. Runs inside the caller's
    transaction."""
    lost: set[Attempt] = set()
    for start in range(0, len(attempts), AT_ONCE):
        some = attempts[start : start + AT_ONCE]
        renewed = connection.execute(sa.update(IMAGES).where(*_owned_by(some)).values(lease_until=_until(lease)))
        if renewed.rowcount < len(some):
            owned = connection.execute(sa.select(IMAGES.c.id, IMAGES.c.uploading).where(*_owned_by(some)))
            pairs = {(row.id, row.uploading) for row in owned}
            lost.update(attempt for attempt in some if (attempt.image_id, attempt.number) not in pairs)
    return lost


def _owned_by(attempts: Sequence[Attempt]) -> tuple[sa.ColumnElement[bool], ...]:
    """Names the identifiers also alone, because not every database looks up pairs in an index."""
    pairs = [(attempt.image_id, attempt.number) for attempt in attempts]
    alone = IMAGES.c.id.in_([image_id for image_id, _ in pairs])
    return alone, sa.tuple_(IMAGES.c.id, IMAGES.c.uploading).in_(pairs)


def _until(lease: float) -> sa.ColumnElement[int]:
    return Now() + round(lease * 1000)


class LeaseKeeper:
    """Renews the leases of this process's open attempts. The thread lives from the first attempt to `stop`. It is a
    daemon, so a database that hangs does not keep the process from ending."""

    def __init__(self, renew: Renew, *, lease: float) -> None:
        self._renew = renew
        self._pause = self._next = lease / 3
        self._open: set[Attempt] = set()
        self._lost: set[Attempt] = set()
        self.failures = 0  # renewals that did not come about, whatever the reason
        self._stopped = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.supervised = Supervised("leases", pause=self._pause / RETRIES, longest=self._pause)

    def add(self, attempt: Attempt) -> None:
        """Renews the attempt's lease from now on."""
        with self._changed:
            self._open.add(attempt)
            if not self._stopped and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, attempt: Attempt) -> None:
        """Renews the attempt's lease no more."""
        with self._changed:
            self._open.discard(attempt)
            self._lost.discard(attempt)

    def is_lost(self, attempt: Attempt) -> bool:
        """Whether a renewal found that the attempt does not own its image any more."""
        return attempt in self._lost

    def stop(self) -> None:
        """Ends the thread; no lease is renewed any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(JOIN_SECONDS)

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
        except (errors.ImgstoreError, OutcomeUnknown) as error:
            self.failures += 1
            LOG.error("The leases of %s uploads could not be renewed: %s", len(attempts), describe(error))
            return False
        with self._changed:
            self._lost |= self._open & set(lost)
        return True


_RANDOM = secrets.token_hex(4)
