"""Counts what the database knows, again and again, and remembers it: whoever asks for it never waits for a database.

A database that hangs holds only this thread, which is a daemon. What was found last is told with its age.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from imgstore import errors
from imgstore.sql import Census
from imgstore.store import StoreSet
from imgstore.supervised import Supervised
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds from the end of one count to the next."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A count, and when it was made."""

    census: Census
    made: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.made


class Counting:
    """The last count of the database; `last` is None before the first."""

    def __init__(
        self, count: Callable[[], Census], *, scrubbed: Callable[[], Mapping[str, int]], stores: StoreSet,
        interval: float = INTERVAL,
    ) -> None:  # fmt: skip
        self.last: Counted | None = None
        self.scrubbed: Mapping[str, int] = {}  # when the last complete scrub of each store began
        self._stores = stores
        self._count = count
        self._scrubbed = scrubbed
        self._interval = interval
        self._stopped = threading.Event()
        self.supervised = Supervised("counting", pause=interval)
        self._thread = threading.Thread(target=self._run, name="imgstore-counting", daemon=True)

    @property
    def stores(self) -> Sequence[str]:
        """Those of the service now."""
        return [store.identifier for store in self._stores]

    def start(self) -> None:
        """Starts the thread. It counts at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after its present count; waits for nothing."""
        self._stopped.set()

    def count(self) -> None:
        """Counts now. A catalog that is away is told by its health, and changes nothing here."""
        try:
            self.last, self.scrubbed = Counted(self._count()), self._scrubbed()
        except errors.CatalogUnavailable as error:
            LOG.info("The database was not counted: %s", describe(error))

    def _run(self) -> None:
        while not self._stopped.wait(self.supervised.round(self.count) or self._interval):
            continue
