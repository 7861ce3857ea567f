"""The answers to GET and HEAD, as the table of the Image API has them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from imgstore import errors
from imgstore.http import Response, error_response, ranges
from imgstore.model import Location, StoredImage
from imgstore.transfers.upload import UploadSettings
from tests.http.house import OCTETS, House

CONTENT = bytes(range(250)) * 4
SHA512 = hashlib.sha512(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
ETAG = f'"{SHA512}"'
COMMON = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "ETag": ETAG}
WHOLE = COMMON | {"Content-Length": "1000", "Content-MD5": MD5}


def get(house: House, image_id: str, *, query: str = "", head: bool = False, **headers: str) -> tuple[Response, bytes]:
    """The response and its whole body; header names as keywords."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = house.data.download(image_id, named, query, head=head)
    try:
        return response, b"".join(response.body)
    finally:
        response.close()


@pytest.fixture
def image_id(house: House) -> str:
    return house.active(CONTENT)


def test_active_image_is_delivered_whole_and_head_has_its_headers(house: House, image_id: str) -> None:
    response, body = get(house, image_id)
    assert (response.status, response.reason, dict(response.headers), body) == (200, "OK", WHOLE, CONTENT)
    for headers in ({}, {"range": "bytes=0-9"}):
        response, body = get(house, image_id, head=True, **headers)
        assert (response.status, dict(response.headers), body) == (200, WHOLE, b"")


def test_without_the_checksum_there_is_no_content_md5() -> None:
    house = House(settings=UploadSettings(checksum=False))
    response, _ = get(house, house.active(CONTENT))
    assert dict(response.headers) == {name: value for name, value in WHOLE.items() if name != "Content-MD5"}


def test_image_without_data_is_no_content(house: House) -> None:
    image_id = house.image()
    response, body = get(house, image_id, range="bytes=0-9")
    assert (response.status, response.headers, body) == (204, (), b"")
    assert get(house, image_id, head=True)[0].status == 204
    with house.data.begin_upload(image_id, OCTETS | {"content-length": "4"}) as exchange:
        exchange.write(b"data")
        response, body = get(house, image_id)
    assert (response.status, body) == (204, b"")


def test_zero_byte_image_is_empty_and_has_no_range(house: House) -> None:
    image_id = house.active(b"")
    for head in (False, True):
        response, body = get(house, image_id, head=head)
        assert (response.status, dict(response.headers)["Content-Length"], body) == (200, "0", b"")
    for value in ("bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0"):
        with pytest.raises(errors.RangeNotSatisfiable) as caught:
            get(house, image_id, range=value)
        assert dict(error_response(caught.value, {}).headers)["Content-Range"] == "bytes */0"


RANGES = {
    "bytes=0-9": (0, 10), "bytes=0-0": (0, 1), "bytes=990-": (990, 1000), "bytes=-10": (990, 1000),
    "bytes=-1": (999, 1000), "bytes=-5000": (0, 1000), "bytes=-1000": (0, 1000), "bytes=0-999": (0, 1000),
    "bytes=0-99999": (0, 1000), "bytes=999-999": (999, 1000), "bytes=999-1000": (999, 1000),
    "bytes=0-" + "9" * 32: (0, 1000), "Bytes=10-19": (10, 20), "bytes= 10-19 ": (10, 20),
}  # fmt: skip
OLD_RANGES = ("bytes 0-9/1000", "bytes 0-9/*", "Bytes  0-9/1000")


