"""Whether each store works: asked again and again by a thread of its own, so that nobody ever waits for the answer.

A store that hangs holds its own thread only; after `timeout` seconds it counts as down. The threads are daemons: a
check that hangs in the kernel must not keep the process from ending. What this module refuses to do: say it over HTTP.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.store import Store, StoreSet
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Seconds from the end of one check of a store to the next, and how long a check may take."""

    interval: float = 30.0
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one store. `reason` is the code of an error, "" for a store that works; `age` and `took` are
    seconds since the last check ended and that it took; `free` bytes, None where the store does not tell."""

    store: str
    up: bool
    reason: str = ""
    age: float = 0.0
    took: float = 0.0
    free: int | None = None


class StoreHealth:
    """The health of all stores of a service; they count as up until a check says otherwise."""

    def __init__(
        self, stores: StoreSet, settings: HealthSettings | None = None, *, clock: Clock = time.monotonic
    ) -> None:
        self.default = stores.default
        settings = settings or HealthSettings()
        self._watches = [Watch(store, settings, clock=clock) for store in stores]

    def start(self) -> None:
        """Starts the threads."""
        for watch in self._watches:
            watch.thread.start()

    def stop(self) -> None:
        """No check begins any more."""
        for watch in self._watches:
            watch.stopped.set()

    def findings(self) -> Sequence[Finding]:
        """What is known now, in the stores' order."""
        return [watch.finding() for watch in self._watches]


class Watch:
    """One store under watch."""

    def __init__(self, store: Store, settings: HealthSettings, *, clock: Clock = time.monotonic) -> None:
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"health of {store.identifier}", daemon=True)
        self._store = store
        self._settings = settings
        self._clock = clock
        self._last = Finding(store.identifier, up=True)
        self._checked = clock()
        self._checking_since: float | None = None

    def finding(self) -> Finding:
        """What is known now; never waits."""
        now, since, last = self._clock(), self._checking_since, self._last
        age = max(0.0, now - self._checked)
        if since is not None and now - since > self._settings.timeout:
            return Finding(last.store, up=False, reason="check-stalled", age=age, took=now - since, free=last.free)
        return Finding(last.store, up=last.up, reason=last.reason, age=age, took=last.took, free=last.free)

    def check(self) -> None:
        """Asks the store, however long it takes."""
        began = self._checking_since = self._clock()
        reason, free = self._ask()
        now = self._clock()
        if bool(reason) == self._last.up:
            LOG.warning("Store %s is %s", self._store.identifier, f"down ({reason})" if reason else "up again")
        self._last = Finding(self._store.identifier, up=not reason, reason=reason, took=now - began, free=free)
        self._checked, self._checking_since = now, None

    def _run(self) -> None:
        while not self.stopped.wait(self._settings.interval):
            self.check()

    def _ask(self) -> tuple[str, int | None]:
        driver = self._store.driver
        try:
            with self._store.blamed():
                driver.check()
                return "", driver.space().free if isinstance(driver, MeasuresSpace) else None
        except errors.ImgstoreError as error:
            LOG.info("Check failed: %s", describe(error))
            return error.code, None
        except Exception as error:  # noqa: BLE001 - a driver's defect must not end the watch; it is recorded as down
            LOG.error("Check of store %s failed: %s", self._store.identifier, describe(error))
            return errors.ImgstoreError.code, None
