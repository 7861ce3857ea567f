"""Deleting takes every segment along: thousands, dynamic ones, nested ones, by bulk or one by one; and nothing else."""

from __future__ import annotations

import json

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver, deletion
from imgstore.testing.faults import DropAnswer, Fault, FaultProxy, ReplaceAnswer, Respond
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, ODD, SEGMENT, World, Worlds, body, put

BULK = "^bulk-delete$"
MANY = 5
"""Segments for which a request in bulk is made."""


def told(status: str, *failed: list[str]) -> bytes:
    """What Swift says to a deletion in bulk."""
    return json.dumps({"Response Status": status, "Errors": failed}).encode()


def test_every_segment_goes_with_the_object(world: World, driver: SwiftDriver) -> None:
    for size in (0, SEGMENT, 2 * SEGMENT, MANY * SEGMENT):
        put(driver, body(size))
        driver.delete(KEY)
        assert world.account.everything() == set()
        with pytest.raises(errors.ObjectNotFound):
            driver.delete(KEY)


def test_many_segments_go_in_as_many_bulk_requests_as_it_takes(
    proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "MOST_AT_ONCE", 3)
    put(proxied, body(7 * SEGMENT))
    before = proxy.count(method="DELETE")
    proxied.delete(KEY)
    assert proxy.count(method="POST", query=BULK) == 3
    assert proxy.count(method="DELETE") - before == 1


def test_a_dynamic_object_goes_with_all_pages_of_its_segments(world_with: Worlds) -> None:
    world = world_with(ODD)
    driver = world.driver()
    world.put(f"{CONTAINER}/{KEY}.2", b"another")
    for chunks in (1, 3, 7):
        world.put_dynamic(body(chunks * 10), chunk=10)
        driver.delete(KEY)
        assert world.account.everything() == {f"{CONTAINER}/{KEY}.2"}
    driver.delete(f"{KEY}.2")


def test_a_manifest_inside_a_manifest_goes_with_its_segments(world: World, driver: SwiftDriver) -> None:
    put(driver, body(6 * SEGMENT), "inner")
    world.put(f"{SEGMENTS}/outer/1", body(SEGMENT))
    world.put_manifest({"path": f"{CONTAINER}/inner"}, {"path": f"{SEGMENTS}/outer/1"})
    assert driver.stat(KEY).size == 7 * SEGMENT
    driver.delete(KEY)


def test_a_dynamic_manifest_takes_nothing_along_that_is_not_its_own(
    world: World, driver: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    others = ("another-image", "1")
    for key in others:
        put(driver, body(10), key)
    for prefix in ("1", "another"):
        world.put(f"{CONTAINER}/{KEY}", headers={"X-Object-Manifest": f"{CONTAINER}/{prefix}"})
        driver.delete(KEY)
        assert world.account.everything() == {f"{CONTAINER}/{key}" for key in others}
    assert sum("are kept" in message for message in caplog.messages) == 2
    for key in others:
        driver.delete(key)


def test_what_bulk_did_not_remove_is_removed_one_by_one_or_by_another_try(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    answers: list[Fault] = [
        ReplaceAnswer(200, told("502 Bad Gateway")), Respond(200, told("400 Bad Request", ["/no/name", "503"])),
        Respond(200, told("401 Unauthorized")), Respond(503), DropAnswer(),
    ]  # fmt: skip
    for answer in answers:
        put(proxied, body(MANY * SEGMENT))
        rule = proxy.on(answer, method="POST", query=BULK)
        proxied.delete(KEY)
        assert rule.hits == 1
        assert world.account.everything() == set()


def test_a_segment_that_bulk_names_as_failed_is_removed_by_itself(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    put(proxied, body(MANY * SEGMENT))
    failed = world.segments_of(KEY)[3]
    proxy.on(ReplaceAnswer(200, told("400 Bad Request", [f"/{failed}", "503"])), method="POST", query=BULK)
    proxied.delete(KEY)
    removed = proxy.seen(method="DELETE", path=f"/{SEGMENTS}/{KEY}/")
    assert [seen.path.partition("AUTH_")[2].partition("/")[2] for seen in removed] == [failed]


def test_a_cluster_without_bulk_is_asked_for_one_after_the_other(world: World, proxy: FaultProxy) -> None:
    proxy.on(Respond(200, b'{"swift": {}, "slo": {}}', {"Content-Type": "application/json"}), path="^/info$")
    driver = world.through(proxy)
    put(driver, body(MANY * SEGMENT))
    driver.delete(KEY)
    assert proxy.count(method="POST", query=BULK) == 0
    assert proxy.count(method="DELETE", path=f"/{SEGMENTS}/{KEY}/") == MANY


def test_nobody_sees_a_part_of_an_object_that_is_being_removed(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(proxied, body(MANY * SEGMENT))
    proxy.on(Respond(403), method="POST", query=BULK)
    with pytest.raises(errors.StoreUnavailable):
        proxied.delete(KEY)
    with pytest.raises(errors.ObjectNotFound):
        proxied.stat(KEY)
    (left,) = proxied.leftovers()
    assert left.size == MANY * SEGMENT
    proxied.remove_leftover(left)


def test_a_deletion_whose_answer_is_lost_is_one(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(proxied, body(2 * SEGMENT))
    proxy.on(DropAnswer(), method="DELETE", path=f"/{CONTAINER}/{KEY}$")
    proxy.on(DropAnswer(), method="DELETE", path=f"/{SEGMENTS}/")
    proxied.delete(KEY)
