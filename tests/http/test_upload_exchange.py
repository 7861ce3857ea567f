"""The body of a PUT, pushed into an exchange: exact to the byte, and nothing left of what did not end well."""

from __future__ import annotations

import hashlib

import pytest

from imgstore import errors
from imgstore.quota import Account
from imgstore.transfers.upload import UploadSettings
from tests.http.house import OCTETS, House

N = 1000
SIZE = "x-openstack-image-size"
DECLARED = {
    "Content-Length": OCTETS | {"content-length": str(N)},
    "the size header": OCTETS | {"transfer-encoding": "chunked", SIZE: str(N)},
    "both": OCTETS | {"content-length": str(N), SIZE: str(N)},
}


@pytest.mark.parametrize("headers", DECLARED.values(), ids=DECLARED)
@pytest.mark.parametrize("step", [1, 7, N])
def test_exact_to_the_byte(headers: dict[str, str], step: int) -> None:
    house = House()
    content = bytes(range(250)) * 4
    image_id = house.image()
    with house.data.begin_upload(image_id, headers) as exchange:
        for start in range(0, N, step):
            exchange.write(content[start : start + step])
        answer = exchange.finish()
    assert (answer.status, answer.headers, tuple(answer.body)) == (204, (), ())
    found = house.found(image_id)
    assert (found.status, found.size) == ("active", N)
    assert found.hash_value == hashlib.sha512(content).hexdigest()
    assert house.objects() == {f"fast/{image_id}": content}


@pytest.mark.parametrize("headers", DECLARED.values(), ids=DECLARED)
def test_one_byte_too_many_is_refused_at_that_byte(headers: dict[str, str]) -> None:
    house = House()
    image_id = house.image()
    with house.data.begin_upload(image_id, headers) as exchange:
        exchange.write(bytes(N))
        with pytest.raises(errors.SizeMismatch):
            exchange.write(b"x")
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize(
    ("declared", "error"),
    [
        ("Content-Length", errors.BodyBroken),
        ("both", errors.BodyBroken),
        ("the size header", errors.SizeMismatch),
    ],
)
def test_one_byte_too_few_is_refused_at_the_end(declared: str, error: type[errors.RequestError]) -> None:
    """A body that ends before its Content-Length was cut off; a chunked one that ends early is whole, and too small."""
    house = House()
    image_id = house.image()
    with house.data.begin_upload(image_id, DECLARED[declared]) as exchange:
        exchange.write(bytes(N - 1))
        with pytest.raises(errors.RequestError) as caught:
            exchange.finish()
    assert (type(caught.value), caught.value.status) == (error, 400)
    assert "999" in str(caught.value)
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("headers", [{}, {"content-length": "0"}, {"transfer-encoding": "chunked"}])
def test_an_empty_body_is_an_empty_image(headers: dict[str, str]) -> None:
    house = House()
    image_id = house.image()
    with house.data.begin_upload(image_id, OCTETS | headers) as exchange:
        assert exchange.body_length == (None if "transfer-encoding" in headers else 0)
        assert exchange.finish().status == 204
    assert (house.found(image_id).status, house.found(image_id).size) == ("active", 0)


def test_a_mutable_buffer_may_be_used_again() -> None:
    house = House()
    image_id = house.image()
    buffer = bytearray(300_000)
    with house.data.begin_upload(image_id, OCTETS | {"transfer-encoding": "chunked"}) as exchange:
        for value in range(5):
            buffer[:] = bytes([value]) * len(buffer)
            exchange.write(buffer)
        exchange.finish()
    content = b"".join(bytes([value]) * len(buffer) for value in range(5))
    assert house.found(image_id).hash_value == hashlib.sha512(content).hexdigest()
    assert house.objects() == {f"fast/{image_id}": content}


def test_an_exchange_that_is_left_unfinished_leaves_nothing() -> None:
    house = House()
    image_id = house.image()
    with house.data.begin_upload(image_id, OCTETS | {"content-length": "10"}) as exchange:
        exchange.write(b"x")
    house.assert_refused_without_trace(image_id)


def test_an_exchange_that_is_aborted_leaves_nothing_and_takes_nothing() -> None:
    house = House()
    image_id = house.image()
    exchange = house.data.begin_upload(image_id, OCTETS | {"content-length": "10"})
    exchange.write(b"x")
    exchange.abort()
    exchange.abort()
    with pytest.raises(errors.UsageError):
        exchange.write(b"x")
    house.assert_refused_without_trace(image_id)


def test_a_foreign_exception_passes_and_leaves_nothing() -> None:
    house = House()
    image_id = house.image()
    exchange = house.data.begin_upload(image_id, OCTETS | {"content-length": "10"})
    exchange.write(b"x")
    with pytest.raises(ZeroDivisionError), exchange:
        raise ZeroDivisionError
    house.assert_refused_without_trace(image_id)


def test_the_limit_is_met_by_a_chunked_body_at_the_byte_that_exceeds() -> None:
    house = House(settings=UploadSettings(max_image_size=10))
    image_id = house.image()
    with house.data.begin_upload(image_id, OCTETS | {"transfer-encoding": "chunked"}) as exchange:
        exchange.write(b"0123456789")
        with pytest.raises(errors.ImageTooLarge):
            exchange.write(b"x")
    house.assert_refused_without_trace(image_id, retry=b"0123456789")


def test_the_quota_is_met_by_a_chunked_body_at_the_byte_that_exceeds() -> None:
    house = House(quota=10)
    image_id = house.image()
    account: Account = house.quota.account("project")
    with house.data.begin_upload(image_id, OCTETS | {"transfer-encoding": "chunked"}) as exchange:
        exchange.write(b"0123456789")
        assert account.held == 10
        with pytest.raises(errors.QuotaExceeded):
            exchange.write(b"x")
    house.assert_refused_without_trace(image_id, retry=b"0123456789")


def test_an_image_deleted_during_the_upload_is_gone_and_so_is_its_data() -> None:
    house = House()
    image_id = house.image()
    with house.data.begin_upload(image_id, OCTETS | {"content-length": "4"}) as exchange:
        exchange.write(b"data")
        house.catalog.delete(image_id)
        with pytest.raises(errors.ImageGone):
            exchange.finish()
    assert house.objects() == {}
    assert house.quota.account("project").used == 0


def test_what_the_host_refuses_at_the_end_is_passed_through_and_nothing_is_left(
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
