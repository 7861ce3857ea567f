"""What the S3 driver can do besides: temporary URLs, copies made by the server, a capacity."""

from __future__ import annotations

import logging
import time
import urllib.error
import urllib.request
from functools import partial

import pytest

from imgstore import errors
from imgstore.driver import capabilities
from imgstore.drivers.s3.copy import Copy
from imgstore.drivers.s3.driver import LONGEST_URL, S3Driver
from imgstore.drivers.s3.options import LARGEST_OBJECT, LARGEST_PART
from imgstore.model import Space
from imgstore.testing.faults import ChangeHeaders, Delay, DropAnswer, FaultProxy, s3_error
from tests.s3.places import MotoPlace, Place, SwiftPlace
from tests.s3.support import KEY, OTHER, PART, body, get, seen_meanwhile
from tests.support.race import together

CAPABILITIES = (
    capabilities.CopiesObjects, capabilities.FindsLeftovers, capabilities.HasCapacity, capabilities.HasPlace,
    capabilities.ListsObjects, capabilities.MakesTemporaryUrls, capabilities.MeasuresSpace,
    capabilities.ClearsLeftovers,
)  # fmt: skip


def test_the_driver_has_every_capability() -> None:
    driver = S3Driver(bucket="images")
    assert [protocol for protocol in CAPABILITIES if not isinstance(driver, protocol)] == []


