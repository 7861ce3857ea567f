"""Copying inside the account: nothing passes through the driver, nothing is shared, a failure leaves nothing."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.driver.capabilities import CopiesObjects
from imgstore.drivers.swift import SwiftDriver
from imgstore.testing.faults import ChangeHeaders, DropAnswer, Fault, FaultProxy, Respond
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, ODD, SEGMENT, World, Worlds, body, put, read

COPY = f"{KEY}.copy"
LARGE = 3 * SEGMENT

both_sizes = pytest.mark.parametrize("size", [SEGMENT, LARGE])


@pytest.mark.parametrize("size", [0, SEGMENT, SEGMENT + 1, LARGE])
def test_a_copy_is_an_object_of_its_own(proxy: FaultProxy, proxied: SwiftDriver, size: int) -> None:
    assert isinstance(proxied, CopiesObjects)
    put(proxied, body(size))
    received = sum(seen.received for seen in proxy.requests)
    info = proxied.copy(KEY, COPY)
    assert [seen.headers.get("if-match") for seen in proxy.seen(method="COPY")].count(None) == 0, "each is pinned"
    assert (info.key, info.size, info.etag) == (COPY, size, proxied.stat(KEY).etag)
    assert info.etag == proxied.stat(COPY).etag
    assert sum(seen.received for seen in proxy.requests) - received < 900  # a manifest at most
    proxied.delete(KEY)
    assert read(proxied, COPY) == body(size)
    assert list(proxied.leftovers()) == []
    proxied.delete(COPY)


def test_large_objects_of_others_are_copied_by_their_segments(world_with: Worlds) -> None:
    world = world_with(ODD)
    driver = world.driver()
    for put_large in (world.put_static, world.put_dynamic):
        put_large(body(45), chunk=10)
        info = driver.copy(KEY, COPY)
        assert (info.size, info.etag) == (45, driver.stat(KEY).etag)
        driver.delete(KEY)
        assert read(driver, COPY) == body(45)
        assert len(world.segments_of(COPY)) == 5
        driver.delete(COPY)


def test_a_manifest_inside_a_manifest_is_copied_by_its_segments(world: World, driver: SwiftDriver) -> None:
    put(driver, body(LARGE), "inner")
    world.put_manifest({"path": f"{CONTAINER}/inner"})
    driver.copy(KEY, COPY)
    driver.delete(KEY)
    assert read(driver, COPY) == body(LARGE)
    driver.delete(COPY)


def test_a_manifest_with_parts_of_segments_is_not_copied_wrongly(world: World, driver: SwiftDriver) -> None:
    put(driver, body(100), "whole")
    world.put_manifest({"path": f"{CONTAINER}/whole", "range": "5-14"})
    assert read(driver) == body(100)[5:15]
    with pytest.raises(errors.StoreUnavailable, match="cannot be copied"):
        driver.copy(KEY, COPY)
    driver.delete(KEY)


@both_sizes
def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(world: World, driver: SwiftDriver, size: int) -> None:
    put(driver, body(size))
    put(driver, body(5, 1), COPY)
    with pytest.raises(errors.ObjectExists):
        driver.copy(KEY, COPY)
    assert read(driver, COPY) == body(5, 1)
    assert len(world.segments()) == (0 if size == SEGMENT else 3)
    with pytest.raises(errors.ObjectNotFound):
        driver.copy("nothing", f"{KEY}.3")
    for bad in ((KEY, "../x"), ("", COPY)):
        with pytest.raises(errors.InvalidKey):
            driver.copy(*bad)
    for key in (KEY, COPY):
        driver.delete(key)


@both_sizes
def test_a_copy_that_fails_leaves_nothing(world: World, proxy: FaultProxy, proxied: SwiftDriver, size: int) -> None:
    faults: list[Fault] = [Respond(503), Respond(413), Respond(412), ChangeHeaders({"etag": "0" * 32})]
    requests = [(fault, "COPY", "") for fault in faults]
    if size > SEGMENT:
        requests += [(DropAnswer(), "COPY", f"{SEGMENTS}/"), (Respond(413), "PUT", "")]
    put(proxied, body(size))
    before = world.account.everything()
    for fault, method, path in requests:
        proxy.on(fault, method=method, path=path, skip=int(size > SEGMENT and method == "COPY"), times=None)
        with pytest.raises(errors.StoreError):
            proxied.copy(KEY, COPY)
        proxy.heal()
        assert world.account.everything() == before
    proxied.delete(KEY)


@both_sizes
def test_a_copy_that_cannot_be_removed_is_told(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, size: int
) -> None:
    put(proxied, body(size))
    before = world.account.everything()
    proxy.on(Respond(503), method="DELETE", times=None)
    proxy.on(ChangeHeaders({"etag": "0" * 32}), method="COPY", skip=int(size > SEGMENT), times=None)
    with pytest.raises(errors.IntegrityError) as caught:
        proxied.copy(KEY, COPY)
    assert caught.value.left_behind
    assert world.account.everything() > before
    proxy.heal()
    proxied.clear_leftovers(COPY)
    if size == SEGMENT:
        proxied.delete(COPY)
    proxied.delete(KEY)


@both_sizes
def test_a_copy_whose_answer_is_lost_is_one(proxy: FaultProxy, proxied: SwiftDriver, size: int) -> None:
    put(proxied, body(size))
    method, query = ("COPY", "") if size == SEGMENT else ("PUT", "multipart-manifest=put")
    proxy.on(DropAnswer(), method=method, query=query, times=None)
    assert proxied.copy(KEY, COPY).size == size
    assert read(proxied, COPY) == body(size)
    for key in (KEY, COPY):
        proxied.delete(key)


def test_a_copy_counts_against_the_quota(world: World, driver: SwiftDriver) -> None:
    put(driver, body(LARGE))
    world.account.set_container_quota(CONTAINER, 2 * LARGE - 1)
    fresh = world.driver()
    with pytest.raises(errors.StoreFull):
        fresh.copy(KEY, COPY)
    world.account.set_container_quota(CONTAINER, 2 * LARGE + 2000)
    fresh.copy(KEY, COPY)
    for key in (KEY, COPY):
        driver.delete(key)
