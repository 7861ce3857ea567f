"""Downloads that break: resumed where they broke, at the same object, or noticed; never short in silence."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.testing.faults import (
    ChangeHeaders,
    CutAnswer,
    Delay,
    FaultProxy,
    ReplaceAnswer,
    Reset,
    StallAnswer,
    s3_error,
)
from tests.s3.places import SwiftPlace
from tests.s3.support import KEY, Like, body, get

DATA = body(300_000)
GET: Like = {"method": "GET", "path": f"{KEY}$"}


@pytest.fixture
def stored(swift_place: SwiftPlace) -> SwiftPlace:
    """Where DATA is."""
    swift_place.put(swift_place.driver(part_size=1024**2), DATA)
    return swift_place


BREAKS = (CutAnswer(100_000), CutAnswer(0), CutAnswer(100_000, reset=True), StallAnswer(100_000, 1.0))
FAILS = (Reset(), s3_error(503, "SlowDown"), s3_error(500, "InternalError"), Delay(1.0))


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_body_that_breaks_is_resumed(stored: SwiftPlace, proxy: FaultProxy, ahead: int) -> None:
    driver = stored.driver(read_timeout=0.5, read_concurrency=ahead, read_block_size=150_000)
    for fault in BREAKS:
        before = proxy.count(**GET)
        proxy.on(fault, **GET, times=2)
        with driver.open_reader(KEY) as reader:
            assert b"".join(reader) == DATA
        later = proxy.seen(**GET)[before + 1 :]
        assert {seen.headers["if-match"] for seen in later} == {f'"{reader.info.etag}"'}


def test_a_body_is_resumed_where_it_broke(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    proxy.on(CutAnswer(50_000), **GET, skip=1)
    with stored.driver(read_concurrency=1).open_reader(KEY, start=1000, stop=250_000) as reader:
        assert b"".join(reader) == DATA[1000:250_000]
    starts = [seen.headers["range"] for seen in proxy.seen(**GET)]
    assert starts == ["bytes=1000-249999", "bytes=101000-249999", "bytes=151000-249999"]


def test_a_download_that_does_not_begin_is_begun_again(stored: SwiftPlace, proxy: FaultProxy) -> None:
    for fault in FAILS:
        rule = proxy.on(fault, **GET, times=2)
        assert get(stored.driver(read_timeout=0.5)) == DATA
        assert rule.hits == 2


def test_a_body_that_never_gets_further_ends_as_an_error(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    proxy.on(CutAnswer(0), **GET, skip=1, times=None)
    with stored.driver(read_concurrency=1).open_reader(KEY) as reader:
        with pytest.raises(errors.StoreUnavailable):
            b"".join(reader)
        assert reader.position == 100_000


def test_a_weak_etag_names_the_object(stored: SwiftPlace, proxy: FaultProxy) -> None:
    """As nginx makes it where it may compress."""
    etag = stored.driver().stat(KEY).etag
    for method in ("GET", "HEAD"):
        proxy.on(ChangeHeaders({"ETag": f'W/"{etag}"'}), method=method, times=None)
    proxy.on(CutAnswer(100_000), **GET)
    driver = stored.driver()
    with driver.open_reader(KEY, etag=driver.stat(KEY).etag) as reader:
        assert b"".join(reader) == DATA


def test_another_object_is_never_taken_for_the_rest(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    driver = stored.driver(part_size=1024**2)
    with driver.open_reader(KEY) as reader:
        begun = reader.read(1000)
        driver.delete(KEY)
        stored.put(driver, DATA[::-1])
        with pytest.raises(errors.ObjectChanged):
            begun += b"".join(reader)
    assert DATA.startswith(begun)


def test_another_etag_is_noticed_if_the_server_does_not_compare(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    proxy.on(ChangeHeaders({"ETag": '"another"'}), **GET, skip=1)
    with stored.driver().open_reader(KEY) as reader, pytest.raises(errors.ObjectChanged):
        b"".join(reader)


def test_another_size_is_another_object(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    proxy.on(ChangeHeaders({"Content-Range": "bytes 100000-299999/300001"}), **GET, skip=1)
    with stored.driver(read_concurrency=1).open_reader(KEY) as reader, pytest.raises(errors.ObjectChanged):
        b"".join(reader)


def test_a_server_that_cannot_compare_is_asked_without_etag(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    proxy.on(s3_error(501, "NotImplemented"), **GET, skip=1)
    assert get(stored.driver(read_concurrency=1)) == DATA
    assert ["if-match" in seen.headers for seen in proxy.seen(**GET)] == [False, True, False]


def test_an_object_that_goes_away_is_gone(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(CutAnswer(100_000), **GET)
    driver = stored.driver()
    with driver.open_reader(KEY) as reader:
        reader.read(1000)
        driver.delete(KEY)
        with pytest.raises(errors.ObjectNotFound):
            b"".join(reader)
    stored.kept.clear()


def test_a_server_that_ignores_a_range_is_noticed(stored: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(ChangeHeaders({"Content-Range": None}), **GET, times=None)
    with pytest.raises(errors.StoreUnavailable, match="range"):
        stored.driver().open_reader(KEY, start=5)


def test_a_bucket_that_is_gone_is_not_an_object_that_is_gone(swift_place: SwiftPlace) -> None:
    driver = swift_place.driver(bucket="another-bucket")
    for ask in (driver.stat, driver.open_reader, driver.delete):
        with pytest.raises(errors.StoreUnavailable, match="NoSuchBucket"):
            ask(KEY)


def test_a_refusal_is_the_stores_fault(stored: SwiftPlace, proxy: FaultProxy) -> None:
    for status, code in ((403, "AccessDenied"), (400, "ExpiredToken"), (403, "InvalidObjectState")):
        proxy.heal()
        proxy.on(s3_error(status, code), **GET, times=None)
        with pytest.raises(errors.StoreUnavailable, match=code):
            stored.driver().open_reader(KEY)
    proxy.on(ReplaceAnswer(500), method="HEAD", times=None)
    with pytest.raises(errors.StoreUnavailable, match="500"):
        stored.driver().stat(KEY)


@pytest.mark.parametrize("ahead", [1, 2])
def test_an_answer_without_an_etag_is_read_but_not_resumed(stored: SwiftPlace, proxy: FaultProxy, ahead: int) -> None:
    """Nor read ahead: nobody could say whether the next range is of the same object."""
    proxy.on(ChangeHeaders({"ETag": None}), **GET, times=None)
    driver = stored.driver(read_concurrency=ahead)
    assert get(driver) == DATA
    proxy.on(CutAnswer(100_000), **GET, skip=ahead - 1)
    with driver.open_reader(KEY) as reader, pytest.raises(errors.ObjectChanged, match="ETag"):
        b"".join(reader)
