"""What a download says beyond the table of the Image API, which `tests/semantics` tries over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgstore import errors
from imgstore.http import ranges
from imgstore.model import StoredImage
from imgstore.transfers.upload import UploadSettings
from tests.http.house import House


def test_without_the_checksum_there_is_no_content_md5() -> None:
    for checksum in (True, False):
        house = House(settings=UploadSettings(checksum=checksum))
        response = house.data.download(house.active(b"data"), {})
        assert ("Content-MD5" in dict(response.headers)) is checksum
        response.close()


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
