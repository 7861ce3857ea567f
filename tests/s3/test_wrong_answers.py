"""Answers that look well and are none: a proxy's own page, a listing that does not get on, a range without a place."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.store import Store
from imgstore.testing.faults import ChangeHeaders, FaultProxy, Respond
from tests.s3.places import SwiftPlace
from tests.s3.support import COMPLETE, KEY, LARGE, LIST_UPLOADS, OTHER, PUT, SMALL, Like, body, get

LIST: Like = {"method": "GET", "query": "list-type"}
PAGE = b"<html><head><title>Maintenance</title></head><body><p>We are back soon.</p></body></html>"
"""What a proxy says by itself, well-formed as XML is."""


@pytest.mark.parametrize("page", [PAGE, b""], ids=["page", "nothing"])
def test_atomic_an_object_that_no_server_named_is_not_committed(
    swift_place: SwiftPlace, proxy: FaultProxy, page: bytes
) -> None:
    driver = swift_place.driver()
    for data, request in ((LARGE, COMPLETE), (b"", PUT), (SMALL, PUT)):
        proxy.on(Respond(200, page), **request, times=None)
        with pytest.raises(errors.StoreUnavailable):
            swift_place.put(driver, data)
        proxy.heal()


def test_a_page_of_a_proxy_is_no_empty_listing(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    proxy.on(Respond(200, PAGE), method="GET", times=None)
    for listing in (driver.objects, driver.leftovers, driver.hidden_versions):
        with pytest.raises(errors.StoreUnavailable, match="no listing"):
            list(listing())


def test_a_listing_that_does_not_get_on_ends(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    again = b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    proxy.on(Respond(200, again + b"</ListBucketResult>"), **LIST, times=None)
    with pytest.raises(errors.StoreUnavailable, match="same page"):
        list(driver.objects())
    assert proxy.count(**LIST) == 2


def test_a_page_of_uploads_may_end_with_a_folder(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    """It names no upload to begin behind then."""
    first = b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>z/</NextKeyMarker>"
    proxy.on(Respond(200, first + b"</ListMultipartUploadsResult>"), **LIST_UPLOADS)
    assert list(swift_place.driver().leftovers()) == []
    assert "upload-id-marker" not in proxy.seen(**LIST_UPLOADS)[1].query


@pytest.mark.parametrize("told", [None, "bytes 0-65535/*", "bytes 0-65535/5"])
def test_never_short_a_part_whose_place_is_not_told_is_refused(
    swift_place: SwiftPlace, proxy: FaultProxy, told: str | None
) -> None:
    driver = swift_place.driver(read_concurrency=2)
    swift_place.put(driver, body(200_000))
    proxy.on(ChangeHeaders({"Content-Range": told}), method="GET", path=f"{KEY}$", times=None)
    with pytest.raises(errors.StoreUnavailable, match="range"):
        get(driver)


def test_a_copy_that_is_not_there_is_not_its_source_that_is_missing(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    swift_place.put(driver, SMALL)
    for answer in (Respond(200, PAGE), None):
        if answer is not None:
            proxy.on(answer, method="PUT", path=OTHER)
        proxy.on(Respond(404), method="HEAD", path=OTHER, times=2)
        with pytest.raises(errors.StoreUnavailable):
            driver.copy(KEY, OTHER)
        proxy.heal()


def test_a_condition_or_a_range_that_nobody_sent_is_the_stores_fault(
    swift_place: SwiftPlace, proxy: FaultProxy
) -> None:
    driver = swift_place.driver()
    swift_place.put(driver, SMALL)
    for status, ask in ((412, driver.stat), (412, driver.delete), (416, driver.stat)):
        proxy.on(Respond(status), path=KEY)
        with pytest.raises(errors.StoreUnavailable):
            ask(KEY)
        proxy.heal()


def test_a_probe_that_is_not_there_is_the_stores_fault(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    store = Store("fast", swift_place.driver())
    proxy.on(Respond(404), method="GET", path="probe")
    with pytest.raises(errors.StoreUnavailable) as caught:
        store.check()
    assert (caught.value.store, caught.value.status) == ("fast", 503)
