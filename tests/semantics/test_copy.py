"""Copies of active images to other stores: `POST /v2/images/{id}/import` with the method copy-image."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from imgstore.model import MIB
from tests.semantics.conftest import SMALL_QUOTA
from tests.semantics.house import CHUNKED, House, Tenant
from tests.semantics.test_upload_store_failures import DOWN, POINTS, ROWS
from tests.semantics.wire import LAST_CHUNK, chunk

CONTENT = bytes(range(256)) * (2 * MIB // 256)
METHOD = {"name": "copy-image"}
each_storage = pytest.mark.usefixtures("each_storage")


def to(store: str) -> tuple[str, str]:
    return "X-Image-Meta-Store", store


def assert_in(tenant: Tenant, image_id: str, content: bytes, *stores: str, failed: str = "") -> None:
    """No copy is under way; those to the stores in `failed` failed; the image is in the others, and counted."""
    assert tenant.copied(image_id)["os_glance_failed_import"] == failed
    tenant.assert_stored(image_id, content, *stores)


@each_storage
def test_the_image_is_then_in_the_other_store_too(tenant: Tenant) -> None:
    image_id = tenant.active(CONTENT)
    before = tenant.show(image_id)
    assert "os_glance_importing_to_stores" not in before
    answer = tenant.copy(image_id, stores=["slow"])
    assert (answer.status, answer.body) == (202, b"")
    assert not answer.headers["content-type"].startswith("application/json"), "which an empty body is not"
    assert_in(tenant, image_id, CONTENT, "fast", "slow")
    after = tenant.show(image_id)
    same = ("size", "checksum", "os_hash_value", "virtual_size", "disk_format", "created_at", "name", "tags")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert f"slow/{image_id}" not in tenant.objects(image_id), "the key is one of the copy's own"
    tenant.delete(image_id)
    assert tenant.objects(image_id) == {}
    assert tenant.quota == (0, 0)


@each_storage
@pytest.mark.parametrize("content", [b"", CONTENT], ids=["empty", "2 MiB"])
def test_several_stores_at_once(tenant: Tenant, content: bytes) -> None:
    image_id = tenant.active(content)
    assert tenant.copy(image_id, stores=["faulty", "slow"], all_stores_must_succeed=True).status == 202
    assert_in(tenant, image_id, content, "fast", "faulty", "slow")


def test_all_stores_are_those_that_can_take_it_and_have_it_not(tenant: Tenant) -> None:
    image_id = tenant.active(CONTENT, to("slow"))
    assert tenant.copy(image_id, all_stores=True).status == 202
    assert_in(tenant, image_id, CONTENT, "slow", "fast", "faulty")
    assert tenant.copy(image_id, all_stores=True, all_stores_must_succeed=True).status == 202, "nothing is left to do"
    assert_in(tenant, image_id, CONTENT, "slow", "fast", "faulty")


def test_store_in_the_header_or_the_default_one(tenant: Tenant) -> None:
    image_id = tenant.active(CONTENT, to("faulty"))
    for headers, stores in (([to("slow")], ("faulty", "slow")), ([], ("faulty", "slow", "fast"))):
        assert tenant.copy(image_id, *headers).status == 202
        assert_in(tenant, image_id, CONTENT, *stores)


@each_storage
def test_copy_is_deleted_from_its_store_and_made_again(tenant: Tenant) -> None:
    image_id = tenant.active(CONTENT)
    for _ in range(2):
        assert tenant.copy(image_id, stores=["slow"]).status == 202
        assert_in(tenant, image_id, CONTENT, "fast", "slow")
        assert tenant.ask("DELETE", f"/v2/stores/slow/{image_id}").status == 204
        assert_in(tenant, image_id, CONTENT, "fast")
    assert tenant.ask("DELETE", f"/v2/stores/fast/{image_id}").status == 403, "the only copy"


def test_service_tells_that_images_can_be_copied(tenant: Tenant) -> None:
    assert tenant.ask("GET", "/v2/info/import").json["import-methods"]["value"] == ["copy-image"]
    answer = tenant.ask_with("POST", "/v2/images", {})
    assert answer.headers["openstack-image-import-methods"] == "copy-image"


# Progress


def replace(tenant: Tenant, image_id: str, attribute: str, value: str) -> int:
    """The status of a PATCH."""
    patch, kind = [{"op": "replace", "path": f"/{attribute}", "value": value}], "openstack-images-v2.1-json-patch"
    return tenant.ask_with("PATCH", f"/v2/images/{image_id}", patch, kind=f"application/{kind}").status


def test_progress_is_told_while_the_image_is_read_as_ever(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(CONTENT)
    with house.faulty.pausing("write", after=MIB) as pause:
        assert tenant.copy(image_id, stores=["faulty", "slow"]).status == 202
        pause.wait_until_reached()
        during = tenant.show(image_id)
        assert (during["status"], during["stores"]) == ("active", "fast")
        assert during["os_glance_importing_to_stores"] == "faulty,slow"
        assert during["os_glance_failed_import"] == ""
        assert tenant.quota == (len(CONTENT), 2 * len(CONTENT))
        assert uploads_of(tenant) == 1, "of an image, to however many stores"
        assert tenant.get(image_id).body == CONTENT
        assert tenant.get(image_id, query="?prefer=slow").body == CONTENT, "nothing is there before its commit"
        assert set(tenant.objects(image_id)) == {f"fast/{image_id}"}
        conflict = tenant.copy(image_id, stores=["slow"])
        assert (conflict.status, "being copied already" in conflict.message) == (409, True)
        assert replace(tenant, image_id, "name", "renamed") == 200
    assert_in(tenant, image_id, CONTENT, "fast", "faulty", "slow")
    assert (tenant.show(image_id)["name"], uploads_of(tenant)) == ("renamed", 0)
    assert replace(tenant, image_id, "os_glance_failed_import", "x") == 403, "what is told is not the client's to set"


def uploads_of(tenant: Tenant) -> object:
    return tenant.ask("GET", "/v2/info/usage").json["usage"]["image_count_uploading"]["usage"]


# Refusals

BAD: dict[str, tuple[object, int, str]] = {
    "no method": ({}, 400, "method"),
    "method is text": ({"method": "copy-image"}, 400, "method"),
    "method without name": ({"method": {}}, 400, "method"),
    "another method": ({"method": {"name": "web-download"}}, 400, "'web-download'"),
    "more of the method": ({"method": {**METHOD, "uri": "http://x"}}, 400, "'uri'"),
    "unknown member": ({"method": METHOD, "all_stores_must_suceed": False}, 400, "'all_stores_must_suceed'"),
    "not an object": ([METHOD], 400, "JSON object"),
    "stores not a list": ({"method": METHOD, "stores": "slow"}, 400, "stores"),
    "stores empty": ({"method": METHOD, "stores": []}, 400, "stores"),
    "stores of numbers": ({"method": METHOD, "stores": [1]}, 400, "stores"),
    "flag not a flag": ({"method": METHOD, "all_stores": "yes"}, 400, "all_stores"),
    "other flag not a flag": ({"method": METHOD, "all_stores_must_succeed": 1}, 400, "must_succeed"),
    "stores and all stores": ({"method": METHOD, "stores": ["slow"], "all_stores": True}, 400, "all_stores"),
    "a store twice": ({"method": METHOD, "stores": ["slow", "slow"]}, 400, "'slow' is named twice"),
    "unknown store": ({"method": METHOD, "stores": ["slow", "nope"]}, 409, "'nope'"),
    "there already": ({"method": METHOD, "stores": ["slow", "fast"]}, 400, "Image is already present at store 'fast'"),
    "read-only": ({"method": METHOD, "stores": ["slow", "frozen"]}, 410, "Adding images to store is disabled"),
}


def test_request_that_cannot_be_is_refused(tenant: Tenant, subtests: pytest.Subtests) -> None:
    image_id = tenant.active(b"data")
    for name, (body, status, said) in BAD.items():
        with subtests.test(name):
            answer = tenant.post_import(image_id, body)
            assert (answer.status, said in answer.message) == (status, True), answer.message
            assert "os_glance_failed_import" not in tenant.show(image_id)
    assert tenant.copy(image_id, stores=["slow"]).status == 202
    assert_in(tenant, image_id, b"data", "fast", "slow")


def test_store_in_the_header_that_is_not_the_bodys_is_refused(tenant: Tenant) -> None:
    image_id = tenant.active(CONTENT)
    rows: list[dict[str, object]] = [{"stores": ["faulty"]}, {"stores": ["slow", "faulty"]}, {"all_stores": True}]
    for members in rows:
        assert tenant.copy(image_id, to("slow"), **members).status == 400
    assert tenant.copy(image_id, to("nope")).status == 409
    assert tenant.copy(image_id, to("slow"), stores=["slow"]).status == 202, "as openstacksdk sends it"
    assert_in(tenant, image_id, CONTENT, "fast", "slow")


def test_images_that_are_not_there_or_not_ones_own(tenant: Tenant, house: House) -> None:
    assert tenant.copy(str(uuid.uuid4()), stores=["slow"]).status == 404
    image_id = tenant.active(CONTENT)
    assert Tenant(house).copy(image_id, stores=["slow"]).status == 404
    public = tenant.active(CONTENT, visibility="community")
    assert Tenant(house).copy(public, stores=["slow"]).status == 403
    for each in (image_id, public):
        tenant.delete(each)


def test_images_that_are_not_active(tenant: Tenant, house: House) -> None:
    queued = tenant.create()
    answer = tenant.copy(queued, stores=["slow"])
    assert (answer.status, "queued" in answer.message) == (409, True)
    with tenant.wire() as wire:
        tenant.begin(wire, queued, CHUNKED)
        assert tenant.copy(queued, stores=["slow"]).status == 409
        wire.send(chunk(b"data") + LAST_CHUNK)
        assert wire.answer().status == 204
    house.set_status(queued, "deactivated")
    assert tenant.copy(queued, all_stores=True).status == 409
    house.set_status(queued, "active")
    assert tenant.copy(queued, stores=["slow"]).status == 202
    assert_in(tenant, queued, b"data", "fast", "slow")


def test_held_over_the_quota_is_refused_at_once(small_tenant: Tenant) -> None:
    size = SMALL_QUOTA // 2
    image_id = small_tenant.active(bytes(size))
    more = small_tenant.active(b"x")
    answer = small_tenant.copy(image_id, stores=["slow"])
    assert (answer.status, answer.json["code"]) == (413, "quota-exceeded")
    assert small_tenant.quota == (size + 1, 0)
    small_tenant.delete(more)
    assert small_tenant.copy(image_id, stores=["slow"]).status == 202
    assert_in(small_tenant, image_id, bytes(size), "fast", "slow")


# Failures


def assert_copy_fails(house: House, point: str, failure: Exception) -> None:
    """A store that fails at this point undoes the copies, or is left out of them; then the copy can be made."""
    tenant = Tenant(house)
    undone, left_out = tenant.active(CONTENT), tenant.active(CONTENT)
    stores: dict[str, object] = {"stores": ["slow", "faulty"]}
    with house.faulty.failing(point, failure, after=MIB if point == "write" else 0):
        assert tenant.copy(undone, **stores).status == 202
        assert tenant.copied(undone)["os_glance_failed_import"] == "slow,faulty"
        assert tenant.copy(left_out, **stores, all_stores_must_succeed=False).status == 202
        assert tenant.copied(left_out)["os_glance_failed_import"] == "faulty"
    assert set(tenant.objects(undone)) == {f"fast/{undone}"}
    (removal,) = house.service.catalog.removals(left_out)
    assert removal.store == "faulty"
    tenant.delete(undone)
    assert_in(tenant, left_out, CONTENT, "fast", "slow", failed="faulty")
    assert tenant.copy(left_out, stores=["faulty"]).status == 202
    assert_in(tenant, left_out, CONTENT, "fast", "slow", "faulty")


def test_undone_whatever_fails(house: House, subtests: pytest.Subtests) -> None:
    for name, (failure, _) in ROWS.items():
        with subtests.test(name):
            assert_copy_fails(house, "write", failure)


@each_storage
@pytest.mark.parametrize("point", POINTS)
def test_undone_wherever_a_store_fails(tenant: Tenant, house: House, point: str) -> None:
    assert_copy_fails(house, point, DOWN[0])


@each_storage
def test_source_that_is_down_is_followed_by_the_next_location(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(CONTENT, to("faulty"))
    assert tenant.copy(image_id, stores=["slow"]).status == 202
    assert_in(tenant, image_id, CONTENT, "faulty", "slow")
    with house.faulty.failing("read", ConnectionResetError(), after=MIB):
        assert tenant.copy(image_id, stores=["fast"]).status == 202
        tenant.copied(image_id)
    assert_in(tenant, image_id, CONTENT, "faulty", "slow", "fast")


@each_storage
def test_accounted_for_a_source_that_holds_other_bytes_is_not_copied(
    tenant: Tenant, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = tenant.active(CONTENT)
    house.overwrite("fast", image_id, CONTENT[::-1])
    assert tenant.copy(image_id, stores=["slow"]).status == 202
    assert tenant.copied(image_id)["os_glance_failed_import"] == "slow"
    assert set(tenant.objects(image_id)) == {f"fast/{image_id}"}
    assert "sha512" in caplog.text
    assert tenant.quota == (len(CONTENT), 0)
    house.overwrite("fast", image_id, CONTENT)
    assert hashlib.sha512(tenant.get(image_id).body).hexdigest() == tenant.show(image_id)["os_hash_value"]


@each_storage
@pytest.mark.parametrize("point", ["write", "commit"])
def test_image_deleted_during_the_copy_leaves_nothing(tenant: Tenant, house: House, point: str) -> None:
    image_id = tenant.active(CONTENT)
    with house.faulty.pausing(point) as pause:
        assert tenant.copy(image_id, stores=["faulty", "slow"]).status == 202
        pause.wait_until_reached()
        tenant.delete(image_id)
    house.wait_until_copies_ended()
    assert tenant.objects(image_id) == {}
    assert house.leftovers() == set()
    assert tenant.quota == (0, 0)
    assert house.service.catalog.removals(image_id) == []


def test_image_deactivated_during_the_copy_stays_as_it_was(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(CONTENT)
    with house.faulty.pausing("write") as pause:
        assert tenant.copy(image_id, stores=["faulty"]).status == 202
        pause.wait_until_reached()
        assert tenant.ask("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
    house.wait_until_copies_ended()
    shown = tenant.show(image_id)
    assert (shown["status"], shown["stores"], shown["os_glance_failed_import"]) == ("deactivated", "fast", "faulty")
    assert set(tenant.objects(image_id)) == {f"fast/{image_id}"}
    assert tenant.quota == (len(CONTENT), 0)
