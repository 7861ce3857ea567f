"""Reading what this driver, glance_store and others wrote; broken bodies, lost segments (never short)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.model import MIB
from imgstore.testing.faults import (
    ChangeHeaders,
    CutAnswer,
    Fault,
    FaultProxy,
    ReplaceAnswer,
    Reset,
    Respond,
    StallAnswer,
)
from tests.swift.subject import CONTAINER
from tests.swift.world import KEY, ODD, SEGMENT, World, Worlds, body, put, read

RANGES = [(0, None), (5, 15), (19, 31), (64, 65), (65, None)]


def expect_ranges(driver: SwiftDriver, data: bytes, ranges: Sequence[tuple[int, int | None]]) -> None:
    """Every range is read, pinned and not, and no other object is."""
    info = driver.stat(KEY)
    assert (info.size, bool(info.etag)) == (len(data), True)
    for start, stop in ranges:
        assert read(driver, start=start, stop=stop) == data[start:stop]
        with driver.open_reader(KEY, start=start, stop=stop, etag=info.etag) as reader:
            assert b"".join(reader) == data[start:stop]
            assert (reader.info.size, reader.info.etag) == (len(data), info.etag)
    with pytest.raises(errors.ObjectChanged):
        driver.open_reader(KEY, start=5, stop=15, etag="0" * 32)
    with pytest.raises(errors.RangeNotSatisfiable) as refused:
        driver.open_reader(KEY, start=len(data) + 1)
    assert refused.value.size == len(data)


@pytest.mark.parametrize("kind", ["plain", "ours", "static", "dynamic"])
def test_every_kind_of_object_is_read_by_any_range_and_pinned(world: World, driver: SwiftDriver, kind: str) -> None:
    data = body(65)
    if kind == "plain":
        world.put(f"{CONTAINER}/{KEY}", data)
    elif kind == "ours":
        put(world.driver(segment_size=10), data)
    elif kind == "static":
        world.put_static(data, chunk=10)
    else:
        world.put_dynamic(data, chunk=10)
    expect_ranges(driver, data, RANGES)
    driver.delete(KEY)


@pytest.mark.parametrize("chunks", [*(pytest.param(each, marks=pytest.mark.long) for each in (3, 4)), 7])
def test_a_dynamic_object_longer_than_a_page_of_the_listing_is_read_whole(world_with: Worlds, chunks: int) -> None:
    world = world_with(ODD)
    driver = world.driver()
    data = body(chunks * 10 - 5)
    world.put_dynamic(data, chunk=10)
    end = len(data)
    expect_ranges(driver, data, [(0, None), (0, 10), (9, 11), (10, end - 1), (end - 1, None), (end, None)])
    driver.delete(KEY)


def test_a_long_dynamic_object_that_changes_in_the_middle_is_not_delivered(world_with: Worlds) -> None:
    world = world_with(ODD)
    driver = world.driver()
    world.put_dynamic(body(60), chunk=10)
    with driver.open_reader(KEY) as reader:
        assert reader.read(15) == body(60)[:10]
        world.account.put(f"{CONTAINER}/{KEY}-00004", body(10, 9))
        world.account.delete(f"{CONTAINER}/{KEY}-00006")
        with pytest.raises(errors.ObjectChanged):
            b"".join(iter(lambda: reader.read(10), b""))
    world.account.put(f"{CONTAINER}/{KEY}-00006", body(10, 9))
    with driver.open_reader(KEY) as reader:
        reader.read(5)
        world.account.delete(f"{CONTAINER}/{KEY}-00006")
        with pytest.raises(errors.IntegrityError):
            b"".join(reader)
    driver.delete(KEY)


@pytest.mark.parametrize("number", [0, 2])
def test_an_object_whose_segment_is_missing_raises_and_never_ends_short(
    world: World, driver: SwiftDriver, number: int
) -> None:
    data = body(3 * SEGMENT)
    put(driver, data)
    world.account.delete(world.segments_of(KEY)[number])
    got: list[bytes] = []
    with pytest.raises(errors.StoreUnavailable), driver.open_reader(KEY) as reader:
        got.extend(iter(lambda: reader.read(100), b""))
    assert len(b"".join(got)) <= number * SEGMENT
    assert data.startswith(b"".join(got))


BREAKS: list[Fault] = [
    CutAnswer(0), CutAnswer(1), CutAnswer(2500), CutAnswer(2500, reset=True), StallAnswer(1500, 1.5), Reset(),
    Respond(503),
]  # fmt: skip


@pytest.mark.parametrize(("concurrency", "start", "stop"), [(1, 700, 3900), (3, 0, None)])
def test_a_body_that_breaks_is_resumed_at_the_same_object(
    world: World, proxy: FaultProxy, concurrency: int, start: int, stop: int | None
) -> None:
    data = body(4 * SEGMENT)
    driver = world.through(proxy, read_timeout=0.6, read_concurrency=concurrency)
    info = put(world.driver(), data)
    for fault in BREAKS:
        since = len(proxy.requests)
        rule = proxy.on(fault, method="GET", path=f"{KEY}$")
        assert read(driver, start=start, stop=stop) == data[start:stop], fault
        assert rule.hits == 1
        later = [seen for seen in proxy.requests[since:] if seen.method == "GET"][1:]
        assert later
        if not isinstance(fault, (Reset, Respond)) and fault != CutAnswer(0):
            assert later[0].headers["if-match"] == f'"{info.etag}"'


@pytest.mark.parametrize("concurrency", [1, 2])
def test_an_answer_without_an_etag_is_read_but_not_resumed(world: World, proxy: FaultProxy, concurrency: int) -> None:
    """Nor read ahead: nobody could say whether the next range is of the same object."""
    data = body(80_000)
    driver = world.through(proxy, read_concurrency=concurrency, read_block_size=64 * 1024, segment_size=50_000)
    put(driver, data)
    proxy.on(ChangeHeaders({"etag": None}), method="GET", path=f"{KEY}$", times=None)
    assert read(driver) == data
    proxy.on(CutAnswer(2500), method="GET", path=f"{KEY}$", skip=concurrency - 1)
    with driver.open_reader(KEY) as reader, pytest.raises(errors.ObjectChanged):
        b"".join(reader)


@pytest.mark.parametrize("replaced", [True, False])
def test_an_object_that_went_away_meanwhile_is_not_delivered_as_the_first(
    proxy: FaultProxy, proxied: SwiftDriver, replaced: bool
) -> None:
    put(proxied, body(3 * MIB), step=MIB)
    proxy.on(CutAnswer(MIB + 5), method="GET", path=f"{KEY}$")
    with proxied.open_reader(KEY) as reader:
        reader.read(100)
        proxied.delete(KEY)
        if replaced:
            put(proxied, body(3 * MIB, 1), step=MIB)
        with pytest.raises(errors.ObjectChanged if replaced else errors.ObjectNotFound):
            b"".join(reader)
    if replaced:
        proxied.delete(KEY)


def test_a_server_that_ignores_if_match_is_found_out(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    info = put(proxied, body(4 * SEGMENT))
    proxy.on(CutAnswer(1500), method="GET", path=f"{KEY}$")
    proxy.on(ChangeHeaders({"etag": "another"}), method="GET", path=f"{KEY}$", skip=1, times=None)
    with proxied.open_reader(KEY) as reader, pytest.raises(errors.ObjectChanged):
        b"".join(reader)
    with pytest.raises(errors.ObjectChanged):
        proxied.open_reader(KEY, etag=info.etag)


def test_a_weak_etag_names_the_object(world: World, proxy: FaultProxy, proxied: SwiftDriver) -> None:
    """As nginx makes it where it may compress, of a whole object and of a dynamic one."""
    world.put_dynamic(body(SEGMENT), chunk=400, key="dynamic")
    put(proxied, body(SEGMENT))
    for key in (KEY, "dynamic"):
        info = proxied.stat(key)
        for method in ("GET", "HEAD"):
            proxy.on(ChangeHeaders({"etag": f'W/"{info.etag}"'}), method=method, path=f"{key}$", times=None)
        assert proxied.stat(key) == info
        with proxied.open_reader(key, etag=info.etag) as reader:
            assert b"".join(reader) == body(SEGMENT)
        proxy.heal()
    proxied.delete("dynamic")


def test_a_server_that_ignores_ranges_is_read_over(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    info = put(proxied, body(SEGMENT))
    whole = ReplaceAnswer(200, body(SEGMENT), {"ETag": str(info.etag)})
    proxy.on(whole, method="GET", path=f"{KEY}$", times=None)
    for start, stop in ((1, None), (0, 10), (5, 15), (999, 1000), (1000, None)):
        assert read(proxied, start=start, stop=stop) == body(SEGMENT)[start:stop]


def test_another_range_than_was_asked_for_is_not_believed(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(proxied, body(SEGMENT))
    proxy.on(ChangeHeaders({"content-range": "bytes 7-16/1000"}), method="GET", path=f"{KEY}$")
    with pytest.raises(errors.IntegrityError):
        proxied.open_reader(KEY, start=5, stop=15)


def test_ranges_side_by_side_deliver_the_object_in_order(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy, read_concurrency=3, read_block_size=64 * 1024, segment_size=100_000)
    data = body(500_000)
    put(driver, data, step=50_000)
    for start, stop in ((0, None), (1, 499_999), (65_535, 65_537), (499_999, None)):
        assert read(driver, start=start, stop=stop) == data[start:stop]
    assert len([seen for seen in proxy.seen(method="GET") if seen.headers.get("range") == "bytes=65536-131071"]) == 1
