"""Whether each store works: a thread for each store checks it again and again, so that nobody waits for the answer.

A store that hangs holds only its own thread; after `timeout` seconds it counts as down. The threads are daemons, since
a check that hangs in the kernel must not keep the process from ending.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from imgstore import errors
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.store import Store, StoreSet
from imgstore.supervised import Supervised
from imgstore.transfers.observer import Observer, tell
from imgstore.undo import describe

LOG = logging.getLogger(__name__)
STALLED = "check-stalled"

Clock = Callable[[], float]
Settle = Callable[[Store], object]
"""Tells a store's driver before each check which place is the right one (`imgstore.transfers.places.settle`)."""


def nothing_to_settle(store: Store) -> None:
    """For a host that remembers no places."""


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Seconds from the end of one check of a store to the next, and how long a check may take."""

    interval: float = 30.0
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What is known of one store. `reason` is the code of an error, "" for a store that works; `age` and `took` are the
    seconds since the last check ended and how long it took; `free` in bytes, None where the store does not tell."""

    store: str
    up: bool
    reason: str = ""
    age: float = 0.0
    took: float = 0.0
    free: int | None = None


class StoreHealth:
    """The health of all stores of a service; a store counts as up until a check says otherwise. Observers are told of
    each change, on a thread of the store's own. `settle` is called before each check. All methods may be called by any
    thread."""

    def __init__(
        self, stores: StoreSet, settings: HealthSettings | None = None, *, observers: Sequence[Observer] = (),
        settle: Settle = nothing_to_settle,
    ) -> None:  # fmt: skip
        self.default = stores.default
        settings = settings or HealthSettings()
        self._watches = [StoreWatch(store, settings, observers=observers, settle=settle) for store in stores]

    @property
    def supervised(self) -> Sequence[Supervised]:
        """The threads' work."""
        return [watch.supervised for watch in self._watches]

    def start(self) -> None:
        """Starts the threads."""
        for watch in self._watches:
            watch.thread.start()

    def stop(self) -> None:
        """Ends the threads, each after its present check; waits for none."""
        for watch in self._watches:
            watch.stopped.set()

    def check(self, identifier: str) -> None:
        """Checks one store now, however long it takes."""
        for watch in self._watches:
            if watch.status().store == identifier:
                watch.check()

    def statuses(self) -> Sequence[StoreStatus]:
        """What is known now, in the stores' order. Never waits."""
        return [watch.status() for watch in self._watches]


class StoreWatch:
    """One store under watch."""

    def __init__(
        self, store: Store, settings: HealthSettings, *, observers: Sequence[Observer] = (),
        settle: Settle = nothing_to_settle, clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        self.stopped = threading.Event()
        self.supervised = Supervised(f"health of {store.identifier}", pause=settings.interval)
        self.thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)
        self._store = store
        self._settings = settings
        self._observers = observers
        self._settle = settle
        self._clock = clock
        self._last = StoreStatus(store.identifier, up=True)
        self._checked = clock()
        self._checking_since: float | None = None
        self._told_up = True
        self._telling = threading.Lock()

    def status(self) -> StoreStatus:
        """What is known now. Never waits."""
        now, since, last = self._clock(), self._checking_since, self._last
        age = max(0.0, now - self._checked)
        if since is not None and now - since > self._settings.timeout:
            return StoreStatus(last.store, up=False, reason=STALLED, age=age, took=now - since, free=last.free)
        return replace(last, age=age)

    def check(self) -> None:
        """Asks the store, however long it takes."""
        stall = threading.Timer(self._settings.timeout, self._tell_stalled)
        stall.daemon = True
        began = self._checking_since = self._clock()
        stall.start()
        reason, free = self._ask()
        stall.cancel()
        with self._telling:
            now = self._checked = self._clock()
            self._last = StoreStatus(self._store.identifier, up=not reason, reason=reason, took=now - began, free=free)
            self._checking_since = None
            self._tell(reason)

    def _run(self) -> None:
        pause = 0.0
        while not self.stopped.wait(pause or self._settings.interval):
            pause = self.supervised.round(self.check)

    def _ask(self) -> tuple[str, int | None]:
        driver = self._store.driver
        try:
            self._settle(self._store)
            self._store.check()
            with self._store.blamed():
                return "", driver.space().free if isinstance(driver, MeasuresSpace) else None
        except errors.ImgstoreError as error:
            LOG.info("Check failed: %s", describe(error))
            return error.code, None
        except Exception as error:  # noqa: BLE001 - a driver's defect must not end the watch; it is recorded as down
            LOG.error("Check of store %s failed: %s", self._store.identifier, describe(error))
            return errors.ImgstoreError.code, None

    def _tell_stalled(self) -> None:
        with self._telling:
            if self._checking_since is not None:
                self._tell(STALLED)

    def _tell(self, reason: str) -> None:
        up, store = not reason, self._store.identifier
        if up != self._told_up:
            self._told_up = up
            LOG.warning("Store %s is %s", store, "up again" if up else f"down ({reason})")
            tell(self._observers, lambda observer: observer.store_changed(store, up=up, reason=reason))
