"""What the service needs, and whether it works: each store, catalog and ledger, under a watch of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from imgstore import errors
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.service.watch import Clock, HealthSettings, Status, Watch
from imgstore.store import Store, StoreSet
from imgstore.supervised import Supervised
from imgstore.transfers.observer import Observer, tell
from imgstore.undo import describe

MOMENT = 0.5
"""Seconds that `stop` waits for the checks under way."""
ForStore = Callable[[Store], object]
Probe = Callable[[], object]
"""Looks at a part of the database. Raises what is wrong with it."""


def nothing_to_do(store: Store) -> None:
    """For a host that remembers no places, or removes no leftovers."""


class StoreHealth:
    """The health of all stores of a service, and of the `parts` of its database by name. Observers are told of each
    change of a store, on a thread of the store's own. `settle` is called before each check of a store
    (`imgstore.transfers.places.settle`), `up` after each one that found it up. All methods may be called by any
    thread."""

    def __init__(
        self, stores: StoreSet, settings: HealthSettings | None = None, *, observers: Sequence[Observer] = (),
        settle: ForStore = nothing_to_do, up: ForStore = nothing_to_do, parts: Mapping[str, Probe] | None = None,
    ) -> None:  # fmt: skip
        self.default = stores.default
        self._settings = settings = settings or HealthSettings()
        self._watch = partial(StoreWatch, settings=settings, observers=observers, settle=settle, up=up)
        self._watches = [self._watch(store) for store in stores]
        self._parts = [PartWatch(name, probe, settings) for name, probe in (parts or {}).items()]

    @property
    def supervised(self) -> Sequence[Supervised]:
        """The threads' work."""
        return [watch.supervised for watch in (*self._watches, *self._parts)]

    def start(self, *, refuses: type[errors.ImgstoreError] | None = None) -> None:
        """Starts the threads. Each checks at once. `refuses`: what ends the start, and is told there instead of here;
        until the `first_answers`."""
        for store in self._watches:
            store.refuses = refuses
        for watch in (*self._watches, *self._parts):
            watch.thread.start()

    def take(self, stores: Sequence[Store]) -> None:
        """Other stores, after the start. A new one is checked at once."""
        known = {watch.name: watch for watch in self._watches}
        added = [self._watch(store) for store in stores if store.identifier not in known]
        for store in stores:
            if store.identifier in known:
                known[store.identifier].store = store
        self._watches = [*self._watches, *added]
        for watch in added:
            watch.thread.start()

    def stop(self, seconds: float = MOMENT) -> None:
        """Ends the threads, each after its present check, which leaves nothing behind then; waits a moment for all, at
        most so many seconds."""
        watches = [watch for watch in (*self._watches, *self._parts) if watch.thread.is_alive()]
        for watch in watches:
            watch.stopped.set()
        until = time.monotonic() + min(MOMENT, seconds)
        for watch in watches:
            watch.thread.join(max(0.0, until - time.monotonic()))

    @property
    def timeout(self) -> float:
        """Seconds that a check may take."""
        return self._settings.timeout

    def first_answers(self) -> Sequence[StoreWatch]:
        """Waits until every store was checked once, but no longer than a check may take. Returns the watches."""
        until = time.monotonic() + self._settings.timeout
        for watch in self._watches:
            watch.answered.wait(max(0.0, until - time.monotonic()))
            watch.refuses = None
        return self._watches

    def check(self, identifier: str) -> None:
        """Checks one store now, however long it takes."""
        for watch in self._watches:
            if watch.name == identifier:
                watch.check()

    def statuses(self) -> Sequence[Status]:
        """What is known now of the stores, in their order. Never waits."""
        return [watch.status() for watch in self._watches]

    def parts(self) -> Sequence[Status]:
        """What is known now of the database's parts. Never waits."""
        return [watch.status() for watch in self._parts]


class StoreWatch(Watch):
    """One store under watch."""

    def __init__(
        self, store: Store, settings: HealthSettings, *, observers: Sequence[Observer] = (),
        settle: ForStore = nothing_to_do, up: ForStore = nothing_to_do, clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(store.identifier, settings, title=f"Store {store.identifier}", clock=clock)
        self.store = store
        self._observers = observers
        self._settle = settle
        self._is_up = up

    def ask(self) -> int | None:
        self._settle(self.store)
        self.store.check()
        driver = self.store.driver
        with self.store.blamed():
            return driver.space().free if isinstance(driver, MeasuresSpace) else None

    def changed(self, *, up: bool, reason: str) -> None:
        tell(self._observers, lambda observer: observer.store_changed(self.name, up=up, reason=reason))

    def found_up(self) -> None:
        self._is_up(self.store)


class PartWatch(Watch):
    """A part of the database under watch."""

    def __init__(self, name: str, probe: Probe, settings: HealthSettings) -> None:
        super().__init__(name, settings, title=f"The {name}")
        self._probe = probe

    def ask(self) -> None:
        self._probe()


def refuse_down(watches: Sequence[StoreWatch]) -> None:
    """Raises StoreUnavailable, with all that is wrong, if a store is down or has not answered yet."""
    down = [f"{watch.name} is down: {_why(watch)}" for watch in watches if watch.error or not watch.answered.is_set()]
    if down:
        raise errors.StoreUnavailable(f"[service] require_stores is all, and store {'; store '.join(down)}")


def _why(watch: StoreWatch) -> str:
    return "its check has not ended" if watch.error is None else describe(watch.error)
