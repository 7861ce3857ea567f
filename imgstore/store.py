"""A store is a driver under an identifier; a store set is what one service has enabled, one of them the default.

Pure values: who builds them (`imgstore.config.registry` from entry points, a test by hand) does not matter here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.translate import OnFailure, blamed_on
from imgstore.driver.writer import ObjectWriter
from imgstore.model import Location


@dataclass(frozen=True)
class Store:
    """One store. `weight`: the higher is read first. `read_only`: nothing is added, reading and deleting work.
    `project_quota`: bytes that each project may take in it, None for no limit; for whoever keeps the quota."""

    identifier: str
    driver: StoreDriver
    description: str = ""
    weight: int = 0
    read_only: bool = False
    project_quota: int | None = None

    def location(self, key: str) -> Location:
        """Where the object `key` of this store is."""
        with self.blamed():
            return Location(store=self.identifier, key=key, url=self.driver.url(key))

    def for_context(self, context: object, *, url: str | None = None) -> Store:
        """The store as this caller reaches it (`StoreDriver.for_context`)."""
        with self.blamed():
            driver = self.driver.for_context(context, url=url)
        return self if driver is self.driver else replace(self, driver=driver)

    def refuse_if_read_only(self) -> None:
        """Raises StoreReadOnly where configuration or the driver's nature forbids adding."""
        if self.read_only or self.driver.READ_ONLY:
            raise named(errors.StoreReadOnly("Adding images to store is disabled."), self.identifier)

    def blamed(self) -> OnFailure:
        """Inside, a StoreError of the driver gets this store's identifier, a ConfigurationError its section."""
        return OnFailure(partial(blamed_on, self.identifier))

    def open_writer(self, key: str, *, size: int | None, limit: int | None) -> ObjectWriter:
        """See `StoreDriver.open_writer`; its errors, and the writer's, name this store."""
        with self.blamed():
            return self.driver.open_writer(key, size=size, limit=limit, store=self.identifier)


def named(error: errors.StoreError, identifier: str) -> errors.StoreError:
    """`error`, with the store's identifier filled in unless it has one."""
    blamed_on(identifier, error)
    return error


class StoreSet:
    """The enabled stores, in the order of the configuration. Raises ConfigurationError for what cannot work."""

    def __init__(self, stores: Sequence[Store], *, default: str) -> None:
        self._stores: dict[str, Store] = {}
        for store in stores:
            if store.identifier in self._stores:
                raise errors.ConfigurationError(
                    f"store '{store.identifier}' is listed twice.",
                    section="imgstore",
                    option="enabled_stores",
                    cure="Give every store an identifier of its own.",
                )
            self._stores[store.identifier] = store
        if default not in self._stores:
            raise errors.ConfigurationError(
                f"store '{default}' is not enabled.",
                section="imgstore",
                option="default_store",
                cure=f"Name one of enabled_stores: {', '.join(self._stores) or 'none is set'}.",
            )
        self.default = default

    def __iter__(self) -> Iterator[Store]:
        return iter(self._stores.values())

    def __len__(self) -> int:
        return len(self._stores)

    def resolve(self, identifier: str | None) -> Store:
        """The store of that identifier, the default one for None. Raises UnknownStore."""
        name = self.default if identifier is None else identifier
        try:
            return self._stores[name]
        except KeyError:
            raise errors.UnknownStore(f"Store for identifier '{name[:64]}' not found.") from None

    def check(self) -> None:
        """Proves every store at start. Raises StoreError or ConfigurationError that names the store's section."""
        for store in self:
            with store.blamed():
                store.driver.check()

    def close(self) -> None:
        """Closes every driver, also when one of them fails; that failure is raised at the end."""
        with ExitStack() as closing:
            for store in self:
                closing.callback(store.driver.close)
