"""Containers: one, many by the seed as glance_store has them, created or not, with a policy; and their listing."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, ODD, SEGMENT, World, Worlds, body, die, put, read

UUID = "FDAE39A1-bac5-4238-aba4-69bcc726e848"


def test_the_seed_names_containers_as_glance_store_does() -> None:
    options = {"auth_version": "1", "auth_url": "http://swift.invalid", "username": "a:b", "password": "c"}
    for seed, letters in (
        (0, ""), (1, "_f"), (3, "_fda"), (8, "_fdae39a1"), (9, "_fdae39a1-b"), (10, "_fdae39a1-ba"),
        (13, "_fdae39a1-bac5-"), (14, "_fdae39a1-bac5-42"), (32, "_fdae39a1-bac5-4238-aba4-69bcc726e848"),
    ):  # fmt: skip
        driver = SwiftDriver(**options, container="images", multiple_containers_seed=seed)
        assert driver.url(UUID) == f"swift+http://swift.invalid/images{letters}/{UUID}"


def test_images_are_spread_over_containers_that_are_created_when_first_used(world: World) -> None:
    driver = world.driver(multiple_containers_seed=2)
    sizes = {f"{letter}{KEY[1:]}": 2 * SEGMENT + number for number, letter in enumerate("ab")}
    for key, size in sizes.items():
        put(driver, body(size), key)
    assert set(world.account.containers()) >= {f"{CONTAINER}_{letter}f" for letter in "ab"}
    assert world.account.objects(f"{CONTAINER}_af") == {f"a{KEY[1:]}": 2 * SEGMENT}
    assert len(world.account.objects(f"{CONTAINER}_af_segments")) == 2
    assert {info.key: info.size for info in driver.objects()} == sizes
    for key, size in sizes.items():
        assert read(driver, key) == body(size)
    die(driver, 2 * SEGMENT, f"a{KEY[1:]}")
    (left,) = driver.leftovers()
    driver.remove_leftover(left)
    for key in sizes:
        driver.delete(key)
    assert list(driver.objects()) == []


def test_segments_of_all_containers_may_have_one_of_their_own(world: World) -> None:
    driver = world.driver(multiple_containers_seed=1, segments_container="pieces")
    put(driver, body(3 * SEGMENT))
    assert len(world.account.objects("pieces")) == 3
    assert [info.key for info in driver.objects()] == [KEY]
    assert list(driver.leftovers()) == []
    driver.delete(KEY)


@pytest.mark.parametrize(("size", "create"), [(10, False), (3 * SEGMENT, False), (3 * SEGMENT, True)])
def test_a_missing_container_is_not_created_by_use(world: World, size: int, create: bool) -> None:
    world.empty()
    driver = world.driver(create_container=create)
    for ask in (driver.stat, driver.open_reader, driver.delete):
        with pytest.raises(errors.StoreUnavailable):
            ask(KEY)
    with pytest.raises(errors.StoreUnavailable):
        list(driver.objects())
    with pytest.raises(errors.StoreUnavailable) as caught:
        put(driver, body(size))
    assert "create_container" in str(caught.value.detail)
    assert CONTAINER not in str(caught.value)
    assert world.account.containers() == []
    world.make()
    for ask in (driver.stat, driver.open_reader, driver.delete):
        with pytest.raises(errors.ObjectNotFound):
            ask(KEY)
    put(driver, body(size))


def test_created_containers_have_the_policy_and_others_keep_theirs(world_with: Worlds) -> None:
    world = world_with(ODD)
    world.account.delete(SEGMENTS)
    driver = world.driver(storage_policy="silver")
    put(driver, body(3 * SEGMENT))
    policies = [world.account.head(name).headers["x-storage-policy"] for name in (CONTAINER, SEGMENTS)]
    assert policies == ["gold", "silver"]
    assert read(driver) == body(3 * SEGMENT)


def test_objects_are_listed_with_their_real_sizes_and_segments_are_none(world: World, driver: SwiftDriver) -> None:
    put(driver, body(10), "a-small")
    put(driver, b"", "an-empty")
    put(driver, body(3 * SEGMENT), "large")
    world.put_dynamic(body(35), chunk=10, key="old")
    world.put_static(body(30), chunk=10)
    for name in ("not a key", ".hidden"):
        world.put(f"{CONTAINER}/{name}", b"some")
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
    world = world_with(ODD)
    driver = world.driver()
    assert list(driver.objects()) == []
    keys = [f"{KEY}-{number:02d}" for number in range(7)]
    for key in keys:
        put(driver, body(10), key)
    assert [info.key for info in driver.objects()] == keys
