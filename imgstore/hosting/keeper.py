"""All that a host runs beside its requests: it recovers what processes left that died, on threads of its own.

One `Keeper` in each process, made after the process was forked. Any number of them work on one catalog at once. While
it runs:

    leases      of this process's uploads are renewed (`LeasedCatalog`)
    uploads     whose lease ran out end: their images are queued again
    removals    are done, again and again where a store fails
    leftovers   in the stores are removed, once after the start
    holds       on the quota of dead processes are settled or released
    places      of the stores are looked for, if the host remembers them

Nothing here waits for a store longer than it may, and nothing that fails ends it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import cast

from imgstore import errors
from imgstore.host_answers import kind_of, require
from imgstore.hosting.first_cleaning import FirstCleaning
from imgstore.hosting.leased_catalog import LeasedCatalog
from imgstore.hosting.leftovers import HOUR
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.places import StorePlaces
from imgstore.hosting.protocols import EndsUploads, KeptQuota, RestoreMemory
from imgstore.hosting.purge import Purge
from imgstore.hosting.records import HostRecords
from imgstore.hosting.recovery import INTERVAL, RecoveryLoop
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.side_by_side import StoreThreads
from imgstore.store import Store, StoreSet
from imgstore.supervised import Supervised
from imgstore.transfers.leftovers import RemovableLeftover
from imgstore.transfers.places import PlaceMemory
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

PLACE_SECONDS = 10.0
"""For which the start, and each round, waits for the stores' places."""


class Keeper:
    """`quota`: if several processes share one. `places`, `restored`: if the host's catalog remembers them. `interval`:
    seconds between two rounds, on average; by default half a lease, at most 30."""

    def __init__(
        self, catalog: LeasedCatalog, stores: StoreSet, quota: KeptQuota | None = None, *,
        places: PlaceMemory | None = None, restored: RestoreMemory | None = None, interval: float | None = None,
    ) -> None:  # fmt: skip
        self.leases = _leased(catalog).leases
        self.records = HostRecords(catalog.table, quota, restored=restored)
        self.removals = RemovalQueue(stores, self.records)
        self._stores = stores
        self._table = catalog.table
        self._threads = StoreThreads()
        self._places = None if places is None else StorePlaces(places, restored=restored)
        self._told: dict[str, str] = {}
        holds = OrphanedHolds(stores, self.records)
        self.cleaning = FirstCleaning(stores, self.records, self.removals, holds, threads=self._threads)
        self.recovery = RecoveryLoop(
            self.records, self.removals, holds, threads=self._threads,
            interval=min(INTERVAL, catalog.table.lease / 2) if interval is None else interval,
            besides=(self._settle_places, self.cleaning.again),
        )  # fmt: skip

    @property
    def supervised(self) -> Sequence[Supervised]:
        """The threads' work, for a host's metrics: `failing` says what is wrong with one."""
        return self.recovery.supervised, self.leases.supervised, *self.cleaning.supervised

    def start(self, up: Iterable[Store] | None = None, *, seconds: float = 0.0) -> None:
        """Ends what is known to be dead, begins to clean the stores, and goes on in the background. A catalog or a
        store that is away is asked again later; only a mistake of the host's raises UsageError.

        A host that has checked its stores names those that are `up`, tells of others by `found_up`, and may wait for
        the cleaning, at most so many `seconds`. It may be called again, also after `stop`.
        """
        self.leases.start()
        try:
            self._expect_places()
            if not self.records.removes_nothing():
                self.recovery.end_dead()
        except errors.CatalogUnavailable as error:
            LOG.warning("Recovery waits for the catalog: %s", describe(error))
        self._settle_places()
        self.cleaning.begin(self._stores if up is None else up, seconds=seconds)
        self.recovery.start()

    def stop(self) -> None:
        """Ends the threads, each after what it is doing; waits for them, but not for what hangs. What is under way in
        this process is renewed no more: end it before."""
        self.recovery.stop()
        self.leases.stop()

    def end_uploads(self) -> int:
        """For a host that knows, before the start, that no upload is under way: a service of one process. Ends them
        all, whatever their lease, and returns how many. Raises CatalogUnavailable, UsageError."""
        require(self._table, EndsUploads)  # isinstance sees nothing behind `__getattr__` since Python 3.12
        if self.records.removes_nothing():
            return 0
        ended = self.records.abandon_uploads(cast(EndsUploads, self._table))
        self.cleaning.orphaned(self.records.holds())
        return ended

    def remove(self, image_id: str) -> None:
        """Removes now what is to be removed of an image that was deleted: call it when the row says so. What a store
        does not let go is tried again later. Raises CatalogUnavailable."""
        self.removals.attempt(self.records.removals(image_id))

    def purge(self, *, older_than: float = HOUR) -> Iterator[RemovableLeftover]:
        """All that may go, each with why and with `remove`: what recovery removes, at once, and objects that ended
        attempts left. Of leftovers that the catalog does not know, those that are `older_than` seconds. Nothing of a
        database that was restored. Raises StoreError, CatalogUnavailable, and so does `remove`."""
        writable = () if self.records.removes_nothing() else [each for each in self._stores if not each.read_only]
        return Purge(self.records, self._stores, writable).everything(older_than=older_than)

    def adopt_place(self, store: str) -> str:
        """The operator's word that what is at the place of this store is the store, after a restore or a move: for a
        command. Returns what was done, for people. Raises UsageError without `places`, UnknownStore,
        ConfigurationError, StoreError, CatalogUnavailable."""
        if self._places is None:
            raise errors.UsageError("This Keeper remembers no places: give it places=.")
        return self._places.adopt(self._stores.resolve(store), beside=self._stores)

    def found_up(self, store: Store) -> None:
        """A host's check of its stores found it up."""
        self.cleaning.found_up(store)

    def add(self, store: Store) -> None:
        """A store that was added after the start."""
        self.cleaning.add(store)

    def _expect_places(self) -> None:
        if self._places is not None:
            self._places.expect(self._stores)

    def _settle_places(self) -> None:
        if self._places is not None:
            work = {store.identifier: partial(self._settle, self._places, store) for store in self._stores}
            self._threads.run(work, seconds=PLACE_SECONDS)

    def _settle(self, places: StorePlaces, store: Store) -> None:
        problem = ""
        try:
            places.settle(store)
        except errors.ImgstoreError as error:
            problem = describe(error)
        if problem != self._told.get(store.identifier, ""):
            LOG.warning("Store %s: its place is %s", store.identifier, problem or "there again")
        self._told[store.identifier] = problem


def _leased(catalog: object) -> LeasedCatalog:
    if isinstance(catalog, LeasedCatalog):
        return catalog
    raise errors.UsageError(
        f"A Keeper takes LeasedCatalog(...) around {kind_of(catalog)}, the same that the uploads take."
    )
