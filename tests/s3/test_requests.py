"""How many requests an image costs, of which kind: counted by what stands between driver and server."""

from __future__ import annotations

import pytest

from imgstore.testing.faults import FaultProxy
from tests.s3.places import Place
from tests.s3.support import KEY, PART, body, get, seen_meanwhile


@pytest.mark.parametrize("declared", [True, False])
def test_a_small_image_costs_one_request(place: Place, proxy: FaultProxy, declared: bool) -> None:
    driver = place.driver()
    for size in (0, 1, place.part - 1, place.part):
        with seen_meanwhile(proxy) as seen:
            place.put(driver, body(size), f"{KEY}.{size}", declared=declared)
        (put,) = seen
        assert (put.method, put.headers["if-none-match"], put.received) == ("PUT", "*", size)


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_image_costs_its_parts_and_two_requests(place: Place, proxy: FaultProxy, declared: bool) -> None:
    driver = place.driver(equal_parts=True)
    for parts in (2, 5):
        with seen_meanwhile(proxy) as seen:
            place.put(driver, body(place.part * (parts - 1) + 1), f"{KEY}.{parts}", declared=declared)
        first, *middle, last = [(each.method, each.query.split("=")[0]) for each in seen]
        assert (first, last) == (("POST", "uploads"), ("POST", "uploadId"))
        assert [method for method, _ in middle] == ["PUT"] * parts
        assert seen[-1].headers["if-none-match"] == "*"


def test_a_download_costs_one_request(place: Place, proxy: FaultProxy) -> None:
    data = body(place.part * 2)
    place.put(place.driver(), data)
    for driver in (place.driver(read_concurrency=1), place.driver(read_block_size=32 * 1024**2)):
        with seen_meanwhile(proxy) as seen:
            assert get(driver) == data
        assert [each.method for each in seen] == ["GET"]


def test_read_ahead_asks_for_each_block_once(place: Place, proxy: FaultProxy) -> None:
    driver, data = place.driver(read_concurrency=3, read_block_size=PART), body(PART * 4 + 1)
    place.put(driver, data)
    with seen_meanwhile(proxy) as seen:
        assert get(driver) == data
    assert [each.method for each in seen] == ["GET"] * 5
