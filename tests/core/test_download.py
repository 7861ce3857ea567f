"""Never short: exactly the bytes promised, of one object, from one location or several, or an error."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.transfers.download import Download
from tests.core.scripted import Opening, Reading, ScriptedDriver, ScriptedReader

BODY = bytes(range(100))
OTHER = bytes(reversed(BODY))
NOT_THERE = Opening(error=errors.ObjectNotFound("nothing"))
DOWN = Opening(error=errors.StoreUnavailable("down"))
GOOD = Opening(BODY)


def one(*openings: Opening, resumes: int = 3) -> tuple[Reading, ScriptedDriver]:
    driver = ScriptedDriver(*openings)
    return Reading({"a": driver}, size=len(BODY), resumes=resumes), driver


@given(start=st.integers(0, 100), length=st.integers(0, 100), step=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_range_is_delivered_exactly(start: int, length: int, step: int) -> None:
    stop = min(start + length, 100)
    reading, driver = one(Opening(BODY, step=step))
    assert reading.read(start=start, stop=stop) == BODY[start:stop]
    assert driver.all_closed


@pytest.mark.parametrize(("start", "stop"), [(0, 101), (101, None), (5, 4), (-1, 3)])
def test_range_outside_the_image_is_refused_with_its_size(start: int, stop: int | None) -> None:
    reading, driver = one(GOOD)
    with pytest.raises(errors.RangeNotSatisfiable) as caught:
        reading.read(start=start, stop=stop)
    assert caught.value.size == 100
    assert driver.opened == []


def test_image_without_data_is_not_opened() -> None:
    reading = Reading({"a": ScriptedDriver(GOOD)}, size=1, locations=[])
    with pytest.raises(errors.UsageError):
        reading.read()


@pytest.mark.parametrize(
    ("weights", "prefer", "order"),
    [
        ({}, [], "abc"),
        ({"c": 5}, [], "cab"),
        ({"b": 1, "c": 5}, [], "cba"),
        ({"b": 1, "c": 5}, ["a"], "acb"),
        ({"c": 5}, ["b", "a"], "bac"),
        ({"a": -1}, [], "bca"),
    ],
)
def test_preferred_stores_come_first_then_the_heaviest(weights: dict[str, int], prefer: list[str], order: str) -> None:
    drivers = {name: ScriptedDriver(NOT_THERE) for name in "abc"}
    with pytest.raises(errors.DataGone):
        Reading(drivers, size=100, weights=weights).read(prefer=prefer)
    assert sorted(drivers, key=lambda name: drivers[name].first_opened) == list(order)


def test_unknown_preferred_store_is_refused() -> None:
    reading, driver = one(GOOD)
    with pytest.raises(errors.UnknownStore):
        reading.read(prefer=["nope"])
    assert driver.opened == []


@pytest.mark.parametrize(
    "first", [NOT_THERE, DOWN, Opening(BODY[:50]), Opening(BODY + b"x"), Opening(error=OSError(5, "io"))]
)
def test_next_location_serves_where_the_first_does_not(first: Opening) -> None:
    drivers = {"a": ScriptedDriver(first), "b": ScriptedDriver(GOOD)}
    assert Reading(drivers, size=100).read() == BODY
    assert all(driver.all_closed for driver in drivers.values())


def test_location_in_a_store_that_is_not_enabled_is_passed_over() -> None:
    reading = Reading({"a": ScriptedDriver(GOOD)}, size=100, locations=["gone", "a"])
    assert reading.read() == BODY
    reading = Reading({"a": ScriptedDriver(NOT_THERE)}, size=100, locations=["gone", "a"])
    with pytest.raises(errors.StoreUnavailable):
        reading.read()


@pytest.mark.parametrize(
    ("openings", "error", "status", "store"),
    [
        ([NOT_THERE, NOT_THERE], errors.DataGone, 410, None),
        ([DOWN, NOT_THERE], errors.StoreUnavailable, 503, "a"),
        ([NOT_THERE, DOWN], errors.StoreUnavailable, 503, "b"),
    ],
)
def test_data_missing_everywhere_is_gone_unless_it_may_come_back(
    openings: list[Opening], error: type[errors.ImgstoreError], status: int, store: str | None
) -> None:
    drivers = {name: ScriptedDriver(opening) for name, opening in zip("ab", openings, strict=True)}
    with pytest.raises(error) as caught:
        Reading(drivers, size=100).read()
    assert (caught.value.status, getattr(caught.value, "store", None)) == (status, store)


@pytest.mark.parametrize("kept", [Opening(BODY[:99]), Opening(BODY + b"x"), Opening(b"")])
@pytest.mark.parametrize("stop", [None, 100, 10])
def test_object_of_another_size_than_the_catalog_says_is_not_served(kept: Opening, stop: int | None) -> None:
    reading, driver = one(kept)
    with pytest.raises(errors.IntegrityError) as caught:
        reading.read(stop=stop)
    assert caught.value.status == 503
    assert caught.value.store == "a"
    assert driver.all_closed


BREAKS = [None, OSError(104, "reset"), errors.StoreUnavailable("broken"), RuntimeError("driver's bug")]


@pytest.mark.parametrize("error", BREAKS, ids=["short", "os", "library", "foreign"])
@pytest.mark.parametrize("at", [0, 1, 50, 99])
def test_broken_read_is_resumed_at_the_same_object(at: int, error: Exception | None) -> None:
    reading, driver = one(Opening(BODY, breaks_at=at, breaks_with=error), GOOD)
    assert reading.read() == BODY
    assert driver.opened == [(0, 100, None), (at, 100, "v1")]
    assert len(reading.pauses) == 1
    assert driver.all_closed


def drain(download: Download, got: bytearray) -> None:
    for chunk in download:
        got += chunk


@pytest.mark.parametrize("at", [1, 50, 99])
def test_bytes_of_two_objects_are_never_mixed(at: int) -> None:
    reading, driver = one(Opening(BODY, breaks_at=at), Opening(OTHER, etag="v2"))
    got = bytearray()
    with reading.service.open(reading.image) as download, pytest.raises(errors.ObjectChanged) as caught:
        drain(download, got)
    assert bytes(got) == BODY[:at]
    assert caught.value.store == "a"
    assert driver.all_closed


def test_object_without_etag_is_not_resumed() -> None:
    reading, driver = one(Opening(BODY, etag=None, breaks_at=50), Opening(OTHER, etag=None))
    with pytest.raises(errors.StoreUnavailable):
        reading.read()
    assert len(driver.opened) == 1


@pytest.mark.parametrize("resumes", [0, 1, 3])
def test_resumes_are_bounded_and_their_pauses_grow_with_jitter(resumes: int) -> None:
    reading, driver = one(Opening(BODY, breaks_at=50), resumes=resumes)
    with pytest.raises(errors.StoreUnavailable):
        reading.read()
    assert len(driver.opened) == 1 + resumes
    assert len(reading.pauses) == resumes
    assert all(0.1 * 2**n / 2 <= pause <= 0.1 * 2**n for n, pause in enumerate(reading.pauses, start=1))
    assert driver.all_closed


def test_progress_renews_the_tries() -> None:
    breaks = [Opening(BODY, breaks_at=at) for at in range(5, 100, 5)]
    reading, driver = one(*breaks, GOOD, resumes=1)
    assert reading.read() == BODY
    assert len(driver.opened) == len(breaks) + 1


def test_short_read_is_told_when_nothing_can_go_on() -> None:
    reading, _ = one(Opening(BODY, breaks_at=50, breaks_with=None), resumes=0)
    with pytest.raises(errors.ObjectTruncated, match="50 bytes early") as caught:
        reading.read()
    assert caught.value.store == "a"


@pytest.mark.parametrize("consumed", [0, 1, 3, 10])
def test_leaving_returns_the_reader(consumed: int) -> None:
    reading, driver = one(GOOD)
    with reading.service.open(reading.image) as download:
        chunks = iter(download)
        for _ in range(consumed):
            next(chunks)
    download.close()
    assert [reader.closed for reader in driver.readers] == [1]
    if consumed < 10:
        with pytest.raises(errors.UsageError):
            next(chunks)


def test_download_that_failed_does_not_end_quietly_when_asked_again() -> None:
    reading, _ = one(Opening(BODY, breaks_at=50), resumes=0)
    with reading.service.open(reading.image) as download:
        with pytest.raises(errors.StoreUnavailable):
            list(download)
        with pytest.raises(errors.ImgstoreError):
            list(download)


def test_failing_close_is_logged_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ScriptedReader, "_close", Mock(side_effect=OSError(5, "cannot close")))
    reading, _ = one(GOOD)
    assert reading.read() == BODY
    assert "Could not close" in caplog.text
    with pytest.raises(ZeroDivisionError), reading.service.open(reading.image):
        raise ZeroDivisionError


def test_find_and_length() -> None:
    reading, _ = one(GOOD)
    image = reading.service.find("i")
    with reading.service.open(image, start=10, stop=30) as download:
        assert (download.length, download.start, download.stop) == (20, 10, 30)


def reading_of(**openings: list[Opening]) -> tuple[Reading, dict[str, ScriptedDriver]]:
    drivers = {name: ScriptedDriver(*script) for name, script in openings.items()}
    return Reading(drivers, size=len(BODY)), drivers


@pytest.mark.parametrize("at", [0, 1, 37, 99])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (10, 90), (99, 100)])
def test_next_location_is_opened_at_the_byte_that_is_missing(at: int, start: int, stop: int | None) -> None:
    reading, drivers = reading_of(a=[Opening(BODY, breaks_at=at), DOWN], b=[Opening(BODY, etag="b's own")])
    end = len(BODY) if stop is None else stop
    assert reading.read(start=start, stop=stop) == BODY[start:end]
    if start <= at < end:
        assert drivers["b"].opened == [(max(start, at), end, None)]
    assert all(driver.all_closed for driver in drivers.values())


@pytest.mark.parametrize("at", [1, 37, 99])
def test_object_that_changed_is_not_read_on_but_the_next_location_is(at: int) -> None:
    """Within one location the ETag pins the object."""
    reading, drivers = reading_of(a=[Opening(BODY, breaks_at=at), Opening(OTHER, etag="v2")], b=[Opening(BODY)])
    assert reading.read() == BODY
    assert [etag for _, _, etag in drivers["a"].opened] == [None, "v1"]
    assert drivers["b"].opened == [(at, len(BODY), None)]


def test_one_floor_tries_again_and_in_haste_where_another_location_has_the_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for resumes, tries in ((False, [2, 4]), (True, [1, 1])):
        monkeypatch.setattr(ScriptedReader, "RESUMES", resumes)
        reading, drivers = reading_of(a=[Opening(BODY, breaks_at=50)], b=[Opening(BODY, breaks_at=50)])
        with pytest.raises(errors.StoreUnavailable):
            reading.read()
        assert [len(driver.opened) for driver in drivers.values()] == tries
        assert [driver.haste for driver in drivers.values()] == [True, False]


@pytest.mark.parametrize("other", [BODY[:99], BODY + b"x", b""])
def test_location_of_another_size_is_passed_over_in_the_middle_too(other: bytes) -> None:
    reading, drivers = reading_of(a=[Opening(BODY, etag=None, breaks_at=50)], b=[Opening(other)], c=[Opening(BODY)])
    assert reading.read() == BODY
    assert drivers["c"].opened == [(50, len(BODY), None)]
    assert all(driver.all_closed for driver in drivers.values())


def test_locations_that_are_used_up_end_the_download_with_the_last_reason() -> None:
    reading, _ = reading_of(a=[Opening(BODY, etag=None, breaks_at=50)], b=[Opening(BODY, etag=None, breaks_at=70)])
    got = bytearray()
    with reading.service.open(reading.image) as download, pytest.raises(errors.StoreUnavailable) as caught:
        drain(download, got)
    assert bytes(got) == BODY[:70]
    assert caught.value.store == "b"


WHOLE = st.builds(Opening, st.just(BODY), step=st.integers(1, 60))
BREAKS_OFF = st.builds(Opening, st.just(BODY), step=st.integers(1, 60), breaks_at=st.integers(0, 99))
FAILS = st.one_of(
    BREAKS_OFF,
    st.builds(Opening, st.just(BODY), etag=st.none(), breaks_at=st.integers(0, 99)),
    st.builds(Opening, st.just(BODY), breaks_at=st.integers(0, 99), breaks_with=st.none()),
    st.builds(Opening, error=st.sampled_from([errors.ObjectNotFound("gone"), errors.StoreUnavailable("down")])),
    st.builds(Opening, st.sampled_from([BODY[:50], BODY + b"more", b""])),
)
CHANGED = st.just(Opening(OTHER, etag="changed"))
"""Only after an opening of the image's own object: before it nobody could tell."""

SCRIPTS = st.one_of(
    st.lists(WHOLE, min_size=1, max_size=1),
    st.lists(FAILS, min_size=1, max_size=4),
    st.tuples(BREAKS_OFF, CHANGED).map(list),
    st.tuples(st.lists(BREAKS_OFF, max_size=6), WHOLE).map(lambda script: [*script[0], script[1]]),
)


@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=3), start=st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_bytes_are_the_images_and_whole_if_one_location_is_good(scripts: list[list[Opening]], start: int) -> None:
    reading, drivers = reading_of(**dict(zip("abc", scripts, strict=False)))
    got = bytearray()
    try:
        with reading.service.open(reading.image, start=start) as download:
            drain(download, got)
    except errors.StoreError:
        assert BODY[start:].startswith(got)
        assert not any(len(script) == 1 and is_good(script[0]) for script in scripts)
    else:
        assert bytes(got) == BODY[start:]
    assert all(driver.all_closed for driver in drivers.values())


def is_good(opening: Opening) -> bool:
    return opening.data == BODY and opening.error is None and opening.breaks_at is None
