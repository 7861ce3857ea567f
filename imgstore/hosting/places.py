"""Settles the places of a host's stores, for a host that remembers them (law "known by its place").

The first answer of a store since the start may make its place. Later the driver knows it, and a catalog that is away is
no fault of the store. A host that also knows epochs learns here whether its database was restored (`restored`).
"""

from __future__ import annotations

from collections.abc import Iterable

from imgstore import errors
from imgstore.hosting.protocols import RestoreMemory
from imgstore.hosting.restored import look
from imgstore.store import Store
from imgstore.transfers.places import PlaceMemory, adopt, expect, expect_adoption, settle


class StorePlaces:
    """The places of all stores of a process. Each store is settled by one thread at a time."""

    def __init__(self, memory: PlaceMemory, *, restored: RestoreMemory | None = None) -> None:
        self._memory = memory
        self._restored = restored
        self._settled: set[str] = set()

    def is_settled(self, store: Store) -> bool:
        """Whether the store has answered since the start."""
        return store.identifier in self._settled

    def expect(self, stores: Iterable[Store]) -> None:
        """Before stores are asked: each works only at its place, which `settle` looks for, and nowhere before. Raises
        CatalogUnavailable when it has told all."""
        failure: errors.CatalogUnavailable | None = None
        for store in stores:
            try:
                expect(store, self._memory)
            except errors.CatalogUnavailable as error:
                expect_adoption(store)
                failure = error
        if failure is not None:
            raise failure

    def adopt(self, store: Store, *, beside: Iterable[Store]) -> str:
        """See `imgstore.transfers.places.adopt`."""
        return adopt(store, self._memory, beside=beside)

    def settle(self, store: Store) -> None:
        """Looks for the place of a store. Raises WrongPlace, StoreUnavailable, ConfigurationError; CatalogUnavailable
        until it is settled."""
        settled = self.is_settled(store)
        try:
            settle(store, self._memory, create=not settled)
            if self._restored is not None:
                look(store, self._restored)
        except errors.CatalogUnavailable:
            if not settled:
                raise
        except errors.WrongPlace:
            self._settled.add(store.identifier)
            raise
        else:
            self._settled.add(store.identifier)
