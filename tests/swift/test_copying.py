"""Copying inside the account: nothing passes through the driver, nothing is shared, a failure leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.driver.capabilities import CopiesObjects
from imgstore.drivers.swift import SwiftDriver
from tests.support.faults import ChangeHeaders, DropAnswer, FaultProxy, Respond
from tests.support.swift import SwiftServer, SwiftSettings
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.test_reading import SHORT_PAGES, containers, glance_dynamic, others_static
from tests.swift.world import KEY, SEGMENT, World, body, put, read

COPY = f"{KEY}.copy"

Worlds = Callable[[SwiftSettings], World]


@pytest.mark.parametrize("size", [0, SEGMENT, SEGMENT + 1, 6 * SEGMENT])
def test_a_copy_is_an_object_of_its_own(world: World, proxy: FaultProxy, proxied: SwiftDriver, size: int) -> None:
    assert isinstance(proxied, CopiesObjects)
    put(proxied, body(size))
    received = sum(seen.received for seen in proxy.requests)
    info = proxied.copy(KEY, COPY)
    assert (info.key, info.size, info.etag) == (COPY, size, proxied.stat(KEY).etag)
    assert info.etag == proxied.stat(COPY).etag
    assert sum(seen.received for seen in proxy.requests) - received < 1500  # a manifest at most
    proxied.delete(KEY)
    assert read(proxied, COPY) == body(size)
    assert list(proxied.leftovers()) == []
    proxied.delete(COPY)


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_large_objects_of_others_are_copied_by_their_segments(world_with: Worlds, kind: str) -> None:
    world = world_with(SHORT_PAGES)
    containers(world)
    driver = world.driver()
    (others_static if kind == "static" else glance_dynamic)(world, body(75), chunk=10)
    info = driver.copy(KEY, COPY)
    assert (info.size, info.etag) == (75, driver.stat(KEY).etag)
    driver.delete(KEY)
    assert read(driver, COPY) == body(75)
    assert len(world.segments_of(COPY)) == 8
    driver.delete(COPY)


def test_a_manifest_inside_a_manifest_is_copied_by_its_segments(world: World, driver: SwiftDriver) -> None:
    put(driver, body(3 * SEGMENT), "inner")
    manifest = json.dumps([{"path": f"{CONTAINER}/inner"}]).encode()
    world.account.put(f"{CONTAINER}/{KEY}", manifest, query="multipart-manifest=put")
    driver.copy(KEY, COPY)
    driver.delete(KEY)
    assert read(driver, COPY) == body(3 * SEGMENT)
    driver.delete(COPY)


def test_a_manifest_with_parts_of_segments_is_not_copied_wrongly(world: World, driver: SwiftDriver) -> None:
    put(driver, body(100), "whole")
    manifest = json.dumps([{"path": f"{CONTAINER}/whole", "range": "5-14"}]).encode()
    world.account.put(f"{CONTAINER}/{KEY}", manifest, query="multipart-manifest=put")
    assert read(driver) == body(100)[5:15]
    with pytest.raises(errors.StoreUnavailable, match="cannot be copied"):
        driver.copy(KEY, COPY)
    driver.delete(KEY)
    assert world.account.everything() == set()


@pytest.mark.parametrize("size", [SEGMENT, 3 * SEGMENT])
def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(world: World, driver: SwiftDriver, size: int) -> None:
    put(driver, body(size))
    put(driver, body(5, 1), COPY)
    with pytest.raises(errors.ObjectExists):
        driver.copy(KEY, COPY)
    assert read(driver, COPY) == body(5, 1)
    assert len(world.segments()) == (0 if size == SEGMENT else 3)
    with pytest.raises(errors.ObjectNotFound):
        driver.copy("nothing", f"{KEY}.3")
    for bad in ("../x", ""):
        with pytest.raises(errors.InvalidKey):
            driver.copy(KEY, bad)
        with pytest.raises(errors.InvalidKey):
            driver.copy(bad, COPY)
    for key in (KEY, COPY):
        driver.delete(key)


@pytest.mark.parametrize("size", [SEGMENT, 4 * SEGMENT])
@pytest.mark.parametrize(
    ("fault", "method", "path"),
    [
        (Respond(503), "COPY", ""), (Respond(413), "COPY", ""), (ChangeHeaders({"etag": "0" * 32}), "COPY", ""),
        (Respond(412), "COPY", ""), (DropAnswer(), "COPY", f"{SEGMENTS}/"), (Respond(413), "PUT", ""),
    ],
    ids=repr,
)  # fmt: skip
def test_a_copy_that_fails_leaves_nothing(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, size: int, fault: Respond, method: str, path: str
) -> None:
    put(proxied, body(size))
    rule = proxy.on(fault, method=method, path=path, skip=1 if size > SEGMENT and method == "COPY" else 0, times=None)
    if size == SEGMENT and (path or method == "PUT"):
        proxied.copy(KEY, COPY)
        assert rule.hits == 0
        proxied.delete(COPY)
    else:
        with pytest.raises(errors.StoreError):
            proxied.copy(KEY, COPY)
    proxied.delete(KEY)
    assert world.account.everything() == set()


@pytest.mark.parametrize("size", [SEGMENT, 4 * SEGMENT])
def test_a_copy_whose_answer_is_lost_is_one(world: World, proxy: FaultProxy, proxied: SwiftDriver, size: int) -> None:
    put(proxied, body(size))
    method, query = ("COPY", "") if size == SEGMENT else ("PUT", "multipart-manifest=put")
    proxy.on(DropAnswer(), method=method, query=query, times=None)
    assert proxied.copy(KEY, COPY).size == size
    assert read(proxied, COPY) == body(size)
    for key in (KEY, COPY):
        proxied.delete(key)


@pytest.mark.parametrize("size", [SEGMENT, 4 * SEGMENT])
def test_a_copy_counts_against_the_quota(world: World, swift: SwiftServer, size: int) -> None:
    driver = world.driver()
    put(driver, body(size))
    world.account.set_container_quota(CONTAINER, 2 * size - 1)
    fresh = world.driver()
    with pytest.raises(errors.StoreFull):
        fresh.copy(KEY, COPY)
    world.account.set_container_quota(CONTAINER, 2 * size + 2000)
    fresh.copy(KEY, COPY)
    for key in (KEY, COPY):
        driver.delete(key)
