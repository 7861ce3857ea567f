"""Which place belongs to which store (law "known by its place"): marks are written, remembered and expected.

A host remembers the mark of each store (`PlaceMemory`). `settle` compares it with what is there, at the start and at
every check. Only where the host remembers nothing, and has no image in the store, a first start may make the place and
mark it (`create`). Whatever else is found is unavailable until the right place is back, or until an operator says that
this is the right one (`adopt`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from imgstore import errors
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.place import new_mark
from imgstore.driver.translate import host_failures
from imgstore.host_answers import answer_of, instance, require, wrong_answer
from imgstore.model import KnownPlace
from imgstore.store import Store

LOG = logging.getLogger(__name__)


class PlaceMemory(Protocol):
    """What a host remembers of its stores' places, for all of its processes. Raises CatalogUnavailable."""

    def known_place(self, store: str) -> KnownPlace | None:
        """What is remembered; None for nothing."""

    def remember_place(self, store: str, place: KnownPlace, *, instead_of: KnownPlace | None) -> KnownPlace:
        """Remembers `place` where `instead_of` is remembered, by one compare-and-set. Returns what is remembered
        afterwards: another one, if somebody else was first."""

    def some_keys(self, store: str) -> Sequence[str]:
        """Keys of a few objects that images have in the store; none, if no image has one."""


def settle(store: Store, memory: PlaceMemory, *, create: bool = False) -> None:
    """Tells the driver which place is the store's, and looks whether it is there. `create`: a store that the host does
    not know yet gets its place and mark.

    Raises WrongPlace, StoreUnavailable, ConfigurationError, CatalogUnavailable.
    """
    if not isinstance(store.driver, HasPlace) or not store.driver.place.markable:
        return
    with host_failures("looking up the place of a store"), store.blamed():
        try:
            require(memory, PlaceMemory)
            known = _known(store, store.driver, memory, create=create)
        except errors.WrongPlace:
            store.driver.expect_adoption()
            raise
        if known is not None and known.mark != store.driver.mark:
            store.driver.expect_mark(known.mark)
        store.driver.prove_place()


def expect(store: Store, memory: PlaceMemory) -> None:
    """Before the store is asked: the driver works only at the place that the host remembers, and nowhere until `settle`
    where it remembers none. Raises CatalogUnavailable."""
    if isinstance(store.driver, HasPlace) and store.driver.place.markable:
        with host_failures("looking up the place of a store"):
            known = _remembered(memory, store)
        if known is not None and known.written:
            store.driver.expect_mark(known.mark)
        else:
            expect_adoption(store)


def expect_adoption(store: Store) -> None:
    """The driver works nowhere until `settle` finds the place."""
    if isinstance(store.driver, HasPlace) and store.driver.place.markable:
        store.driver.expect_adoption()


def adopt(store: Store, memory: PlaceMemory, *, beside: Iterable[Store] = ()) -> str:
    """The operator's word that what is at the place is the store: it gets the mark that is remembered, or a new one
    where it has another's. Returns what was done, for people. Raises ConfigurationError, StoreError (WrongPlace if it
    is the place of a store `beside`), CatalogUnavailable."""
    driver = store.driver
    if not isinstance(driver, HasPlace) or not driver.place.markable:
        return "has no mark, since its driver cannot keep one"
    with host_failures("adopting a place"), store.blamed():
        known, found = _remembered(memory, store), driver.read_mark()
        if known is not None and known.mark == found:
            return "has its mark already"
        _refuse_neighbours(found, memory, (other for other in beside if other.identifier != store.identifier))
        new = KnownPlace(known.mark if known and found is None else new_mark(), written=True)
        driver.write_mark(new.mark, replace=True)
        if memory.remember_place(store.identifier, new, instead_of=known) != new:
            raise errors.WrongPlace("Another process adopted a place for this store meanwhile: try again.")
        driver.expect_mark(new.mark)
    return "is marked now" if found is None else "is marked anew; whoever used it under its former mark does no more"


def _refuse_neighbours(mark: str | None, memory: PlaceMemory, others: Iterable[Store]) -> None:
    for other in others:
        known = _remembered(memory, other)
        if mark is not None and known is not None and known.mark == mark:
            raise errors.WrongPlace(f"It is the place of store '{other.identifier}'.")


def _remembered(memory: PlaceMemory, store: Store) -> KnownPlace | None:
    known = answer_of(memory.known_place, store.identifier)
    if known is not None and not isinstance(known, KnownPlace):
        raise wrong_answer(memory.known_place, known, "must return a KnownPlace, or None")
    return known


def _known(store: Store, driver: HasPlace, memory: PlaceMemory, *, create: bool) -> KnownPlace | None:
    known = _remembered(memory, store)
    if known is not None and (known.written or not create):
        return known
    keys = memory.some_keys(store.identifier) if known is None else ()
    if store.read_only or store.driver.READ_ONLY:
        return _read_only(store, driver, memory, keys)
    if keys or not create:
        raise errors.WrongPlace(
            "Image storage is not available: it is not known whether this is the store's place. "
            f"If it is: imgstore stores adopt {store.identifier}"
        )
    return _marked(store, driver, memory, known)


def _marked(store: Store, driver: HasPlace, memory: PlaceMemory, known: KnownPlace | None) -> KnownPlace:
    """Remembered first: a mark that nobody remembers would be another's."""
    if known is None:
        new = KnownPlace(new_mark(), written=False)
        known = instance(KnownPlace, memory.remember_place, store.identifier, new, instead_of=None)
    found = driver.write_mark(known.mark)
    if found != known.mark:
        raise errors.WrongPlace(
            "Image storage is not available: its place belongs to another store, or to another service. "
            f"If it belongs to nobody: imgstore stores adopt {store.identifier}"
        )
    LOG.info("Store %s keeps its objects at %s from now on", store.identifier, driver.place.name)
    marked = replace(known, written=True)
    return instance(KnownPlace, memory.remember_place, store.identifier, marked, instead_of=known)


def _read_only(store: Store, driver: HasPlace, memory: PlaceMemory, keys: Sequence[str]) -> KnownPlace | None:
    """A mark that is there is remembered. Where there is none, the images tell the place."""
    found = driver.read_mark()
    if found is not None and not keys:
        return memory.remember_place(store.identifier, KnownPlace(found, written=True), instead_of=None)
    if keys:
        store.driver.expect_objects(keys)
    else:
        store.driver.expect_any_place()
    return None
