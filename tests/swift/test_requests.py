"""Requests are counted, on a real server: one for a small image, one a segment and one more for a large one, one token.

What is asked once for a store (the token, /info, whether there are quotas) is asked at its `check`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from swiftclient import client  # type: ignore[import-untyped]  # it comes without types

from imgstore.driver.place import MARK_NAME
from imgstore.drivers.swift import SwiftDriver
from imgstore.testing.faults import FaultProxy
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, SEGMENT, World, body, put, read


def lines(proxy: FaultProxy, since: int) -> list[str]:
    """Method and path behind the account, of every request since."""
    return [f"{seen.method} {seen.path.partition('AUTH_')[2].partition('/')[2]}" for seen in proxy.requests[since:]]


def quiet(proxy: FaultProxy, driver: SwiftDriver) -> int:
    """How many requests there were when everything was asked that is asked once."""
    put(driver, b"", "first")
    driver.delete("first")
    proxy.wait_until_idle()
    return len(proxy.requests)


@pytest.mark.parametrize("declared", [True, False])
def test_an_image_is_one_request_and_one_for_each_segment(
    proxy: FaultProxy, proxied: SwiftDriver, declared: bool
) -> None:
    for size, segments in ((0, 0), (SEGMENT, 0), (SEGMENT + 1, 2), (4 * SEGMENT, 4), (5 * SEGMENT - 1, 5)):
        since = quiet(proxy, proxied)
        put(proxied, body(size), declared=declared)
        *others, last = lines(proxy, since)
        assert last == f"PUT {CONTAINER}/{KEY}"
        assert len(others) == segments
        assert all(line.startswith(f"PUT {SEGMENTS}/{KEY}/") for line in others)
        proxied.delete(KEY)


def test_a_read_is_one_request_and_so_is_a_look(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(proxied, body(3 * SEGMENT))
    since = quiet(proxy, proxied)
    assert read(proxied) == body(3 * SEGMENT)
    assert read(proxied, start=5, stop=SEGMENT + 5) == body(3 * SEGMENT)[5 : SEGMENT + 5]
    proxied.stat(KEY)
    assert lines(proxy, since) == [f"{method} {CONTAINER}/{KEY}" for method in ("GET", "GET", "HEAD")]


def test_one_token_is_enough_for_all_threads_and_all_requests(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    def day(number: int) -> None:
        put(proxied, body(2 * SEGMENT, number), f"{KEY}-{number}")
        assert read(proxied, f"{KEY}-{number}") == body(2 * SEGMENT, number)
        proxied.delete(f"{KEY}-{number}")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(day, range(6)))
    assert proxy.count(path="/auth/v1.0") == 1
    assert proxy.count(path="/info$") == 1
    assert len({seen.headers["x-auth-token"] for seen in proxy.seen(path="/v1/")}) == 1


def test_what_is_asked_once_is_asked_at_the_first_upload_at_the_latest(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy)
    put(driver, body(10))
    found = [f"{seen.method} {seen.path.rpartition('/')[2]}" for seen in proxy.requests]
    account = f"AUTH_{world.account.name}"
    heads = [f"HEAD {name}" for name in (CONTAINER, SEGMENTS, account)]
    assert found == ["GET v1.0", *heads, f"GET {MARK_NAME}", "GET info", f"PUT {KEY}"]


def test_connections_serve_again(proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = client.http_connection

    def open_one(url: str, **options: object) -> object:
        opened.append(url)
        return real(url, **options)

    monkeypatch.setattr(client, "http_connection", open_one)
    for number in range(3):
        put(proxied, body(10), f"{KEY}-{number}")
        read(proxied, f"{KEY}-{number}")
        proxied.delete(f"{KEY}-{number}")
    assert len(opened) <= 1
