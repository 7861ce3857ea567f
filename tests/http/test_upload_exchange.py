"""An exchange whose body is pushed by a host of its own: nothing is left of what did not end well."""

from __future__ import annotations

import pytest

from imgstore import errors
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
