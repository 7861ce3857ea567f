"""The body of a PUT, pushed into an exchange: exact to the byte, and nothing left of what did not end well."""

from __future__ import annotations

import hashlib

import pytest

from imgstore import errors
from tests.http.house import OCTETS, House

N = 1000
SIZE = "x-openstack-image-size"
TEN = OCTETS | {"content-length": "10"}
DECLARED: dict[str, tuple[dict[str, str], type[errors.RequestError]]] = {
    "Content-Length": ({"content-length": str(N)}, errors.BodyBroken),
    "the size header": ({"transfer-encoding": "chunked", SIZE: str(N)}, errors.SizeMismatch),
    "both": ({"content-length": str(N), SIZE: str(N)}, errors.BodyBroken),
}
declared = pytest.mark.parametrize(("headers", "short"), DECLARED.values(), ids=DECLARED)


@declared
def test_exact_to_the_byte(house: House, headers: dict[str, str], short: type[errors.RequestError]) -> None:
    content = bytes(range(250)) * 4
    for step in (1, 7, N):
        image_id = house.image()
        with house.data.begin_upload(image_id, OCTETS | headers) as exchange:
            for start in range(0, N, step):
                exchange.write(content[start : start + step])
            answer = exchange.finish()
        assert (answer.status, answer.headers, tuple(answer.body)) == (204, (), ())
        found = house.found(image_id)
        assert (found.status, found.size) == ("active", N)
        assert found.hash_value == hashlib.sha512(content).hexdigest()
        assert house.objects()[f"fast/{image_id}"] == content


@declared
def test_one_byte_more_or_less_is_refused(
    house: House, headers: dict[str, str], short: type[errors.RequestError]
) -> None:
    """A body that ends before its Content-Length was cut off; a chunked one that ends early is whole, and too small."""
    image_id = house.image()
    with house.data.begin_upload(image_id, OCTETS | headers) as exchange:
        exchange.write(bytes(N))
        with pytest.raises(errors.SizeMismatch):
            exchange.write(b"x")
    with house.data.begin_upload(image_id, OCTETS | headers) as exchange:
        exchange.write(bytes(N - 1))
        with pytest.raises(errors.RequestError, match="999") as caught:
            exchange.finish()
    assert (type(caught.value), caught.value.status) == (short, 400)
    house.assert_refused_without_trace(image_id)


def test_exchange_that_is_left_or_aborted_leaves_nothing(house: House) -> None:
    image_id = house.image()
    with house.data.begin_upload(image_id, TEN) as left:
        left.write(b"x")
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