def fetch(url: str) -> bytes:
    """As somebody without keys."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        data: bytes = answer.read()
    return data


def test_a_temporary_url_gives_the_object_to_anybody(place: Place) -> None:
    driver, data = place.driver(), body(PART * 2 + 1)
    place.put(driver, data)
    url = driver.temporary_url(KEY, seconds=60)
    assert fetch(url) == data
    assert place.secret_key not in url


def test_a_temporary_url_is_of_one_object_and_of_its_time(swift_place: SwiftPlace) -> None:
    driver = swift_place.driver()
    swift_place.put(driver, b"data")
    swift_place.put(driver, b"other", OTHER)
    url = driver.temporary_url(KEY, seconds=1)
    for wrong, pause in ((url.replace(KEY, OTHER), 0), (url, 2)):
        time.sleep(pause)
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(wrong)
        assert refused.value.code == 403
        refused.value.close()


def test_a_time_that_s3_does_not_sign_is_the_callers_mistake() -> None:
    driver = S3Driver(bucket="images", access_key="a", secret_key="s")
    for seconds in (0, -1, LONGEST_URL + 1):
        with pytest.raises(errors.UsageError):
            driver.temporary_url(KEY, seconds=seconds)
    with pytest.raises(errors.InvalidKey):
        driver.temporary_url("../x", seconds=1)


def test_the_server_makes_a_copy(place: Place, proxy: FaultProxy) -> None:
    driver = place.driver()
    for size in (0, 1000, PART * 3):
        copy, data = f"{OTHER}.{size}", body(size)
        place.put(driver, data)
        with seen_meanwhile(proxy) as seen:
            info = driver.copy(KEY, copy)
        assert sum(each.received for each in seen) == 0
        assert (info.key, info.size) == (copy, size)
        assert driver.stat(copy) == info
        driver.delete(KEY)
        assert get(driver, copy) == data
        place.kept = place.kept - {KEY} | {copy}


def test_a_large_copy_is_made_in_parts(place: Place, proxy: FaultProxy) -> None:
    part, driver = place.part, place.driver()
    driver._new_copy = partial(Copy, driver._requests, driver._options, whole=part, part=part)
    for more in (0, 1):
        source, copy, data = f"source-{more}", f"copy-{more}", body(2 * part + more)
        place.put(driver, data, source)
        with seen_meanwhile(proxy) as seen:
            assert driver.copy(source, copy).size == len(data)
        assert get(driver, copy) == data
        pins = [each.headers.get("x-amz-copy-source-if-match") for each in seen if "partNumber" in each.query]
        assert pins == [f'"{driver.stat(source).etag}"'] * (2 + more)
        place.kept.add(copy)


def test_a_copy_replaces_nothing_and_needs_a_source(place: Place) -> None:
    driver = place.driver()
    with pytest.raises(errors.ObjectNotFound):
        driver.copy(KEY, OTHER)
    for pair in (("../x", OTHER), (KEY, "../x")):
        with pytest.raises(errors.InvalidKey):
            driver.copy(*pair)
    place.put(driver, b"source")
    place.put(driver, b"target", OTHER)
    with pytest.raises(errors.ObjectExists):
        driver.copy(KEY, OTHER)
    assert get(driver, OTHER) == b"target"


FAILING_COPIES = {"begin": "^uploads", "part": "partNumber=2", "complete": "uploadId=[^&]*$"}


@pytest.mark.parametrize("query", FAILING_COPIES.values(), ids=FAILING_COPIES)
def test_a_copy_that_fails_leaves_nothing(swift_place: SwiftPlace, proxy: FaultProxy, query: str) -> None:
    driver = swift_place.driver()
    driver._new_copy = partial(Copy, driver._requests, driver._options, whole=PART, part=PART)
    swift_place.put(driver, body(PART * 2))
    proxy.on(s3_error(500, "InternalError"), path=OTHER, query=query, times=3)
    with pytest.raises(errors.StoreUnavailable):
        driver.copy(KEY, OTHER)


@pytest.mark.parametrize("size", [PART, 2 * PART])
def test_a_copy_of_another_size_is_removed(swift_place: SwiftPlace, proxy: FaultProxy, size: int) -> None:
    driver = swift_place.driver()
    driver._new_copy = partial(Copy, driver._requests, driver._options, whole=PART, part=PART)
    swift_place.put(driver, body(size))
    proxy.on(ChangeHeaders({"Content-Length": "5"}), method="HEAD", path=f"{OTHER}$", skip=1)
    with pytest.raises(errors.IntegrityError):
        driver.copy(KEY, OTHER)


def test_a_copy_whose_begin_was_lost_leaves_one_object_and_no_upload(
    swift_place: SwiftPlace, proxy: FaultProxy
) -> None:
    driver = swift_place.driver()
    driver._new_copy = partial(Copy, driver._requests, driver._options, whole=PART, part=PART)
    swift_place.put(driver, body(PART * 2))
    proxy.on(DropAnswer(), path=OTHER, query="^uploads")
    driver.copy(KEY, OTHER)
    swift_place.kept.add(OTHER)


def test_the_largest_object_is_copied_in_as_many_parts_as_the_server_takes(moto_place: MotoPlace) -> None:
    for max_parts, size in ((10_000, LARGEST_OBJECT), (1000, 1000 * LARGEST_PART), (2, 2 * PART)):
        driver = moto_place.driver(max_parts=max_parts)
        part_size = driver._new_copy(OTHER).part_size(size)
        assert -(-size // part_size) <= max_parts
        assert part_size <= LARGEST_PART


@pytest.mark.parametrize(("size", "method"), [(PART, "PUT"), (2 * PART, "POST")])
def test_a_copy_that_cannot_be_removed_is_told(
    swift_place: SwiftPlace, proxy: FaultProxy, caplog: pytest.LogCaptureFixture, size: int, method: str
) -> None:
    driver = swift_place.driver(max_attempts=1)
    driver._new_copy = partial(Copy, driver._requests, driver._options, whole=PART, part=PART)
    swift_place.put(driver, body(size))
    proxy.on(s3_error(500, "InternalError"), method="DELETE", path=OTHER, times=None)
    lost = DropAnswer() if size == PART else s3_error(500, "Other")
    proxy.on(lost, method=method, path=OTHER, query="^$|uploadId=")
    with caplog.at_level(logging.WARNING, logger="imgstore"), pytest.raises(errors.StoreUnavailable) as caught:
        driver.copy(KEY, OTHER)
    assert caught.value.left_behind
    assert "InternalError" not in str(caught.value), "the cause is told"
    assert f"Could not remove what was copied to {OTHER}" in caplog.text
    proxy.heal()
    driver.clear_leftovers(OTHER)
    if size == PART:
        driver.delete(OTHER)


def test_a_copy_whose_answer_is_lost_leaves_nothing(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    swift_place.put(driver, b"data")
    proxy.on(DropAnswer(), method="PUT", path=OTHER, times=3)
    with pytest.raises(errors.StoreUnavailable):
        driver.copy(KEY, OTHER)


def test_two_deletions_at_once_give_back_once(moto_place: MotoPlace, proxy: FaultProxy) -> None:
    driver = moto_place.driver(capacity=1000)
    for key in (KEY, OTHER):
        moto_place.put(driver, body(500), key)
    proxy.on(Delay(0.5), method="DELETE", times=2)
    assert sorted(map(str, together(*[partial(driver.delete, KEY)] * 2))) == sorted(
        ("None", str(errors.ObjectNotFound))
    )
    assert driver.space().free == 500
    moto_place.kept = {OTHER}


def test_capacity_counts_what_is_there_and_what_is_under_way(place: Place) -> None:
    place.put(place.driver(), b"x" * 30)
    assert place.driver().space() == Space(total=None, free=None)
    driver = place.driver(capacity=100)
    assert driver.space() == Space(total=100, free=70)
    with driver.open_writer(OTHER, size=50) as writer:
        writer.write(b"x" * 50)
        assert driver.space() == Space(total=100, free=20)
        with pytest.raises(errors.StoreFull):
            driver.open_writer("third", size=21)
        writer.commit()
    with pytest.raises(errors.StoreFull):
        place.put(driver, b"x" * 21, "third", declared=False)
    with pytest.raises(errors.StoreFull):
        driver.copy(KEY, "third")
    driver.delete(KEY)
    assert driver.space() == Space(total=100, free=50)
    assert driver.copy(OTHER, "third").size == 50
    assert driver.space() == Space(total=100, free=0)
    place.kept = {OTHER, "third"}
