"""Law 9 over several locations: what breaks in one goes on in the next, at the same byte, and only of one image."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from tests.core.scripted import Opening, Reading, ScriptedDriver
from tests.core.test_download import drain

BODY = bytes(range(100))
OTHER = bytes(reversed(BODY))
SIZE = len(BODY)


def reading_of(**openings: list[Opening]) -> tuple[Reading, dict[str, ScriptedDriver]]:
    drivers = {name: ScriptedDriver(*script) for name, script in openings.items()}
    return Reading(drivers, size=SIZE), drivers


@pytest.mark.parametrize("at", [0, 1, 37, 99])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (10, 90), (99, 100)])
def test_next_location_is_opened_at_the_byte_that_is_missing(at: int, start: int, stop: int | None) -> None:
    down = Opening(error=errors.StoreUnavailable("down"))
    reading, drivers = reading_of(a=[Opening(BODY, breaks_at=at), down], b=[Opening(BODY, etag="b's own")])
    end = SIZE if stop is None else stop
    assert reading.read(start=start, stop=stop) == BODY[start:end]
    if start <= at < end:
        assert drivers["b"].opened == [(max(start, at), end, None)]
    assert all(driver.all_closed for driver in drivers.values())


@pytest.mark.parametrize("at", [1, 37, 99])
def test_object_that_changed_is_not_read_on_but_the_next_location_is(at: int) -> None:
    """Within one location the ETag pins the object."""
    reading, drivers = reading_of(a=[Opening(BODY, breaks_at=at), Opening(OTHER, etag="v2")], b=[Opening(BODY)])
    assert reading.read() == BODY
    assert [etag for _, _, etag in drivers["a"].opened] == [None, *["v1"] * 3]
    assert drivers["b"].opened == [(at, SIZE, None)]


@pytest.mark.parametrize("other", [BODY[:99], BODY + b"x", b""])
def test_location_whose_object_has_another_size_is_passed_over_in_the_middle_too(other: bytes) -> None:
    reading, drivers = reading_of(a=[Opening(BODY, etag=None, breaks_at=50)], b=[Opening(other)], c=[Opening(BODY)])
    assert reading.read() == BODY
    assert drivers["c"].opened == [(50, SIZE, None)]
    assert all(driver.all_closed for driver in drivers.values())


def test_locations_that_are_used_up_end_the_download_with_the_last_reason() -> None:
    reading, _ = reading_of(a=[Opening(BODY, etag=None, breaks_at=50)], b=[Opening(BODY, etag=None, breaks_at=70)])
    got = bytearray()
    with reading.service.open(reading.image) as download, pytest.raises(errors.StoreUnavailable) as caught:
        drain(download, got)
    assert bytes(got) == BODY[:70]
    assert caught.value.store == "b"


GOOD = st.builds(Opening, st.just(BODY), step=st.integers(1, 60))
FAILS = st.one_of(
    st.builds(Opening, st.just(BODY), step=st.integers(1, 60), breaks_at=st.integers(0, 99)),
    st.builds(Opening, st.just(BODY), etag=st.none(), breaks_at=st.integers(0, 99)),
    st.builds(Opening, st.just(BODY), breaks_at=st.integers(0, 99), breaks_with=st.none()),
    st.builds(Opening, error=st.sampled_from([errors.ObjectNotFound("gone"), errors.StoreUnavailable("down")])),
    st.builds(Opening, st.sampled_from([BODY[:50], BODY + b"more", b""])),
)
CHANGED = st.just(Opening(OTHER, etag="changed"))
"""Only after an opening of the image's own object: before it nobody could tell."""

SCRIPTS = st.one_of(
    st.lists(GOOD, min_size=1, max_size=1),
    st.lists(FAILS, min_size=1, max_size=4),
    st.tuples(st.builds(Opening, st.just(BODY), breaks_at=st.integers(0, 99)), CHANGED).map(list),
)


@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=3), start=st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_whatever_the_locations_do_the_bytes_are_the_images_and_whole_if_one_is_good(
    scripts: list[list[Opening]], start: int
) -> None:
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
