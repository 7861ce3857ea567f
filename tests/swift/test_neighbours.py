"""Purge takes what is certainly the store's own, and nothing else: of neighbours in the account, of images that were
written under other options, of times before there was a mark."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from imgstore.driver.place import new_mark
from imgstore.drivers.swift import SwiftDriver
from tests.swift.subject import SEGMENTS
from tests.swift.test_place import SEED, proven
from tests.swift.world import KEY, SEGMENT, World, body, die, put, read

SIZE = 2 * SEGMENT
KINDS: list[dict[str, Any]] = [
    {},
    {"segments_container": "pieces"},
    {SEED: 1},
    {SEED: 2},
    {SEED: 2, "segments_container": "pieces"},
    {SEED: 4, "segments_container": "images_segments"},
    {"multi_tenant": True},
]
BEGINNINGS = ["images", "images_8", "images_8f", "images_8f_segments", "image", "images_fast", "images_8f0a"]
"""Container names; many begin another, are what a seed makes of it, or are its segments'."""


@dataclass(frozen=True)
class Neighbour:
    """A store with an image and an upload that nobody ends."""

    driver: SwiftDriver
    image: str
    upload: str

    def settle(self) -> None:
        put(self.driver, body(SIZE), self.image)
        die(self.driver, SIZE, self.upload)

    def purge(self) -> list[str | None]:
        """The keys of what was removed."""
        found = list(self.driver.leftovers())
        for leftover in found:
            self.driver.remove_leftover(leftover)
        return [leftover.key for leftover in found if leftover.certain]


def neighbours(world: World, turn: int) -> Iterator[Neighbour]:
    """One store of each kind, each kind with another name at each turn."""
    for number, kind in enumerate(KINDS):
        driver = world.driver(container=BEGINNINGS[(number + turn) % len(KINDS)], **kind)
        if driver.place.markable:
            driver.write_mark(new_mark())
        yield Neighbour(driver, f"8f0{number}", f"8f0{number}.2")


@pytest.mark.parametrize("turn", [4, *(pytest.param(turn, marks=pytest.mark.long) for turn in (0, 2))])
def test_each_purges_its_own_while_the_others_upload(world: World, turn: int) -> None:
    world.empty()
    all_of_them = list(neighbours(world, turn))
    for each in all_of_them:
        each.settle()
    for each in all_of_them:
        for other in all_of_them:
            if other is not each:
                each.driver.clear_leftovers(other.upload)
        assert each.purge() == [each.upload], "nobody took it before, and nobody else's is taken"
    for each in all_of_them:
        assert read(each.driver, each.image) == body(SIZE)
        each.driver.delete(each.image)


def test_one_key_in_one_container_of_segments_is_each_stores_own(world: World) -> None:
    stores = [world.driver(container=name, segments_container="pieces") for name in ("one", "two")]
    for store in stores:
        store.write_mark(new_mark())
    put(stores[0], body(SIZE))
    die(stores[1], SIZE)
    stores[0].clear_leftovers(KEY)
    assert len(world.account.objects("pieces")) == 4
    stores[1].clear_leftovers(KEY)
    assert read(stores[0]) == body(SIZE)
    stores[0].delete(KEY)


@pytest.mark.parametrize("segments", [None, "pieces"])
def test_images_stay_when_the_seed_is_changed_and_what_died_before_goes(world: World, segments: str | None) -> None:
    for seed, key in ((0, "8f00"), (1, "8f01"), (2, "8f02")):
        driver = proven(world, segments_container=segments, **{SEED: seed})
        put(driver, body(SIZE), key)
        die(driver, SIZE, f"{key}.2")
    driver = proven(world, segments_container=segments, **{SEED: 2})
    assert sorted(Neighbour(driver, "", "").purge(), key=str) == ["8f00.2", "8f01.2", "8f02.2"]
    for seed, key in ((0, "8f00"), (1, "8f01"), (2, "8f02")):
        driver = proven(world, segments_container=segments, **{SEED: seed})
        assert list(driver.leftovers()) == []
        assert read(driver, key) == body(SIZE)
        driver.delete(key)


@pytest.mark.parametrize("options", [{}, {"segments_container": "pieces"}, {SEED: 2}])
def test_what_was_written_without_a_mark_is_listed_and_stays_unless_its_end_is_known(
    world: World, options: dict[str, Any]
) -> None:
    world.unmark()
    before = world.driver(**options)
    put(before, body(SIZE), "8f-image")
    for key in ("8f-dead", "8f-traces"):
        die(before, SIZE, key)
    world.mark()
    driver = proven(world, **options)
    assert list(world.driver(multi_tenant=True).leftovers()) == []
    found = {left.key: left for left in driver.leftovers()}
    assert set(found) == {"8f-dead", "8f-traces"}
    assert not any(left.certain for left in found.values())
    there = world.account.everything()
    for left in found.values():
        driver.remove_leftover(left)
    assert world.account.everything() == there
    driver.remove_leftover(replace(found["8f-dead"], certain=True))
    driver.clear_leftovers("8f-traces")
    driver.clear_leftovers("8f-image")
    assert read(driver, "8f-image") == body(SIZE)
    driver.delete("8f-image")


def test_a_store_that_has_no_mark_yet_finds_it_when_it_is_checked(world: World) -> None:
    world.unmark()
    driver = world.driver()
    die(driver, SIZE)
    world.mark()
    driver.check()
    die(driver, SIZE, "8f.2")
    assert {left.key: left.certain for left in driver.leftovers()} == {KEY: False, "8f.2": True}
    for key in (KEY, "8f.2"):
        driver.clear_leftovers(key)
    with contextlib.closing(driver):
        assert world.account.objects(SEGMENTS) == {}
