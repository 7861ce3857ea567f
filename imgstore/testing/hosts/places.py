"""The contract for what a host remembers of its stores' places."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import pytest

from imgstore.hosting import KnownPlace
from imgstore.testing.concurrency import at_once
from imgstore.testing.hosts.calls import Calls
from imgstore.testing.hosts.races_in_catalog import ROUNDS
from imgstore.testing.hosts.subjects import PlaceMemorySubject

OURS, OTHERS, ANOTHER = (KnownPlace(mark * 32, written=False) for mark in "abc")
WRITTEN = KnownPlace(OURS.mark, written=True)


class PlaceBench:
    """`memory` does what is tested; `other` looks at it, as another process does: each change is there at once."""

    def __init__(self, subject: PlaceMemorySubject) -> None:
        self.subject = subject
        self.memory, self.other = (Calls(subject.open(), "laws-of-a-memory-of-places") for _ in range(2))

    def remember(
        self, place: KnownPlace, instead_of: KnownPlace | None, wanted: KnownPlace, store: str = "fast"
    ) -> None:
        """The call returns the place that is wanted, and that one is remembered."""
        told = self.memory.value("remember_place", store, place, instead_of=instead_of)
        self.memory.must(be=told == wanted, did=f"remembered {place}, and returned {told}", instead_of=f"{wanted}")
        self.assert_known(wanted, store)

    def assert_known(self, wanted: KnownPlace | None, store: str = "fast") -> None:
        """Exactly this is remembered of the store."""
        told = self.other.value("known_place", store)
        self.other.must(be=told == wanted, did=f"remembers {told} of store {store!r}", instead_of=f"{wanted}")

    def assert_keys(self, keys: Collection[str], store: str = "fast") -> None:
        """Some of these keys are told, and none else."""
        told = set(self.other.value("some_keys", store))
        is_well = told <= set(keys) and bool(told) == bool(keys)
        self.other.must(be=is_well, did=f"told the keys {sorted(told)} of {store!r}", instead_of=f"of {sorted(keys)}")


class PlaceMemoryContract:
    """Subclass it under a name that pytest collects and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> PlaceMemorySubject:
        """The memory under test; nothing is remembered."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: PlaceMemorySubject) -> PlaceBench:
        """What the tests work with."""
        return PlaceBench(subject)

    def test_nothing_is_known_at_first(self, bench: PlaceBench) -> None:
        bench.assert_known(None)
        bench.assert_keys([])

    def test_place_is_remembered_for_its_store(self, bench: PlaceBench) -> None:
        bench.remember(OURS, None, OURS)
        bench.assert_known(None, "slow")
        bench.remember(OTHERS, None, OTHERS, "slow")
        bench.remember(WRITTEN, OURS, WRITTEN)
        bench.assert_known(OTHERS, "slow")

    def test_place_that_another_remembered_meanwhile_stays(self, bench: PlaceBench) -> None:
        bench.remember(OURS, None, OURS)
        bench.remember(ANOTHER, None, OURS)
        bench.remember(ANOTHER, OTHERS, OURS)
        bench.remember(WRITTEN, OURS, WRITTEN)
        bench.remember(ANOTHER, OURS, WRITTEN)

    def test_one_of_many_is_remembered(self, bench: PlaceBench) -> None:
        """All are told the same."""
        before: Any = None
        for number in range(ROUNDS):
            places = [KnownPlace(f"{number}{mark}" * 16, written=bool(number)) for mark in "abcd"]
            sides = [bench.memory, bench.other] * 2
            calls = [
                partial(side.value, "remember_place", "fast", place, instead_of=before)
                for side, place in zip(sides, places, strict=True)
            ]
            told = set(at_once(calls))
            bench.memory.must(be=len(told) == 1, did=f"told {told} to callers at once", instead_of="the same to all")
            (before,) = told
            bench.assert_known(before)

    def test_images_in_a_store_tell_its_place(self, bench: PlaceBench) -> None:
        keys = [bench.subject.add_image("fast") for _ in range(7)]
        bench.assert_keys(keys)
        bench.assert_keys([], "slow")
