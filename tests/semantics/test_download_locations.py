"""Downloads of images that are in two stores, over real HTTP: a store that is down, or breaks, or is not what it was.

The second copy is made by the service itself, so both locations are of the image.
"""

from __future__ import annotations

import hashlib
import http.client
import random

import pytest

from imgstore.driver import ObjectReader
from imgstore.model import MIB
from tests.semantics.house import House, Tenant

PIECE = 65536
CONTENT = random.Random(11).randbytes(3 * MIB)
SIZE = len(CONTENT)
PREFER = "?prefer=faulty"


@pytest.fixture
def image_id(tenant: Tenant) -> str:
    """In `faulty` and in `slow`."""
    made = tenant.active(CONTENT, ("X-Image-Meta-Store", "faulty"))
    assert tenant.copy(made, stores=["slow"]).status == 202
    assert tenant.copied(made)["stores"] == "slow,faulty"
    return made


@pytest.fixture
def slow(house: House, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the readers of `slow` began."""
    began: list[int] = []
    driver = house.stores.resolve("slow").driver
    real = driver._open_reader

    def open_reader(key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        began.append(start)
        return real(key, start, stop, etag)

    monkeypatch.setattr(driver, "_open_reader", open_reader)
    return began


def test_locations_have_keys_of_the_image_that_differ(tenant: Tenant, image_id: str) -> None:
    assert set(tenant.objects(image_id)) == {f"faulty/{image_id}", f"slow/{image_id}.2"}


def test_prefer_is_the_order_of_stores_and_then_the_weight(
    tenant: Tenant, house: House, image_id: str, slow: list[int]
) -> None:
    for query, served in (
        ("", slow), ("slow", slow), ("slow,faulty", slow), ("frozen", slow),
        ("faulty", house.faulty.opened), ("faulty,slow", house.faulty.opened), ("frozen,faulty", house.faulty.opened),
        ("x&prefer=faulty", house.faulty.opened), ("faulty%2C%20slow", house.faulty.opened),
    ):  # fmt: skip
        slow.clear()
        house.faulty.opened.clear()
        answer = tenant.get(image_id, query=f"?prefer={query}".replace("prefer=x&", "x=y&") if query else "")
        assert (answer.status, answer.body) == (200, CONTENT)
        assert len(slow) + len(house.faulty.opened) == len(served) == 1, query


def test_store_that_is_down_before_the_body(tenant: Tenant, house: House, image_id: str) -> None:
    for query in ("", PREFER):
        for method in ("GET", "HEAD"):
            down = house.faulty.failing("open for reading", TimeoutError())
            with down if query else house.without_place("slow"):
                answer = tenant.get(image_id, query=query, method=method)
            assert (answer.status, answer.body) == (200, CONTENT if method == "GET" else b"")
            assert answer.headers["content-length"] == str(SIZE)


def test_object_that_is_gone_while_another_location_is_down(tenant: Tenant, house: House, image_id: str) -> None:
    house.stores.resolve("slow").driver.delete(f"{image_id}.2")
    with house.faulty.failing("open for reading", TimeoutError()):
        answer = tenant.get(image_id)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert tenant.get(image_id).body == CONTENT


@pytest.mark.usefixtures("each_storage")
def test_store_that_breaks_in_the_middle_is_followed_at_the_same_byte(
    tenant: Tenant, house: House, image_id: str, slow: list[int]
) -> None:
    for at in (0, MIB, SIZE - PIECE):
        slow.clear()
        house.faulty.opened.clear()
        with house.faulty.failing("read", ConnectionResetError(), after=at):
            answer = tenant.get(image_id, query=PREFER)
        assert (answer.status, answer.body) == (200, CONTENT)
        assert house.faulty.opened == [(image_id, 0), (image_id, at)], "the same object was tried first"
        assert slow == [at]
        assert answer.headers["etag"] == f'"{hashlib.sha512(answer.body).hexdigest()}"'


def test_part_of_an_image_too(tenant: Tenant, house: House, image_id: str, slow: list[int]) -> None:
    for first, last in ((100, SIZE - 100), (MIB - 1, MIB + 1)):
        slow.clear()
        with house.faulty.failing("read", ConnectionResetError(), after=first + 1):
            answer = tenant.get(image_id, ("Range", f"bytes={first}-{last}"), query=PREFER)
        assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
        assert len(slow) == (last - first > PIECE), "one piece is read before the break"


def test_never_short_the_client_notices_if_both_break(tenant: Tenant, house: House, image_id: str) -> None:
    with (
        house.without_place("slow"),
        house.faulty.failing("read", ConnectionResetError(), after=MIB),
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        tenant.get(image_id, query=PREFER)
    assert caught.value.partial == CONTENT[:MIB]
    assert tenant.get(image_id).body == CONTENT


@pytest.mark.usefixtures("each_storage")
@pytest.mark.parametrize("other", [CONTENT[:-1], CONTENT + b"x"], ids=["shorter", "longer"])
def test_location_that_holds_another_size_is_no_continuation(
    tenant: Tenant, house: House, image_id: str, other: bytes
) -> None:
    house.overwrite("slow", f"{image_id}.2", other)
    with (
        house.faulty.failing("read", ConnectionResetError(), after=MIB),
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        tenant.get(image_id, query=PREFER)
    assert caught.value.partial == CONTENT[:MIB]
    assert tenant.get(image_id).body == CONTENT, "the other location serves"


def test_bytes_that_somebody_replaced_are_the_clients_to_notice(tenant: Tenant, house: House, image_id: str) -> None:
    """Of the same size, and behind the service's back: no store and no catalog tells. The answer's digests do, which
    are the image's and not those of the bytes."""
    house.overwrite("slow", f"{image_id}.2", CONTENT[::-1])
    with house.faulty.failing("read", ConnectionResetError(), after=MIB):
        answer = tenant.get(image_id, query=PREFER)
    assert answer.body == CONTENT[:MIB] + CONTENT[::-1][MIB:]
    assert answer.headers["etag"] == f'"{hashlib.sha512(CONTENT).hexdigest()}"'
    assert answer.headers["content-md5"] == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
