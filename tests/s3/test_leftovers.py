"""Leftovers are found by their age and removed; an upload under way is left alone, and what is not ours too."""

from __future__ import annotations

import dataclasses
import email.utils
import logging
import secrets
import time
from collections.abc import Iterator

import pytest

from imgstore import errors
from imgstore.drivers.s3 import S3Driver
from imgstore.model import Leftover
from imgstore.testing.faults import ChangeHeaders, FaultProxy, ReplaceAnswer, Respond, s3_error
from tests.s3.conftest import SWIFT, used
from tests.s3.places import MotoPlace, Place, SwiftPlace
from tests.s3.support import KEY, LIST_PARTS, LIST_UPLOADS, OTHER, PART, body
from tests.support.fixtures import SwiftFactory

HOUR = 3600.0


def abandon(place: Place, name: str = KEY, *, parts: int = 2) -> str:
    """An upload that nobody ends, as a dead process leaves it."""
    client, where = place.client(), {"Bucket": place.bucket, "Key": place.prefix + name}
    upload: str = client.create_multipart_upload(**where)["UploadId"]
    for number in range(1, parts + 1):
        client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body(PART))
    return upload


def remove_leftovers(driver: S3Driver) -> list[Leftover]:
    """All of them, whatever their age."""
    found = list(driver.leftovers())
    for leftover in found:
        driver.remove_leftover(leftover)
    assert list(driver.leftovers()) == []
    return found


@pytest.mark.parametrize("parts", [0, 2])
def test_an_upload_that_nobody_ended_is_found_and_removed(place: Place, parts: int) -> None:
    upload, driver = abandon(place, parts=parts), place.driver()
    (leftover,) = remove_leftovers(driver)
    assert (leftover.name, leftover.size) == (f"{KEY}?uploadId={upload}", parts * PART)
    assert leftover.modified is not None
    driver.remove_leftover(leftover)


