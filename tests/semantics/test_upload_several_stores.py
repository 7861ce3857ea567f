"""Uploads to several stores at once: in all of them or in none, or in at least one; and off unless configured."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from imgstore import errors
from imgstore.model import MIB
from tests.inspection import headers as formats
from tests.semantics.conftest import LIMIT, SEVERAL_QUOTA
from tests.semantics.house import CHUNKED, OCTETS, WAIT_FOR_100, House, Tenant, file_of
from tests.semantics.test_upload_store_failures import ROWS
from tests.semantics.wire import CONTINUE, chunk

CONTENT = bytes(range(256)) * (3 * MIB // 256)
framings = pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
FAULTY = ("X-Image-Meta-Store", "fast,faulty")


def to(*stores: str) -> tuple[str, str]:
    return "X-Image-Meta-Store", ",".join(stores)


def assert_in(tenant: Tenant, image_id: str, content: bytes, *stores: str) -> None:
    """The image is active, the same in each of the stores, counted so many times; nothing else is there."""
    shown = tenant.show(image_id)
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", len(content), ",".join(stores))
    held = tenant.objects(image_id)
    assert {name.partition("/")[0] for name in held} == set(stores)
    assert set(held.values()) == {content}
    assert tenant.quota == (len(content) * len(stores), 0)
    assert tenant.house.leftovers() == set()
    for store in stores:
        assert tenant.get(image_id, query=f"?prefer={store}").body == content


@framings
@pytest.mark.parametrize("stores", [("fast", "slow"), ("slow", "fast"), ("slow", "faulty", "fast")])
def test_each_store_has_the_image(all_tenant: Tenant, stores: Sequence[str], chunked: bool) -> None:
    image_id = all_tenant.create()
    assert all_tenant.put_framed(image_id, CONTENT, to(*stores), chunked=chunked).status == 204
    assert_in(all_tenant, image_id, CONTENT, *stores)
    all_tenant.delete(image_id)
    assert all_tenant.objects(image_id) == {}
    assert all_tenant.quota == (0, 0)


def test_one_store_and_none_are_as_ever(all_tenant: Tenant) -> None:
    for headers, store in (([], "fast"), ([to("slow")], "slow")):
        image_id = all_tenant.create()
        assert all_tenant.put(image_id, b"data", *headers).status == 204
        assert_in(all_tenant, image_id, b"data", store)
        all_tenant.delete(image_id)


def test_blanks_around_commas_and_a_repeated_header_are_a_list(all_tenant: Tenant) -> None:
    image_id = all_tenant.create()
    assert all_tenant.put(image_id, b"data", ("X-Image-Meta-Store", " slow , fast ")).status == 204
    assert_in(all_tenant, image_id, b"data", "slow", "fast")
    second = all_tenant.create()
    assert all_tenant.put(second, b"", to("fast"), to("slow")).status == 204
    assert all_tenant.show(second)["stores"] == "fast,slow"


def test_empty_image_is_in_each_store(any_tenant: Tenant) -> None:
    image_id = any_tenant.create()
    assert any_tenant.put(image_id, b"", to("fast", "slow")).status == 204
    assert_in(any_tenant, image_id, b"", "fast", "slow")


REFUSED = {
    "unknown": ("fast,nope", 400, "'nope'"),
    "only unknown": ("nope,nada", 400, "'nope'"),
    "twice": ("fast,slow,fast", 400, "'fast' is named twice"),
    "empty element": ("fast,,slow", 400, "separated by commas"),
    "comma at the end": ("fast,", 400, "separated by commas"),
    "read-only": ("fast,frozen", 410, "'frozen': Adding images to store is disabled."),
}


@pytest.mark.parametrize(("header", "status", "said"), REFUSED.values(), ids=REFUSED)
@pytest.mark.usefixtures("new_storage")
@pytest.mark.parametrize("mode", ["all_tenant", "any_tenant"])
def test_law_5_refused_before_the_first_byte(
    request: pytest.FixtureRequest, mode: str, header: str, status: int, said: str
) -> None:
    tenant: Tenant = request.getfixturevalue(mode)
    image_id = tenant.create()
    with tenant.wire() as wire:
        given = [OCTETS, WAIT_FOR_100, ("Content-Length", "10"), ("X-Image-Meta-Store", header)]
        wire.head("PUT", file_of(image_id), [*given, ("X-Project-Id", tenant.project), ("Accept", "application/json")])
        first = wire.socket.recv(len(CONTINUE), socket.MSG_PEEK)
        assert first.startswith(b"HTTP/1.1 4"), "no 100 Continue came"
        answer = wire.answer()
    assert (answer.status, said in answer.message) == (status, True), answer.message
    tenant.assert_refused_without_trace(image_id)


def test_off_a_list_is_an_unknown_store(tenant: Tenant) -> None:
    image_id = tenant.create()
    answer = tenant.put(image_id, CONTENT, to("fast", "slow"))
    assert (answer.status, answer.json["code"]) == (400, "unknown-store")
    assert "'fast,slow'" in answer.message
    tenant.assert_refused_without_trace(image_id)


@pytest.mark.parametrize(("failure", "status"), ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("point", ["open for writing", "write", "commit"])
@framings
def test_all_or_nothing(
    all_tenant: Tenant, all_house: House, failure: Exception, status: int, point: str, chunked: bool
) -> None:
    image_id = all_tenant.create()
    with all_house.faulty.failing(point, failure, after=MIB if point == "write" else 0):
        answer = all_tenant.put_framed(image_id, CONTENT, FAULTY, chunked=chunked)
    assert answer.status == status
    assert answer.message.startswith("Store 'faulty': ")
    all_tenant.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("failure", [failure for failure, _ in ROWS.values()], ids=list(ROWS))
@pytest.mark.parametrize("point", ["open for writing", "write", "commit"])
@framings
def test_at_least_one(
    any_tenant: Tenant,
    any_house: House,
    failure: Exception,
    point: str,
    chunked: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    image_id = any_tenant.create()
    with any_house.faulty.failing(point, failure, after=MIB if point == "write" else 0):
        answer = any_tenant.put_framed(image_id, CONTENT, FAULTY, chunked=chunked)
    assert answer.status == 204
    assert_in(any_tenant, image_id, CONTENT, "fast")
    assert "Store faulty is left out of an upload" in caplog.text
    (removal,) = any_house.service.catalog.removals(image_id)
    assert (removal.store, removal.key) == ("faulty", image_id), "whatever it kept is remembered"
    any_tenant.delete(image_id)
    assert any_house.service.catalog.removals(image_id) == []
    assert any_tenant.quota == (0, 0)


@pytest.mark.parametrize("point", ["open for writing", "write", "commit"])
def test_at_least_one_and_none_is_left(any_tenant: Tenant, any_house: House, point: str) -> None:
    image_id = any_tenant.create()
    with any_house.without_place("slow"), any_house.faulty.failing(point, errors.StoreUnavailable("down")):
        answer = any_tenant.put(image_id, CONTENT, to("slow", "faulty"))
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    any_tenant.assert_refused_without_trace(image_id)


@pytest.mark.usefixtures("new_storage")
@pytest.mark.parametrize("mode", ["all_tenant", "any_tenant"])
@pytest.mark.parametrize("declared", [True, False])
def test_law_4_quota_counts_each_copy(request: pytest.FixtureRequest, mode: str, declared: bool) -> None:
    tenant: Tenant = request.getfixturevalue(mode)
    size = SEVERAL_QUOTA // 3 + 1
    image_id = tenant.create()
    stores = to("fast", "slow", "faulty")
    answer = tenant.put_framed(image_id, bytes(size), stores, chunked=not declared)
    assert (answer.status, answer.json["code"]) == (413, "quota-exceeded")
    tenant.assert_no_trace(image_id)
    assert tenant.put_framed(image_id, bytes(size - 1), stores, chunked=not declared).status == 204
    assert tenant.quota == (3 * (size - 1), 0)
    tenant.delete(image_id)
    assert tenant.quota == (0, 0)


def test_law_4_a_copy_that_is_deleted_from_one_store_is_given_back(all_tenant: Tenant) -> None:
    image_id = all_tenant.active(CONTENT, to("fast", "slow"))
    assert all_tenant.ask("DELETE", f"/v2/stores/slow/{image_id}").status == 204
    assert_in(all_tenant, image_id, CONTENT, "fast")
    assert all_tenant.ask("DELETE", f"/v2/stores/fast/{image_id}").status == 403, "the only copy"


@framings
def test_law_2_too_large_and_too_short_leave_nothing(all_tenant: Tenant, chunked: bool) -> None:
    stores = to("fast", "slow")
    image_id = all_tenant.create()
    assert all_tenant.put_framed(image_id, bytes(LIMIT + 1), stores, chunked=chunked).status == 413
    all_tenant.assert_no_trace(image_id)
    sized = ("x-openstack-image-size", "11")
    assert all_tenant.put_chunks(image_id, [b"0123456789"], stores, sized).status == 400
    all_tenant.assert_refused_without_trace(image_id)


def test_content_that_is_refused_is_in_no_store(all_tenant: Tenant) -> None:
    image_id = all_tenant.create(disk_format="qcow2")
    answer = all_tenant.put(image_id, formats.qcow2(backing=512), to("fast", "slow"))
    assert answer.status == 415
    all_tenant.assert_refused_without_trace(image_id, retry=formats.GOOD["qcow2"])


@pytest.mark.parametrize("end", ["half-close", "reset"])
def test_a_client_that_breaks_off_leaves_nothing_in_any_store(all_tenant: Tenant, end: str) -> None:
    image_id = all_tenant.create()
    with all_tenant.wire() as wire:
        all_tenant.begin(wire, image_id, CHUNKED, to("fast", "slow", "faulty"))
        wire.send(chunk(bytes(2 * MIB)))
        if end == "reset":
            wire.reset()
            all_tenant.house.wait_until_ended(file_of(image_id))
        else:
            wire.half_close()
            assert wire.answer().status == 400
    all_tenant.assert_refused_without_trace(image_id)


def test_law_8_image_deleted_during_the_upload_leaves_nothing_in_any_store(all_tenant: Tenant) -> None:
    image_id = all_tenant.create()
    with all_tenant.wire() as wire:
        all_tenant.begin(wire, image_id, CHUNKED, to("fast", "slow"))
        wire.send(chunk(CONTENT))
        all_tenant.delete(image_id)
        wire.send(b"0\r\n\r\n")
        answer = wire.answer()
    assert (answer.status, answer.json["code"]) == (410, "image-gone")
    assert all_tenant.objects(image_id) == {}
    assert all_tenant.quota == (0, 0)
