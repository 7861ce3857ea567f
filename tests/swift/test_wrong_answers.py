"""Answers that look well and are none: a proxy's page, a listing that does not get on, an image for its manifest."""

from __future__ import annotations

import json

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver, account
from imgstore.drivers.swift.answers import ListedObject
from imgstore.testing.faults import ChangeHeaders, FaultProxy, Respond
from tests.swift.subject import CONTAINER
from tests.swift.world import KEY, SEGMENT, World, body, put, read

IMAGE = f"/{CONTAINER}/{KEY}$"
PAGE = b"<html><head><title>Maintenance</title></head><body><p>We are back soon.</p></body></html>"


@pytest.mark.parametrize("told", ["2026-03-02T10:00:00.980Z", "2026-03-02T10:00:00.980000"])
def test_a_time_is_read_as_cephs_gateway_and_as_swift_write_it(told: str) -> None:
    """With Python 3.10 too."""
    assert ListedObject.of({"name": KEY, "hash": "x", "bytes": 1, "last_modified": told}).modified == 1772445600.98


def test_a_page_of_a_proxy_is_no_object(world: World, proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(world.driver(), body(100))
    proxy.on(Respond(200, PAGE), times=None)
    for ask in (proxied.stat, proxied.open_reader, proxied.delete):
        with pytest.raises(errors.StoreUnavailable, match="no object"):
            ask(KEY)
    assert read(world.driver()) == body(100)


def test_a_listing_that_does_not_get_on_ends(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    line = {"name": KEY, "bytes": 5, "hash": "x", "last_modified": "2026-01-01T00:00:00.000000"}
    rule = proxy.on(Respond(200, json.dumps([line]).encode()), method="GET", path=f"/{CONTAINER}$", times=None)
    with pytest.raises(errors.StoreUnavailable, match="same page"):
        list(proxied.objects())
    assert rule.hits == 2


def test_a_refused_range_tells_the_size_of_the_object(world: World, proxy: FaultProxy, proxied: SwiftDriver) -> None:
    """Not that of the page that says so."""
    put(world.driver(), body(3 * SEGMENT))
    proxy.on(ChangeHeaders({"Content-Range": None}), method="GET", path=IMAGE, times=None)
    with pytest.raises(errors.RangeNotSatisfiable) as caught:
        proxied.open_reader(KEY, start=3 * SEGMENT + 1)
    assert caught.value.size == 3 * SEGMENT
    assert read(proxied, start=3 * SEGMENT) == b""


def test_never_short_a_part_beyond_its_object_is_refused(world: World, proxy: FaultProxy, proxied: SwiftDriver) -> None:
    put(world.driver(), body(SEGMENT))
    proxy.on(ChangeHeaders({"Content-Range": "bytes 5-9/7"}), method="GET", path=IMAGE, times=None)
    with pytest.raises(errors.IntegrityError, match="another range"):
        proxied.open_reader(KEY, start=5, stop=7)


def test_bounded_memory_an_image_that_comes_for_its_manifest_is_not_read(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "MOST_FETCHED", 1024)
    put(world.driver(), body(3 * SEGMENT))
    proxy.on(Respond(200, json.dumps(["x" * 2000]).encode()), query="multipart-manifest=get", times=None)
    with pytest.raises(errors.IntegrityError, match="too large"):
        proxied.delete(KEY)
    assert read(world.driver()) == body(3 * SEGMENT)
