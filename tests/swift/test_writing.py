"""Static large objects on a real Swift: names, sizes, manifests, and the limits that the server tells."""

from __future__ import annotations

import json

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver, writer
from imgstore.model import MIB
from imgstore.testing.faults import FaultProxy
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import FEW, KEY, SEGMENT, World, Worlds, body, md5, put, read

LARGE = 4 * SEGMENT


def manifest(world: World, key: str = KEY) -> list[dict[str, object]]:
    answer = world.account.get(f"{CONTAINER}/{key}", query="multipart-manifest=get")
    lines: list[dict[str, object]] = json.loads(answer.body)
    return lines


def test_a_small_image_is_a_plain_object_with_its_md5(world: World, driver: SwiftDriver) -> None:
    info = put(driver, body(SEGMENT))
    answer = world.account.get(f"{CONTAINER}/{KEY}")
    assert (answer.body, answer.headers["etag"]) == (body(SEGMENT), md5(body(SEGMENT)))
    assert "x-static-large-object" not in answer.headers
    assert answer.headers["content-type"] == "application/octet-stream"
    assert info.etag == md5(body(SEGMENT))
    assert world.segments() == set()


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_image_is_a_manifest_with_sizes_and_digests(world: World, driver: SwiftDriver, declared: bool) -> None:
    data = body(2 * SEGMENT + 10)
    info = put(driver, data, declared=declared)
    pieces = [data[:SEGMENT], data[SEGMENT : 2 * SEGMENT], data[2 * SEGMENT :]]
    lines = manifest(world)
    assert [(line["bytes"], line["hash"]) for line in lines] == [(len(piece), md5(piece)) for piece in pieces]
    assert info.etag == md5("".join(md5(piece) for piece in pieces).encode())
    assert [str(line["name"]).rpartition("/")[2] for line in lines] == ["00000001", "00000002", "00000003"]
    assert all(str(line["name"]).startswith(f"/{SEGMENTS}/{KEY}/") for line in lines)
    assert world.account.get(f"{CONTAINER}/{KEY}").body == data


@pytest.mark.parametrize("declared", [True, False])
def test_segments_on_their_way_together_end_at_different_times(world: World, declared: bool) -> None:
    large = world.driver(segment_size=8 * MIB, large_object_threshold=MIB, concurrency=3)
    data = body(21 * MIB)
    put(large, data, declared=declared, step=MIB)
    assert [line["bytes"] for line in manifest(world)] == [4 * MIB, 8 * MIB, 8 * MIB, MIB]
    assert read(large, KEY) == data


def test_attempts_at_one_image_never_mix(world: World, driver: SwiftDriver) -> None:
    """Nor is what a killed one left a part of its retry."""
    killed = driver.open_writer(KEY)
    killed.write(body(4 * SEGMENT, 1))
    with driver.open_writer(f"{KEY}.2") as aborted:
        aborted.write(body(3 * SEGMENT, 2))
        put(driver, body(2 * SEGMENT, 3))
    assert read(driver) == body(2 * SEGMENT, 3)
    assert len(world.segments_of(KEY)) == 2
    killed.abort()
    assert len(world.segments()) == 2
    assert read(driver) == body(2 * SEGMENT, 3)


def test_a_known_size_gets_as_many_segments_as_the_server_takes(world_with: Worlds) -> None:
    world = world_with(FEW)
    driver = world.driver()
    for size in (8 * SEGMENT, 8 * SEGMENT + 1, 65_536):
        put(driver, body(size), step=4000)
        assert len(manifest(world)) <= 8
        assert read(driver) == body(size)
        driver.delete(KEY)
    with pytest.raises(errors.StoreFull, match="at most 65536"):
        driver.open_writer(KEY, size=65_537)


def test_segments_grow_so_that_an_unknown_length_fits_too(world_with: Worlds) -> None:
    world = world_with(FEW)
    driver = world.driver(largest_unknown_size=50_000)
    for size in (8 * SEGMENT + 1, 50_000):
        put(driver, body(size), declared=False, step=4000)
        sizes = [int(str(line["bytes"])) for line in manifest(world)]
        assert len(sizes) <= 8
        assert max(sizes) <= 8192
        assert sizes[0] == SEGMENT
        assert read(driver) == body(size)
        driver.delete(KEY)
    with pytest.raises(errors.StoreFull):
        put(driver, body(80_000), declared=False)


def test_a_threshold_above_the_servers_largest_object_is_lowered(world_with: Worlds) -> None:
    world = world_with(FEW)
    driver = world.driver(large_object_threshold=100_000, segment_size=50_000)
    for size, segments in ((8192, 0), (8193, 2)):
        put(driver, body(size), step=4000)
        assert read(driver) == body(size)
        assert len(world.segments_of(KEY)) == segments
        driver.delete(KEY)


def test_a_manifest_of_many_segments_is_put_with_a_heartbeat(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MANY", 4)
    info = put(proxied, body(LARGE))
    (seen,) = proxy.seen(method="PUT", path=KEY, query="multipart-manifest")
    assert (seen.arguments["heartbeat"], seen.status) == ("on", 202)
    assert info.etag == proxied.stat(KEY).etag
    assert read(proxied) == body(LARGE)
    with pytest.raises(errors.ObjectExists):
        put(proxied, body(LARGE))
    assert len(world.segments()) == 4
