"""Uploads to several stores at once: in all of them or in none, or in at least one; and off unless configured."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.model import MIB
from tests.semantics.conftest import SEVERAL_QUOTA
from tests.semantics.house import CHUNKED, OCTETS, House, Tenant
from tests.semantics.test_upload_broken_body import assert_breaks_off, assert_deletion_ends_it
from tests.semantics.test_upload_refused_at_once import TEN, doomed
from tests.semantics.test_upload_store_failures import DOWN, POINTS, ROWS, assert_refused
from tests.semantics.wire import LAST_CHUNK, chunk

CONTENT = bytes(range(256)) * (2 * MIB // 256)
FAULTY = ("X-Image-Meta-Store", "fast,faulty")
framings = pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
each_storage = pytest.mark.usefixtures("each_storage")


def to(*stores: str) -> tuple[str, str]:
    return "X-Image-Meta-Store", ",".join(stores)


def assert_deleted(tenant: Tenant, image_id: str) -> None:
    """The image can be deleted, and no store and no account knows of it."""
    tenant.delete(image_id)
    assert tenant.objects(image_id) == {}
    assert tenant.quota == (0, 0)


@each_storage
@framings
def test_each_store_has_the_image(all_tenant: Tenant, chunked: bool) -> None:
    for content, *stores in ((b"", "fast", "slow"), (CONTENT, "slow", "faulty", "fast")):
        image_id = all_tenant.create()
        assert all_tenant.put_framed(image_id, content, to(*stores), chunked=chunked).status == 204
        all_tenant.assert_stored(image_id, content, *stores)
        assert_deleted(all_tenant, image_id)


def test_header_names_none_or_one_or_is_a_list_with_blanks_or_repeated(all_tenant: Tenant) -> None:
    for headers, *stores in (
        ([], "fast"), ([to("slow")], "slow"), ([to(" slow ", " fast ")], "slow", "fast"),
        ([to("fast"), to("slow")], "fast", "slow"),
    ):  # fmt: skip
        image_id = all_tenant.create()
        assert all_tenant.put(image_id, b"data", *headers).status == 204
        all_tenant.assert_stored(image_id, b"data", *stores)
        assert_deleted(all_tenant, image_id)


REFUSED = {
    "unknown": ("fast,nope", 400, "'nope'"),
    "only unknown": ("nope,nada", 400, "'nope'"),
    "twice": ("fast,slow,fast", 400, "'fast' is named twice"),
    "empty element": ("fast,,slow", 400, "comma-separated"),
    "comma at the end": ("fast,", 400, "comma-separated"),
    "read-only": ("fast,frozen", 410, "'frozen': Adding images to store is disabled."),
}


def test_refuse_early_before_the_first_byte(all_house: House, any_house: House, subtests: pytest.Subtests) -> None:
    for name, (header, status, said) in REFUSED.items():
        for house in (all_house, any_house):
            with subtests.test(name):
                tenant = Tenant(house)
                image_id = tenant.create()
                answer = doomed(tenant, image_id, OCTETS, TEN, ("X-Image-Meta-Store", header))
                assert (answer.status, said in answer.message) == (status, True), answer.message
                tenant.assert_refused_without_trace(image_id)


def test_off_a_list_is_an_unknown_store(tenant: Tenant) -> None:
    image_id = tenant.create()
    answer = tenant.put(image_id, CONTENT, to("fast", "slow"))
    assert (answer.status, answer.json["code"]) == (400, "unknown-store")
    assert "'fast,slow'" in answer.message
    tenant.assert_refused_without_trace(image_id)


def assert_one(house: House, point: str, row: tuple[Exception, int], *, chunked: bool) -> None:
    """A store that fails at this point is left out, and whatever it kept is remembered."""
    tenant, (failure, _) = Tenant(house), row
    image_id = tenant.create()
    with house.faulty.failing(point, failure, after=MIB if point == "write" else 0):
        assert tenant.put_framed(image_id, CONTENT, FAULTY, chunked=chunked).status == 204
    tenant.assert_stored(image_id, CONTENT, "fast")
    (removal,) = house.service.catalog.removals(image_id)
    assert (removal.store, removal.key) == ("faulty", image_id)
    assert_deleted(tenant, image_id)
    assert house.service.catalog.removals(image_id) == []


def test_any_failure_fails_all_stores_or_one(all_house: House, any_house: House, subtests: pytest.Subtests) -> None:
    for name, row in ROWS.items():
        with subtests.test(name):
            assert_refused(Tenant(all_house), "write", row, chunked=False, store=FAULTY)
            assert_one(any_house, "write", row, chunked=False)


@each_storage
@pytest.mark.parametrize("point", POINTS)
@framings
def test_undone_all_or_nothing_wherever_a_store_fails(all_tenant: Tenant, point: str, chunked: bool) -> None:
    assert_refused(all_tenant, point, DOWN, chunked=chunked, store=FAULTY)


@each_storage
@pytest.mark.parametrize("point", POINTS)
@framings
def test_at_least_one_wherever_a_store_fails(
    any_house: House, point: str, chunked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert_one(any_house, point, DOWN, chunked=chunked)
    assert "Store faulty is left out of an upload" in caplog.text


@pytest.mark.parametrize("point", POINTS)
def test_at_least_one_and_none_is_left(any_tenant: Tenant, any_house: House, point: str) -> None:
    image_id = any_tenant.create()
    with any_house.without_place("slow"), any_house.faulty.failing(point, errors.StoreUnavailable("down")):
        answer = any_tenant.put(image_id, CONTENT, to("slow", "faulty"))
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    any_tenant.assert_refused_without_trace(image_id)


@framings
def test_held_quota_counts_each_copy(all_house: House, any_house: House, chunked: bool) -> None:
    size, stores = SEVERAL_QUOTA // 3 + 1, to("fast", "slow", "faulty")
    for tenant in (Tenant(all_house), Tenant(any_house)):
        image_id = tenant.create()
        answer = tenant.put_framed(image_id, bytes(size), stores, chunked=chunked)
        assert (answer.status, answer.json["code"]) == (413, "quota-exceeded")
        tenant.assert_no_trace(image_id)
        assert tenant.put_framed(image_id, bytes(size - 1), stores, chunked=chunked).status == 204
        assert tenant.quota == (3 * (size - 1), 0)
        assert_deleted(tenant, image_id)


@each_storage
@pytest.mark.parametrize("end", ["half-close", "reset"])
def test_undone_in_every_store_when_the_client_breaks_off(all_tenant: Tenant, end: str) -> None:
    assert_breaks_off(all_tenant, end, chunk(bytes(2 * MIB)), CHUNKED, to("fast", "slow", "faulty"))


@each_storage
def test_image_deleted_during_the_upload_leaves_nothing_in_any_store(all_tenant: Tenant) -> None:
    assert_deletion_ends_it(all_tenant, chunk(CONTENT) + LAST_CHUNK, CHUNKED, to("fast", "slow"))
