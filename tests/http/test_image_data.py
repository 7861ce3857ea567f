"""What ImageData promises to a host of its own: uploads that it pushes, and downloads beyond what HTTP shows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from imgstore import errors
from imgstore.http import ImageData, ranges
from imgstore.http.digest_fields import repr_digest
from imgstore.model import StoredImage
from imgstore.transfers.upload import UploadSettings
from tests.http.house import OCTETS, House

TEN = OCTETS | {"content-length": "10"}


def test_exchange_that_is_left_or_aborted_leaves_nothing(house: House) -> None:
    image_id = house.image()
    with house.data.begin_upload(image_id, TEN) as left:
        assert (left.body_length, left.readable) == (10, 10)
        left.write(b"x")
    short = house.data.begin_upload(image_id, TEN)
    short.write(b"012345678")
    with pytest.raises(errors.BodyBroken, match="9 of 10 bytes"):
        short.finish()
    aborted = house.data.begin_upload(image_id, TEN)
    aborted.write(b"x")
    aborted.abort()
    aborted.abort()
    with pytest.raises(errors.UsageError):
        aborted.write(b"x")
    broken = house.data.begin_upload(image_id, TEN)
    broken.write(b"x")
    with pytest.raises(ZeroDivisionError), broken:
        raise ZeroDivisionError
    house.assert_refused_without_trace(image_id)


def test_what_the_host_refuses_at_the_end_is_passed_through_and_undone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that expired during the upload, say."""

    def refuse(*args: object) -> None:
        raise errors.Unauthenticated("The token has expired.")

    image_id = house.image()
    with house.data.begin_upload(image_id, OCTETS | {"content-length": "4"}) as exchange:
        exchange.write(b"data")
        with monkeypatch.context() as patched:
            patched.setattr(house.catalog, "activate", refuse)
            with pytest.raises(errors.Unauthenticated):
                exchange.finish()
    house.assert_refused_without_trace(image_id)


def test_without_the_checksum_there_is_no_content_md5() -> None:
    for checksum in (True, False):
        house = House(settings=UploadSettings(checksum=checksum))
        response = house.data.download(house.active(b"data"), {})
        assert ("Content-MD5" in dict(response.headers)) is checksum
        response.close()


def test_repr_digest_names_what_rfc_9530_calls_safe() -> None:
    for algorithm, value, named in (
        ("sha256", "00ff" * 16, "sha-256=:AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8=:"),
        ("md5", "00" * 16, None), ("blake2b", "00" * 64, None), ("sha256", "not hex", None), ("sha256", None, None),
        (None, None, None),
    ):  # fmt: skip
        assert repr_digest(algorithm, value) == named


def test_refuse_early_a_range_without_a_byte_asks_no_store() -> None:
    for value in ("bytes=9-5", "bytes=1000-", "bytes=-0", "bytes=\u0661-"):
        with pytest.raises(errors.RangeNotSatisfiable):
            ranges.requested({"range": value}, 1000, etag=None)


@pytest.mark.parametrize("lost", [{"locations": ()}, {"size": None}])
def test_active_image_of_which_the_catalog_knows_no_data_is_gone(house: House, lost: dict[str, None]) -> None:
    image_id = house.active(b"data")
    row = house.catalog._rows[image_id]
    image: StoredImage = replace(row.image, **lost)  # type: ignore[arg-type]  # by name from the table
    house.catalog._rows[image_id] = replace(row, image=image)
    for head in (False, True):
        with pytest.raises(errors.DataGone):
            house.data.download(image_id, {}, head=head)


def test_closing_the_response_closes_the_read(house: House) -> None:
    response = house.data.download(house.active(b"data"), {})
    response.close()
    with pytest.raises(errors.UsageError):
        b"".join(response.body)
    response.close()


def numbered(image_id: str) -> bool:
    """As a host with numbers has it, which forgot what else a path may hold."""
    return int(image_id) > 0


def test_host_says_what_an_identifier_is(caplog: pytest.LogCaptureFixture) -> None:
    for image_ids, taken, refused in (
        (r"[a-z]+(-[0-9]+)?", "debian-12", ("debian-12\n", "x/y", "UP")),
        (re.compile(r"[0-9]{1,18}"), "17", ("-1", "")),
        (lambda image_id: True, "a." + "b" * 188, ("x.2", ".x", "a/b", "\u0663", "x" * 191, "x y", "a\0")),
    ):
        house = House()
        data = ImageData(house.uploads, house.downloads, image_ids=image_ids)
        house.catalog.create(taken)
        for _ in range(2):
            with data.begin_upload(taken, OCTETS | {"content-length": "1"}) as exchange:
                exchange.abort()
        with data.begin_upload(taken, OCTETS | {"content-length": "1"}) as exchange:
            exchange.write(b"x")
            exchange.finish()
        assert house.objects() == {f"fast/{taken}.3": b"x"}
        assert data.download(taken, {}).status == 200
        for image_id in refused:
            with pytest.raises(errors.ImageNotFound):
                data.download(image_id, {})
            with pytest.raises(errors.ImageNotFound):
                data.begin_upload(image_id, OCTETS | {"content-length": "1"})
    told = [record.getMessage().partition("; ")[0] for record in caplog.records]
    rule = "image_ids of ImageData says what an identifier is"
    assert told == [
        rf"No image can have the identifier 'debian-12\n': {rule}", f"No image can have the identifier '-1': {rule}",
        "No image can have the identifier 'x.2': no key can be made of it",
    ]  # fmt: skip


def test_identifiers_that_cannot_be_told_are_the_hosts_mistake(house: House) -> None:
    neither: list[Any] = ["[", None]
    for image_ids in neither:
        with pytest.raises(errors.UsageError, match="regular expression"):
            ImageData(house.uploads, house.downloads, image_ids=image_ids)
    silent: Any = dict[str, bool]().get
    for function, words in ((numbered, "The host's image_ids raised"), (silent, "returned None")):
        with pytest.raises(errors.UsageError, match=words):
            ImageData(house.uploads, house.downloads, image_ids=function).download("x", {})