def test_one_range_is_partial_content(house: House, image_id: str, subtests: pytest.Subtests) -> None:
    """Old clients send it as Content-Range."""
    rows: list[tuple[dict[str, Any], tuple[int, int]]] = [({"range": value}, span) for value, span in RANGES.items()]
    rows += [({"content_range": value}, (0, 10)) for value in OLD_RANGES]
    rows += [({"range": "bytes=5-9", "content_range": "bytes 0-9/1000"}, (5, 10))]
    for headers, (start, stop) in rows:
        with subtests.test(str(headers)):
            response, body = get(house, image_id, **headers)
            assert (response.status, response.reason, body) == (206, "Partial Content", CONTENT[start:stop])
            span = {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/1000"}
            assert dict(response.headers) == COMMON | span


NO_RANGES = (
    "bytes=1000-1001", "bytes=1000-", "bytes=-0", "bytes=9-5", "bytes=-", "bytes=", "bytes", "", "0-9", "bytes 0-9",
    "bytes=a-b", "bytes=+1-2", "bytes=1 - 2", "bytes=--5", "items=0-9", "bytes=0-9/1000", "bytes=\u0661-",
    "bytes=0-" + "9" * 5000,
)  # fmt: skip
NO_OLD_RANGES = (
    "bytes 0-1000/1000", "bytes 0-9/999", "bytes 9-5/1000", "bytes */1000", "bytes=0-9", "0-9", "",
)  # fmt: skip


def test_range_without_a_byte_is_not_satisfiable(house: House, image_id: str, subtests: pytest.Subtests) -> None:
    rows = [("range", value) for value in NO_RANGES] + [("content_range", value) for value in NO_OLD_RANGES]
    for name, value in rows:
        headers: dict[str, Any] = {name: value}
        with subtests.test(str(headers)[:40]), pytest.raises(errors.RangeNotSatisfiable) as caught:
            get(house, image_id, **headers)
        response = error_response(caught.value, {})
        assert (response.status, dict(response.headers)["Content-Range"]) == (416, "bytes */1000")
        assert len(str(caught.value)) < 120


def test_refuse_early_a_range_without_a_byte_asks_no_store() -> None:
    for value in ("bytes=9-5", "bytes=1000-", "bytes=-0"):
        with pytest.raises(errors.RangeNotSatisfiable):
            ranges.requested({"range": value}, 1000, etag=None)


def test_several_ranges_are_a_bad_request(house: House, image_id: str) -> None:
    for value in ("bytes=0-1,4-5", "bytes=0-1, 4-5", "bytes=0-1,"):
        with pytest.raises(errors.InvalidRequest):
            get(house, image_id, range=value)


def test_if_none_match_that_matches_is_not_modified(house: House, image_id: str) -> None:
    for value in ("*", ETAG, f"W/{ETAG}", f'"other", {ETAG}', f'"a,b",W/{ETAG},"c"', f'W/"other" , W/{ETAG}'):
        for head in (False, True):
            response, body = get(house, image_id, head=head, if_none_match=value, range="bytes=0-9")
            assert (response.status, response.reason, response.headers) == (304, "Not Modified", (("ETag", ETAG),))
            assert body == b""


def test_if_none_match_that_does_not_match_changes_nothing(house: House, image_id: str) -> None:
    for value in ('"other"', "", SHA512, '"', f'"{SHA512[:-1]}"', '"*"', "w/" + SHA512):
        response, body = get(house, image_id, if_none_match=value)
        assert (response.status, body) == (200, CONTENT), value


def test_if_range_that_does_not_hold_ignores_the_range(house: House, image_id: str) -> None:
    assert get(house, image_id, if_range=ETAG, range="bytes=0-9")[1] == CONTENT[:10]
    for value in ('"other"', f"W/{ETAG}", "Sat, 29 Oct 1994 19:43:31 GMT", ""):
        for asked in ("bytes=0-9", "bytes=5000-"):
            response, body = get(house, image_id, if_range=value, range=asked)
            assert (response.status, body) == (200, CONTENT), value


def _copy_to_slow(house: House, image_id: str, content: bytes) -> None:
    """The same image in both stores; `content` tells from where it was served."""
    with house.slow.open_writer(image_id, size=len(content)) as writer:
        writer.write(content)
        writer.commit()
    row = house.catalog._rows[image_id]
    both = (*row.image.locations, Location("slow", image_id, house.slow.url(image_id)))
    house.catalog._rows[image_id] = replace(row, image=replace(row.image, locations=both))


PREFERENCES = {
    "": "fast", "prefer=fast": "fast", "prefer=slow": "slow", "prefer=slow,fast": "slow", "prefer=fast,slow": "fast",
    "prefer=slow%2C%20fast": "slow", "x=y&prefer=slow&prefer=fast": "slow", "prefer=frozen": "fast",
}  # fmt: skip


def test_prefer_orders_the_stores(house: House) -> None:
    image_id = house.active(b"fast")
    _copy_to_slow(house, image_id, b"slow")
    assert {query: get(house, image_id, query=query)[1].decode() for query in PREFERENCES} == PREFERENCES


def test_prefer_that_names_no_store_is_a_bad_request(house: House, image_id: str) -> None:
    """Whether or not there is data."""
    unknown, malformed = errors.UnknownStore, errors.InvalidRequest
    for query, error in (
        ("nope", unknown), ("fast,nope", unknown), ("", malformed), ("fast,", malformed), ("%00", malformed),
        ("fast%0d%0aX:y", malformed),
    ):  # fmt: skip
        for image in (image_id, house.image()):
            with pytest.raises(errors.ImgstoreError) as caught:
                get(house, image, query=f"prefer={query}")
            assert (type(caught.value), caught.value.status) == (error, 400)


def test_data_that_is_lost_everywhere_is_gone_and_never_no_content(house: House, image_id: str) -> None:
    house.fast.delete(image_id)
    for head in (False, True):
        with pytest.raises(errors.DataGone) as caught:
            get(house, image_id, head=head)
        assert caught.value.status == 410


@pytest.mark.parametrize("lost", [{"locations": ()}, {"size": None}])
def test_active_image_of_which_the_catalog_knows_no_data_is_gone(
    house: House, image_id: str, lost: dict[str, None]
) -> None:
    row = house.catalog._rows[image_id]
    image: StoredImage = replace(row.image, **lost)  # type: ignore[arg-type]  # by name from the table
    house.catalog._rows[image_id] = replace(row, image=image)
    for head in (False, True):
        with pytest.raises(errors.DataGone):
            get(house, image_id, head=head)


def test_image_that_is_not_there_or_not_visible_is_not_found(house: House, image_id: str) -> None:
    with pytest.raises(errors.ImageNotFound):
        get(house, "00000000-0000-4000-8000-000000000000")
    with pytest.raises(errors.ImageNotFound):
        house.data.download(image_id, {}, context="somebody")


def test_closing_the_response_closes_the_read(house: House, image_id: str) -> None:
    response = house.data.download(image_id, {})
    response.close()
    with pytest.raises(errors.UsageError):
        b"".join(response.body)
    response.close()