def test_a_young_upload_is_left_alone_and_not_asked_for_its_parts(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    abandon(swift_place, parts=0)
    assert list(driver.leftovers(older_than=HOUR)) == []
    assert proxy.count(**LIST_PARTS) == 0
    assert len(remove_leftovers(driver)) == 1


def test_age_is_told_by_the_servers_clock(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    """The machine that purges may have a clock that is wrong."""
    abandon(swift_place)
    behind, ahead = (email.utils.formatdate(time.time() + by, usegmt=True) for by in (-2 * HOUR, 2 * HOUR))
    driver = swift_place.driver()
    proxy.on(ChangeHeaders({"date": behind}), method="GET", times=None)
    assert list(driver.leftovers(older_than=1.0)) == []
    proxy.heal()
    proxy.on(ChangeHeaders({"date": ahead}), method="GET", times=None)
    (left,) = driver.leftovers(older_than=HOUR)
    driver.remove_leftover(left)


def test_an_upload_whose_last_part_is_young_is_left_alone(moto_place: MotoPlace, proxy: FaultProxy) -> None:
    """However long ago it was begun: the list says 2001, the part says now."""
    upload = abandon(moto_place)
    name = f"<Key>{KEY}</Key><UploadId>{upload}</UploadId><Initiated>2001-01-01T00:00:00.000Z</Initiated>"
    listed = f"<ListMultipartUploadsResult><Upload>{name}</Upload></ListMultipartUploadsResult>".encode()
    proxy.on(ReplaceAnswer(200, listed), **LIST_UPLOADS, times=None)
    driver = moto_place.driver()
    assert list(driver.leftovers(older_than=HOUR)) == []
    proxy.heal()
    assert len(remove_leftovers(driver)) == 1


def test_an_upload_that_somebody_took_up_meanwhile_is_left_alone(place: Place) -> None:
    upload, driver = abandon(place, parts=1), place.driver()
    (leftover,) = driver.leftovers()
    driver.remove_leftover(Leftover(leftover.name, leftover.reason, leftover.size, modified=1.0))
    (again,) = remove_leftovers(driver)
    assert again.name == f"{KEY}?uploadId={upload}"


def test_what_is_not_this_stores_is_left_alone_and_other_folders_unread(place: Place, proxy: FaultProxy) -> None:
    names = [".hidden", "folder/name", "a name", "images-2/x"]
    uploads = [(name, abandon(place, name, parts=0)) for name in names]
    driver = place.driver()
    assert [*driver.leftovers(), *driver.objects()] == []
    assert [seen.arguments.get("delimiter") for seen in proxy.requests] == ["/"] * 3
    for name, upload in uploads:
        place.client().abort_multipart_upload(Bucket=place.bucket, Key=place.prefix + name, UploadId=upload)


def test_a_folder_is_a_store_of_its_own(place: Place) -> None:
    inner, outer = place.driver(prefix=f"{place.prefix}images"), place.driver()
    place.put(inner, body(10))
    place.put(outer, body(20))
    assert [(info.key, info.size) for info in inner.objects()] == [(KEY, 10)]
    assert [(info.key, info.size) for info in outer.objects()] == [(KEY, 20)]
    upload = place.client().create_multipart_upload(Bucket=place.bucket, Key=f"{place.prefix}images/{KEY}")["UploadId"]
    assert list(outer.leftovers()) == []
    assert [leftover.name for leftover in remove_leftovers(inner)] == [f"{KEY}?uploadId={upload}"]
    inner.delete(KEY)
    assert outer.stat(KEY).size == 20


def test_a_probe_that_a_dead_check_left_is_found_and_removed(place: Place) -> None:
    name = f".imgstore-probe-{secrets.token_hex(8)}"
    place.client().put_object(Bucket=place.bucket, Key=place.prefix + name, Body=b"imgstore")
    upload = abandon(place, name, parts=0)
    driver = place.driver()
    assert list(driver.objects()) == []
    assert {leftover.name for leftover in remove_leftovers(driver)} == {name, f"{name}?uploadId={upload}"}


def test_a_name_that_is_no_leftovers_is_refused() -> None:
    for name in ("", KEY, f"{KEY}?uploadId=", "../x?uploadId=1", "?uploadId=1", ".hidden", "a?uploadId= "):
        with pytest.raises(errors.InvalidKey):
            S3Driver(bucket="images").remove_leftover(Leftover(name, "made up"))


def test_a_server_that_lists_no_uploads_is_said_to(
    swift_place: SwiftPlace, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.on(s3_error(501, "NotImplemented"), **LIST_UPLOADS, times=None)
    driver = swift_place.driver()
    with caplog.at_level(logging.WARNING, logger="imgstore"):
        assert [list(driver.leftovers()) for _ in range(2)] == [[], []]
    (record,) = caplog.records
    assert "does not list multipart uploads" in record.message


@pytest.mark.parametrize("fault", [s3_error(501, "NotImplemented"), Respond(405)])
def test_a_server_that_lists_no_parts_is_judged_by_the_uploads_age(
    swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond
) -> None:
    abandon(swift_place)
    proxy.on(fault, **LIST_PARTS, times=None)
    driver = swift_place.driver()
    assert list(driver.leftovers(older_than=HOUR)) == []
    (leftover,) = driver.leftovers()
    assert leftover.size is None
    driver.remove_leftover(leftover)
    assert list(driver.leftovers()) == []
    abandon(swift_place)
    driver.clear_leftovers(KEY)


def test_the_next_page_begins_behind_the_last_upload(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    """Not behind the last key, which may have more uploads."""
    last = "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
    page = f"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>{last}</ListMultipartUploadsResult>"
    proxy.on(ReplaceAnswer(200, page.encode()), **LIST_UPLOADS)
    assert list(swift_place.driver().leftovers()) == []
    first, second = (seen.arguments for seen in proxy.seen(**LIST_UPLOADS))
    assert (first.get("key-marker"), second["key-marker"], second["upload-id-marker"]) == (None, "k", "u")


@pytest.fixture
def paging_place(swift_with: SwiftFactory) -> Iterator[SwiftPlace]:
    """A server whose listings have two names a page."""
    yield from used(SwiftPlace(swift_with(dataclasses.replace(SWIFT, listing_limit=2))))


def test_listings_of_several_pages_are_read_to_the_end(paging_place: SwiftPlace) -> None:
    keys = {f"key-{number}" for number in range(5)}
    driver = paging_place.driver()
    for key in keys:
        paging_place.put(driver, b"x", key)
        abandon(paging_place, key, parts=0)
    abandon(paging_place, KEY, parts=5)
    for _ in range(4):
        abandon(paging_place, OTHER, parts=0)
    assert {info.key for info in driver.objects()} == keys
    found = [(str(leftover.key), leftover.size) for leftover in remove_leftovers(driver)]
    assert sorted(found) == sorted([*((key, 0) for key in keys), (KEY, 5 * PART), *[(OTHER, 0)] * 4])
