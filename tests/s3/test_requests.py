"""How many requests an image costs, of which kind: counted by what stands between driver and server."""

from __future__ import annotations

import pytest

from tests.s3.places import Place
from tests.s3.support import KEY, body, get, put
from tests.support.faults import FaultProxy


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("size", [0, 1, -1, None])
def test_a_small_image_costs_one_request(
    place: Place, counting_proxy: FaultProxy, size: int | None, declared: bool
) -> None:
    border = place.part
    data = body({None: border, -1: border - 1}.get(size, size or 0))
    put(place.driver(), data, declared=declared)
    counting_proxy.wait_until_idle()
    (seen,) = counting_proxy.requests
    assert (seen.method, seen.headers["if-none-match"], seen.received) == ("PUT", "*", len(data))
    place.kept.add(KEY)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("parts", [2, 5])
def test_a_large_image_costs_its_parts_and_two_requests(
    place: Place, counting_proxy: FaultProxy, parts: int, declared: bool
) -> None:
    data = body(place.part * (parts - 1) + 1)
    put(place.driver(max_parts=1000, equal_parts=True), data, declared=declared)
    counting_proxy.wait_until_idle()
    first, *middle, last = [(seen.method, seen.query.split("=")[0]) for seen in counting_proxy.requests]
    assert (first, last) == (("POST", "uploads"), ("POST", "uploadId"))
    assert [method for method, _ in middle] == ["PUT"] * parts
    assert counting_proxy.requests[-1].headers["if-none-match"] == "*"
    place.kept.add(KEY)


def test_a_second_image_asks_no_more_than_the_first(place: Place, counting_proxy: FaultProxy) -> None:
    driver = place.driver()
    for number in range(3):
        put(driver, body(100, number), f"{KEY}.{number}")
        place.kept.add(f"{KEY}.{number}")
    counting_proxy.wait_until_idle()
    assert [seen.method for seen in counting_proxy.requests] == ["PUT"] * 3


@pytest.mark.parametrize(
    "options", [{"read_concurrency": 1}, {"read_block_size": 32 * 1024**2}], ids=["one body", "small"]
)
def test_a_download_costs_one_request(place: Place, counting_proxy: FaultProxy, options: dict[str, int]) -> None:
    driver, data = place.driver(**options), body(place.part * 2)
    put(driver, data)
    place.kept.add(KEY)
    counting_proxy.wait_until_idle()
    before = len(counting_proxy.requests)
    assert get(driver) == data
    counting_proxy.wait_until_idle()
    assert [seen.method for seen in counting_proxy.requests[before:]] == ["GET"]


def test_read_ahead_asks_for_each_block_once(place: Place, counting_proxy: FaultProxy) -> None:
    driver, data = place.driver(read_concurrency=3, read_block_size=65536), body(65536 * 4 + 1)
    put(driver, data)
    place.kept.add(KEY)
    counting_proxy.wait_until_idle()
    before = len(counting_proxy.requests)
    assert get(driver) == data
    counting_proxy.wait_until_idle()
    assert [seen.method for seen in counting_proxy.requests[before:]] == ["GET"] * 5
