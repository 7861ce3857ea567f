"""Deleting takes every segment along: thousands, dynamic ones, nested ones, by bulk or one by one; and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver, deletion
from tests.support.faults import DropAnswer, FaultProxy, ReplaceAnswer, Respond
from tests.support.swift import SwiftSettings
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.test_reading import SHORT_PAGES, containers, glance_dynamic
from tests.swift.world import KEY, SEGMENT, World, body, put

Worlds = Callable[[SwiftSettings], World]

BULK = "^bulk-delete$"


@pytest.mark.parametrize("size", [0, SEGMENT, 2 * SEGMENT, 9 * SEGMENT])
def test_every_segment_goes_with_the_object(world: World, driver: SwiftDriver, size: int) -> None:
    put(driver, body(size))
    driver.delete(KEY)
    assert world.account.everything() == set()
    with pytest.raises(errors.ObjectNotFound):
        driver.delete(KEY)


def test_as_many_segments_as_there_are_go_in_as_many_requests_in_bulk_as_it_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 230
    monkeypatch.setattr(deletion, "MOST_AT_ONCE", 100)
    containers(world)
    names = [f"{SEGMENTS}/{KEY}/{number:05d}" for number in range(count)]
    with ThreadPoolExecutor(8) as threads:
        assert {answer.status for answer in threads.map(lambda name: world.account.put(name, b"x"), names)} == {201}
    manifest = json.dumps([{"path": name, "size_bytes": 1} for name in names]).encode()
    assert world.account.put(f"{CONTAINER}/{KEY}", manifest, query="multipart-manifest=put").status == 201
    proxy = world.proxy()
    driver = world.through(proxy)
    assert driver.stat(KEY).size == count
    driver.delete(KEY)
    assert proxy.count(method="POST", query=BULK) == 3
    assert proxy.count(method="DELETE") == 1


@pytest.mark.parametrize("chunks", [1, 2, 3, 8])
def test_a_dynamic_object_goes_with_all_pages_of_its_segments(world_with: Worlds, chunks: int) -> None:
    world = world_with(SHORT_PAGES)
    containers(world)
    glance_dynamic(world, body(chunks * 10), chunk=10)
    world.account.put(f"{CONTAINER}/{KEY}.2", b"another")
    driver = world.driver()
    driver.delete(KEY)
    assert world.account.everything() == {f"{CONTAINER}/{KEY}.2"}
    driver.delete(f"{KEY}.2")


def test_a_manifest_inside_a_manifest_goes_with_its_segments(world: World, driver: SwiftDriver) -> None:
    put(driver, body(6 * SEGMENT), "inner")
    world.account.put(f"{SEGMENTS}/outer/1", body(SEGMENT))
    lines = [{"path": f"{CONTAINER}/inner"}, {"path": f"{SEGMENTS}/outer/1"}]
    manifest = json.dumps(lines).encode()
    assert world.account.put(f"{CONTAINER}/{KEY}", manifest, query="multipart-manifest=put").status == 201
    assert driver.stat(KEY).size == 7 * SEGMENT
    driver.delete(KEY)
    assert world.account.everything() == set()


@pytest.mark.parametrize("prefix", ["1", "another"])
def test_a_dynamic_manifest_that_names_what_is_not_its_own_takes_nothing_along(
    world: World, driver: SwiftDriver, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(driver, body(10), "another-image")
    put(driver, body(10), "1")
    world.account.put(f"{CONTAINER}/{KEY}", headers={"X-Object-Manifest": f"{CONTAINER}/{prefix}"})
    driver.delete(KEY)
    assert world.account.everything() == {f"{CONTAINER}/1", f"{CONTAINER}/another-image"}
    assert any("are kept" in message for message in caplog.messages)
    for key in ("1", "another-image"):
        driver.delete(key)


@pytest.mark.parametrize(
    "answer",
    [
        ReplaceAnswer(200, json.dumps({"Response Status": "502 Bad Gateway", "Errors": []}).encode()),
        Respond(200, json.dumps({"Response Status": "400 Bad Request", "Errors": [["/no/name", "503"]]}).encode()),
        Respond(200, json.dumps({"Response Status": "401 Unauthorized", "Errors": []}).encode()),
        Respond(503), DropAnswer(),
    ],
    ids=repr,
)  # fmt: skip
def test_what_bulk_did_not_remove_is_removed_one_by_one_or_by_another_try(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, answer: ReplaceAnswer | Respond | DropAnswer
) -> None:
    put(proxied, body(9 * SEGMENT))
    rule = proxy.on(answer, method="POST", query=BULK)
    proxied.delete(KEY)
    assert rule.hits == 1
    assert world.account.everything() == set()


def test_a_segment_that_bulk_names_as_failed_is_removed_by_itself(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    put(proxied, body(9 * SEGMENT))
    failed = world.segments_of(KEY)[3]
    told = {"Response Status": "400 Bad Request", "Errors": [[f"/{failed}", "503 Service Unavailable"]]}
    proxy.on(ReplaceAnswer(200, json.dumps(told).encode()), method="POST", query=BULK)
    proxied.delete(KEY)
    removed = proxy.seen(method="DELETE", path=f"/{SEGMENTS}/{KEY}/")
    assert [seen.path.partition("AUTH_")[2].partition("/")[2] for seen in removed] == [failed]


def test_a_cluster_without_bulk_is_asked_for_one_after_the_other(world: World, proxy: FaultProxy) -> None:
    proxy.on(Respond(200, b'{"swift": {}, "slo": {}}', {"Content-Type": "application/json"}), path="^/info$")
    driver = world.through(proxy)
    put(driver, body(9 * SEGMENT))
    driver.delete(KEY)
    assert proxy.count(method="POST", query=BULK) == 0
    assert proxy.count(method="DELETE", path=f"/{SEGMENTS}/{KEY}/") == 9


def test_nobody_sees_a_part_of_an_object_that_is_being_removed(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    put(proxied, body(9 * SEGMENT))
    proxy.on(Respond(403), method="POST", query=BULK)
    with pytest.raises(errors.StoreUnavailable):
        proxied.delete(KEY)
    with pytest.raises(errors.ObjectNotFound):
        proxied.stat(KEY)
    (left,) = proxied.leftovers()
    assert left.size == 9 * SEGMENT
    proxied.remove_leftover(left)


def test_a_deletion_whose_answer_is_lost_is_one(world: World, proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(proxied, body(2 * SEGMENT))
    proxy.on(DropAnswer(), method="DELETE", path=f"/{CONTAINER}/{KEY}$")
    proxy.on(DropAnswer(), method="DELETE", path=f"/{SEGMENTS}/")
    proxied.delete(KEY)
    assert world.account.everything() == set()
