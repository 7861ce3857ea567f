"""Law 9, never end short in silence: exactly the bytes promised, of one object, or an error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.transfers.download import Download
from tests.core.scripted import Opening, Reading, ScriptedDriver

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


def order_of(reading: Reading, drivers: dict[str, ScriptedDriver], prefer: list[str]) -> list[str]:
    seen: list[str] = []
    for name, driver in drivers.items():
        driver.opened = Noting(name, seen)
    with pytest.raises(errors.DataGone):
        reading.read(prefer=prefer)
    return seen


class Noting(list[tuple[int, "int | None", "str | None"]]):
    """A list of openings that notes whose they are."""

    def __init__(self, name: str, seen: list[str]) -> None:
        super().__init__()
        self._name = name
        self._seen = seen

    def append(self, item: tuple[int, int | None, str | None]) -> None:
        self._seen.append(self._name)


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
    reading = Reading(drivers, size=100, weights=weights)
    assert order_of(reading, drivers, prefer) == list(order)


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


def test_data_missing_everywhere_is_gone() -> None:
    with pytest.raises(errors.DataGone) as caught:
        Reading({name: ScriptedDriver(NOT_THERE) for name in "ab"}, size=100).read()
    assert caught.value.status == 410


@pytest.mark.parametrize("order", ["first", "last"])
def test_data_that_may_come_back_is_503(order: str) -> None:
    openings = [DOWN, NOT_THERE] if order == "first" else [NOT_THERE, DOWN]
    drivers = {name: ScriptedDriver(opening) for name, opening in zip("ab", openings, strict=True)}
    with pytest.raises(errors.StoreUnavailable) as caught:
        Reading(drivers, size=100).read()
    assert caught.value.store == ("a" if order == "first" else "b")


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


def test_next_location_goes_on_in_the_middle_of_the_body() -> None:
    drivers = {"a": ScriptedDriver(Opening(BODY, breaks_at=37), DOWN), "b": ScriptedDriver(Opening(BODY, etag="b1"))}
    reading = Reading(drivers, size=100)
    assert reading.read() == BODY
    assert drivers["b"].opened == [(37, 100, None)]
    assert all(driver.all_closed for driver in drivers.values())


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


@given(breaks=st.lists(st.integers(0, 99), max_size=8), start=st.integers(0, 99), step=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_whatever_breaks_the_bytes_are_a_true_beginning_and_shortness_is_told(
    breaks: list[int], start: int, step: int
) -> None:
    openings = [Opening(BODY, breaks_at=at, step=step) for at in breaks]
    reading, driver = one(*openings, Opening(BODY, step=step), resumes=2)
    got = bytearray()
    try:
        with reading.service.open(reading.image, start=start) as download:
            drain(download, got)
    except errors.StoreUnavailable:
        assert BODY[start:].startswith(got)
    else:
        assert bytes(got) == BODY[start:]
    assert driver.all_closed


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


class Sticky(ScriptedDriver):
    """Its readers cannot be closed."""

    def _open_reader(self, key, start, stop, etag):  # type: ignore[no-untyped-def]  # signature is the base class's
        reader = super()._open_reader(key, start, stop, etag)

        def close() -> None:
            raise OSError(5, "cannot close")

        reader._close = close  # type: ignore[method-assign]  # the fault
        return reader


def test_failing_close_is_logged_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    reading = Reading({"a": Sticky(GOOD)}, size=100)
    assert reading.read() == BODY
    assert "Could not close" in caplog.text
    with pytest.raises(ZeroDivisionError), reading.service.open(reading.image):
        raise ZeroDivisionError


def test_find_and_length() -> None:
    reading, _ = one(GOOD)
    image = reading.service.find("i")
    with reading.service.open(image, start=10, stop=30) as download:
        assert (download.length, download.start, download.stop) == (20, 10, 30)
