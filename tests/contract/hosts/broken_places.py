"""Deliberately broken memories of places: for every test of the contract at least one that it catches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imgstore.hosting import KnownPlace, TablePlaces
from tests.contract.hosts.runner import Mutants, meet_another

MUTANTS = Mutants[type[TablePlaces]]()
caught_by = MUTANTS.caught_by


@caught_by("test_nothing_is_known_at_first")
class KnowsTheUnknown(TablePlaces):
    def known_place(self, store: str) -> KnownPlace | None:
        return super().known_place(store) or KnownPlace("", written=False)


@caught_by("test_place_is_remembered_for_its_store")
class HasOnePlaceForAll(TablePlaces):
    def _record(self, store: str) -> str | None:
        return super()._record("fast")


@caught_by("test_place_is_remembered_for_its_store")
class ForgetsThatItWasWritten(TablePlaces):
    def known_place(self, store: str) -> KnownPlace | None:
        known = super().known_place(store)
        return known and replace(known, written=False)


@caught_by("test_place_that_another_remembered_meanwhile_stays")
class TakesTheLast(TablePlaces):
    def remember_place(self, store: str, place: KnownPlace, *, instead_of: KnownPlace | None) -> KnownPlace:
        return super().remember_place(store, place, instead_of=self.known_place(store))


@caught_by("test_one_of_many_is_remembered")
class LooksFirst(TablePlaces):
    def remember_place(self, store: str, place: KnownPlace, *, instead_of: KnownPlace | None) -> KnownPlace:
        if (known := self.known_place(store)) != instead_of:
            return known or place
        meet_another()
        return super().remember_place(store, place, instead_of=self.known_place(store))


@caught_by("test_images_in_a_store_tell_its_place")
class TellsOfAllStores(TablePlaces):
    def some_keys(self, store: str) -> Sequence[str]:
        return super().some_keys("fast")


@caught_by("test_images_in_a_store_tell_its_place")
class TellsOfNone(TablePlaces):
    def some_keys(self, store: str) -> Sequence[str]:
        return []
