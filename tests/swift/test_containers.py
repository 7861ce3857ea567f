"""Containers: one, many by the seed as glance_store has them, created or not, with a policy; and their listing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.containers import StoreNaming
from tests.support.swift import SwiftSettings
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.test_reading import containers, glance_dynamic, others_static
from tests.swift.world import KEY, SEGMENT, World, body, put, read

Worlds = Callable[[SwiftSettings], World]

UUID = "FDAE39A1-bac5-4238-aba4-69bcc726e848"


@pytest.mark.parametrize(
    ("seed", "container"),
    [
        (0, "images"), (1, "images_f"), (3, "images_fda"), (8, "images_fdae39a1"), (9, "images_fdae39a1-b"),
        (10, "images_fdae39a1-ba"), (13, "images_fdae39a1-bac5-"), (14, "images_fdae39a1-bac5-42"),
        (32, "images_fdae39a1-bac5-4238-aba4-69bcc726e848"),
    ],
)  # fmt: skip
def test_the_seed_names_containers_as_glance_store_does(world: World, seed: int, container: str) -> None:
    naming = StoreNaming(world.driver(multiple_containers_seed=seed)._settings)
    assert naming.container_of(UUID) == container
    assert naming.segments_of(UUID) == f"{container}_segments"


def test_images_are_spread_over_containers_that_are_created_when_first_used(world: World) -> None:
    driver = world.driver(multiple_containers_seed=2)
    driver.check()
    keys = [f"{letter}{KEY[1:]}" for letter in "abc"]
    for number, key in enumerate(keys):
        put(driver, body(2 * SEGMENT + number, number), key)
    assert set(world.account.containers()) >= {f"{CONTAINER}_{letter}f" for letter in "abc"}
    assert world.account.objects(f"{CONTAINER}_af") == {keys[0]: 2 * SEGMENT}
    assert len(world.account.objects(f"{CONTAINER}_af_segments")) == 2
    assert {info.key: info.size for info in driver.objects()} == dict(zip(keys, (2000, 2001, 2002), strict=True))
    for number, key in enumerate(keys):
        assert read(driver, key) == body(2 * SEGMENT + number, number)
    dead = driver.open_writer(keys[0])
    dead.write(body(2 * SEGMENT))
    dead._MultipartWriter__sender.finish()  # type: ignore[attr-defined]  # its process dies here
    (left,) = driver.leftovers()
    driver.remove_leftover(left)
    for key in keys:
        driver.delete(key)
    assert list(driver.objects()) == []


def test_segments_of_all_containers_may_have_one_of_their_own(world: World) -> None:
    driver = world.driver(multiple_containers_seed=1, segments_container="pieces")
    put(driver, body(3 * SEGMENT))
    assert len(world.account.objects("pieces")) == 3
    assert [info.key for info in driver.objects()] == [KEY]
    assert list(driver.leftovers()) == []
    driver.delete(KEY)


@pytest.mark.parametrize("size", [10, 3 * SEGMENT])
def test_a_missing_container_is_not_created_unasked(world: World, size: int) -> None:
    driver = world.driver(create_container=False)
    with pytest.raises(errors.StoreUnavailable) as caught:
        put(driver, body(size))
    assert "create_container" in str(caught.value.detail)
    assert CONTAINER not in str(caught.value)
    assert world.account.containers() == []
    containers(world)
    put(driver, body(size))
    driver.delete(KEY)


def test_created_containers_have_the_policy_that_is_wanted(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(policies=("gold", "silver")))
    driver = world.driver(storage_policy="silver")
    put(driver, body(3 * SEGMENT))
    for name in (CONTAINER, SEGMENTS):
        assert world.account.head(name).headers["x-storage-policy"] == "silver"
    assert read(driver) == body(3 * SEGMENT)
    driver.delete(KEY)


def test_a_container_of_another_policy_stays_as_it_is(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(policies=("gold", "silver")))
    world.account.container(CONTAINER)
    driver = world.driver(storage_policy="silver")
    put(driver, body(3 * SEGMENT))
    policies = [world.account.head(name).headers["x-storage-policy"] for name in (CONTAINER, SEGMENTS)]
    assert policies == ["gold", "silver"]
    driver.delete(KEY)


def test_objects_are_listed_with_their_real_sizes_and_segments_are_none(world: World, driver: SwiftDriver) -> None:
    containers(world)
    put(driver, body(10), "a-small")
    put(driver, b"", "an-empty")
    put(driver, body(3 * SEGMENT), "large")
    glance_dynamic(world, body(35), chunk=10, key="old")
    others_static(world, body(30), chunk=10)
    world.account.put(f"{CONTAINER}/not a key", b"some")
    world.account.put(f"{CONTAINER}/.hidden", b"some")
    found = {info.key: info for info in driver.objects()}
    assert {key: info.size for key, info in found.items()} == {
        "a-small": 10, "an-empty": 0, "large": 3 * SEGMENT, "old": 35, KEY: 30,
    }  # fmt: skip
    for key, info in found.items():
        assert info.etag == driver.stat(key).etag
        driver.delete(key)
    for name in ("not a key", ".hidden"):
        world.account.delete(f"{CONTAINER}/{name}")


def test_a_listing_of_many_pages_is_whole(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(listing_limit=3))
    driver = world.driver()
    assert list(driver.objects()) == []
    keys = [f"{KEY}-{number:02d}" for number in range(7)]
    for key in keys:
        put(driver, body(10), key)
    assert [info.key for info in driver.objects()] == keys
    for key in keys:
        driver.delete(key)
