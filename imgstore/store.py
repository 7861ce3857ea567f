"""A store is a driver under an identifier. A store set is the enabled stores of a service, one of them the default."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from imgstore import errors
from imgstore.bulkhead import Bulkhead, Slot
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.place import new_mark
from imgstore.driver.translate import OnFailure, blamed_on, nothing_is_missing
from imgstore.driver.writer import ObjectWriter
from imgstore.host_answers import require_kind
from imgstore.model import Location
from imgstore.side_by_side import Begun

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """One store. Downloads prefer the higher `weight`. `read_only` forbids adding, but not reading and deleting.
    `project_quota`: bytes that each project may take in it, None for no limit; the quota of the host enforces it.
    `bulkhead` bounds the transfers at one time."""

    identifier: str
    driver: StoreDriver
    description: str = ""
    weight: int = 0
    read_only: bool = False
    project_quota: int | None = None
    bulkhead: Bulkhead = field(default_factory=Bulkhead, repr=False, compare=False)

    def location(self, key: str) -> Location:
        """The location of the object `key` in this store."""
        with self.blamed():
            return Location(store=self.identifier, key=key, url=self.driver.url(key))

    def for_context(self, context: object, *, url: str | None = None) -> Store:
        """This store with the driver for one caller (`StoreDriver.for_context`)."""
        with self.blamed():
            driver = self.driver.for_context(context, url=url)
        return self if driver is self.driver else replace(self, driver=driver)

    def refuse_if_read_only(self) -> None:
        """Raises StoreReadOnly if the configuration or the driver forbids adding."""
        if self.read_only or self.driver.READ_ONLY:
            raise named(errors.StoreReadOnly("Adding images to store is disabled."), self.identifier)

    def check(self) -> None:
        """Proves that the place is the right one, and then that the store works. Raises StoreError,
        ConfigurationError."""
        with self.blamed(), OnFailure(partial(nothing_is_missing, "checking")):  # but what the check itself has stored
            self.driver.prove_place()
            self.driver.check()

    def learn_place(self, *, create: bool = False) -> None:
        """The place that is there now is the right one; `create`: is made and marked if it is not there. Raises
        WrongPlace for one without a mark, which may be a disk that is not mounted; StoreError, ConfigurationError."""
        driver = self.driver
        if not isinstance(driver, HasPlace) or not driver.place.markable:
            return
        with self.blamed():
            writable = not (self.read_only or driver.READ_ONLY)
            mark = driver.write_mark(new_mark()) if create and writable else driver.read_mark()
            if mark is not None:
                driver.expect_mark(mark)
            elif writable:
                raise errors.WrongPlace(UNMARKED)

    def blamed(self) -> OnFailure:
        """Inside, a StoreError gets the identifier of this store, and a ConfigurationError its section."""
        return OnFailure(partial(blamed_on, self.identifier))

    def slot(self, *, wait: float | None = None) -> Slot:
        """A slot for one transfer, to be held while a thread may wait for the store (`Bulkhead.take`). Raises
        StoreBusy."""
        with self.blamed():
            return self.bulkhead.take(wait=wait)

    def open_writer(self, key: str, *, size: int | None, limit: int | None) -> ObjectWriter:
        """A writer of the driver; its errors name this store."""
        with self.blamed():
            return self.driver.open_writer(key, size=size, limit=limit, store=self.identifier)


def named(error: errors.StoreError, identifier: str) -> errors.StoreError:
    """`error`, its `store` filled in unless it has one."""
    blamed_on(identifier, error)
    return error


UNMARKED = (
    "Image storage is not available: its place has no mark. A disk may not be mounted. If this is the store's place, "
    "stores.check(create=True) marks it, once, and so does: imgstore check --create"
)


class StoreSet:
    """The enabled stores, in the order of the configuration. Raises ConfigurationError for duplicates, or if the
    default store is not among them."""

    def __init__(self, stores: Sequence[Store], *, default: str) -> None:
        self._stores: dict[str, Store] = {}
        for store in stores:
            require_kind(store, Store, name="One of the stores")
            require_kind(store.driver, StoreDriver, name=f"The driver of store '{store.identifier}'")
            if store.identifier in self._stores:
                raise errors.ConfigurationError(
                    f"store '{store.identifier}' is listed twice.",
                    section="imgstore",
                    option="enabled_stores",
                    cure="Give every store an identifier of its own.",
                )
            self._refuse_shared_driver(store)
            self._stores[store.identifier] = store
        if default not in self._stores:
            raise errors.ConfigurationError(
                f"store '{default}' is not enabled.",
                section="imgstore",
                option="default_store",
                cure=f"Name one of enabled_stores: {', '.join(self._stores) or 'none is set'}.",
            )
        self.default = default

    def _refuse_shared_driver(self, store: Store) -> None:
        for other in self:
            if other.driver is store.driver:
                raise errors.ConfigurationError(
                    f"it has the driver of store '{other.identifier}'.",
                    section=store.identifier,
                    cure="Make a driver for each store, with a place of its own.",
                )

    def take(self, stores: Sequence[Store]) -> None:
        """From now on these are the enabled stores, the default one among them. Who looks sees the former ones or
        these, never a mixture. Raises ConfigurationError."""
        self._stores = StoreSet(stores, default=self.default)._stores

    def __iter__(self) -> Iterator[Store]:
        return iter(self._stores.values())

    def __len__(self) -> int:
        return len(self._stores)

    def resolve(self, identifier: str | None) -> Store:
        """The store with that identifier, or the default store for None. Raises UnknownStore."""
        name = self.default if identifier is None else identifier
        try:
            return self._stores[name]
        except KeyError:
            raise errors.UnknownStore(f"Store for identifier '{name[:64]}' not found.") from None

    def check(self, *, create: bool = False) -> None:
        """Checks every store, as at the start of a host that remembers no places. `create`: makes and marks the places
        that are missing, for the first start. From now on each driver works only where it finds the mark that is there
        now. Raises StoreError or ConfigurationError, which names the store."""
        self.refuse_shared_places()
        for store in self:
            store.learn_place(create=create)
            store.check()

    def refuse_shared_places(self) -> None:
        """Raises ConfigurationError if two stores have one place, or one lies in the other: what one removes could be
        the other's. Sends no request."""
        places = [(store, store.driver.place) for store in self if isinstance(store.driver, HasPlace)]
        for (one, first), (other, second) in itertools.combinations(places, 2):
            if first.overlaps(second):
                raise errors.ConfigurationError(
                    f"it would share a place with store '{one.identifier}': {second.name} and {first.name}.",
                    section=other.identifier,
                    cure="Give each store a place of its own, and none in another's.",
                )

    def close(self) -> None:
        """Closes every driver. If one of them fails, the others are closed before its error is raised."""
        with ExitStack() as closing:
            for store in self:
                closing.callback(store.driver.close)

    def close_within(self, seconds: float) -> None:
        """The same side by side, for a process that ends: a driver that hangs is left to the end of the process."""
        closing = Begun({store.identifier: store.driver.close for store in self}, seconds=seconds)
        with ExitStack() as results:
            for store in self:
                results.callback(_result_of_closing, closing, store.identifier)


def _result_of_closing(closing: Begun[None], identifier: str) -> None:
    try:
        closing.result(identifier)
    except TimeoutError:
        LOG.warning("Store %s hangs: it is closed by the end of the process", identifier)
