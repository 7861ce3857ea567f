"""SEMANTICS of downloads, row by row."""

from __future__ import annotations

import hashlib
import http.client
import socket

import pytest

from imgstore import errors
from imgstore.model import MIB
from tests.semantics.conftest import LIMIT
from tests.semantics.house import PATIENCE, House, Tenant, file_of

CONTENT = bytes(range(250)) * 4
SHA512 = hashlib.sha512(CONTENT).hexdigest()
ETAG = f'"{SHA512}"'
FAULTY = ("X-Image-Meta-Store", "faulty")
NOT_OF_THE_IMAGE = {"date", "server", "connection", "x-openstack-request-id"}


def of_the_image(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in NOT_OF_THE_IMAGE}


@pytest.fixture
def image_id(tenant: Tenant) -> str:
    return tenant.active(CONTENT)


WHOLE = {
    "content-type": "application/octet-stream",
    "content-length": "1000",
    "content-md5": hashlib.md5(CONTENT, usedforsecurity=False).hexdigest(),
    "etag": ETAG,
    "accept-ranges": "bytes",
}


def test_active(tenant: Tenant, image_id: str) -> None:
    answer = tenant.get(image_id)
    assert (answer.status, answer.reason, answer.body) == (200, "OK", CONTENT)
    assert of_the_image(answer.headers) == WHOLE
    assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_without_the_checksum_there_is_no_content_md5(tenant_without_md5: Tenant) -> None:
    answer = tenant_without_md5.get(tenant_without_md5.active(CONTENT))
    assert of_the_image(answer.headers) == {name: value for name, value in WHOLE.items() if name != "content-md5"}


def test_head_has_the_headers_of_get(tenant: Tenant, image_id: str) -> None:
    answer = tenant.get(image_id, method="HEAD")
    assert (answer.status, answer.body, of_the_image(answer.headers)) == (200, b"", WHOLE)


def test_one_connection_serves_get_after_head_after_304(tenant: Tenant, image_id: str) -> None:
    """No answer says more or less than it sends."""
    project = ("X-Project-Id", tenant.project)
    with tenant.wire() as wire:
        for method, headers, status in (("HEAD", [], 200), ("GET", [("If-None-Match", "*")], 304), ("GET", [], 200)):
            wire.head(method, file_of(image_id), [project, *headers])
            answer = wire.answer()
            assert (answer.status, answer.body) == (status, CONTENT if (method, status) == ("GET", 200) else b"")


@pytest.mark.parametrize("value", [ETAG, f"W/{ETAG}", "*", f'"other", {ETAG}'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match(tenant: Tenant, image_id: str, value: str, method: str) -> None:
    answer = tenant.get(image_id, ("If-None-Match", value), method=method)
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", ETAG)
    assert tenant.get(image_id, ("If-None-Match", '"other"')).body == CONTENT


def test_if_range(tenant: Tenant, image_id: str) -> None:
    part = ("Range", "bytes=0-9")
    assert tenant.get(image_id, part, ("If-Range", ETAG)).status == 206
    for other in ('"other"', f"W/{ETAG}", "Sat, 29 Oct 1994 19:43:31 GMT"):
        answer = tenant.get(image_id, part, ("If-Range", other))
        assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_data_yet(tenant: Tenant, method: str) -> None:
    answer = tenant.get(tenant.create(), method=method)
    assert (answer.status, answer.reason, answer.body) == (204, "No Content", b"")


def test_no_data_yet_while_it_is_being_uploaded(tenant: Tenant) -> None:
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, ("Content-Length", "10"))
        wire.send(b"01234")
        assert tenant.get(image_id).status == 204
        wire.send(b"56789")
        assert wire.answer().status == 204
    assert tenant.get(image_id).body == b"0123456789"


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=990-", 990, 1000), ("bytes=-10", 990, 1000), ("bytes=-5000", 0, 1000),
     ("bytes=0-99999", 0, 1000), ("bytes=0-0", 0, 1), ("bytes=999-", 999, 1000), ("bytes=0-999", 0, 1000)],
)  # fmt: skip
def test_range(tenant: Tenant, image_id: str, value: str, start: int, stop: int) -> None:
    answer = tenant.get(image_id, ("Range", value))
    assert (answer.status, answer.reason, answer.body) == (206, "Partial Content", CONTENT[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1000"
    assert answer.headers["content-length"] == str(stop - start)
    assert "content-md5" not in answer.headers


@pytest.mark.parametrize(
    "value", ["bytes=1000-1001", "bytes=1000-", "bytes=-0", "bytes=9-5", "garbage", "bytes=a-b", "lines=0-9", "bytes=-"]
)
def test_range_outside_or_garbage(tenant: Tenant, image_id: str, value: str) -> None:
    answer = tenant.get(image_id, ("Range", value))
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */1000")


def test_several_ranges(tenant: Tenant, image_id: str) -> None:
    assert tenant.get(image_id, ("Range", "bytes=0-9,20-29")).status == 400
    assert tenant.get(image_id, ("Range", "bytes=0-9"), ("Range", "bytes=20-29")).status == 400


def test_content_range_as_a_request_header_of_old_clients(tenant: Tenant, image_id: str) -> None:
    answer = tenant.get(image_id, ("Content-Range", "bytes 0-9/1000"))
    assert (answer.status, answer.body) == (206, CONTENT[:10])
    assert answer.headers["content-range"] == "bytes 0-9/1000"
    assert tenant.get(image_id, ("Content-Range", "bytes 0-1000/1000")).status == 416


def in_two_stores(tenant: Tenant, first: tuple[str, bytes], second: tuple[str, bytes]) -> str:
    """An image with a location in two stores; their contents differ so that a test can tell them apart."""
    (store, content), (other, copy) = first, second
    image_id = tenant.active(content, ("X-Image-Meta-Store", store))
    target = tenant.house.stores.resolve(other)
    with target.driver.open_writer(image_id, size=len(copy)) as writer:
        writer.write(copy)
        writer.commit()
    tenant.house.add_location(image_id, target.location(image_id))
    return image_id


@pytest.mark.parametrize(
    ("query", "served"),
    [("", b"fast"), ("?prefer=slow", b"slow"), ("?prefer=slow,fast", b"slow"), ("?prefer=fast,slow", b"fast"),
     ("?prefer=frozen", b"fast"), ("?prefer=frozen,slow", b"slow")],
)  # fmt: skip
def test_prefer_is_the_order_of_stores(tenant: Tenant, query: str, served: bytes) -> None:
    image_id = in_two_stores(tenant, ("fast", b"fast"), ("slow", b"slow"))
    assert tenant.get(image_id, query=query).body == served


@pytest.mark.parametrize("query", ["?prefer=nope", "?prefer=fast,nope", "?prefer="])
def test_prefer_unknown(tenant: Tenant, image_id: str, query: str) -> None:
    answer = tenant.get(image_id, query=query)
    assert answer.status == 400
    assert "nope" in answer.message or query == "?prefer="


@pytest.mark.parametrize("missing", ["f3b0c2a4-7f0e-4c57-9d0e-0b7a4f6d1c11", "no-uuid"])
def test_unknown_id(tenant: Tenant, missing: str) -> None:
    assert tenant.get(missing).status == 404
    assert tenant.get(missing, method="HEAD").status == 404


def test_image_of_another_project(house: House, image_id: str) -> None:
    assert Tenant(house).get(image_id).status == 404


def test_deleted_image(tenant: Tenant, image_id: str) -> None:
    tenant.delete(image_id)
    assert tenant.get(image_id).status == 404
    assert tenant.objects(image_id) == {}
    assert tenant.quota == (0, 0)


def test_deactivated(tenant: Tenant, house: House, image_id: str) -> None:
    house.set_status(image_id, "deactivated")
    assert tenant.get(image_id).status == 403
    assert tenant.get(image_id, method="HEAD").status == 403
    house.set_status(image_id, "active")
    assert tenant.get(image_id).body == CONTENT


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_active_but_the_object_is_gone(
    tenant: Tenant, house: House, image_id: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.stores.resolve("fast").driver.delete(image_id)
    assert tenant.get(image_id, method=method).status == 410
    assert any(image_id in record.getMessage() and "Store 'fast'" in record.getMessage() for record in caplog.records)


def test_active_but_the_object_is_gone_and_another_location_is_down(tenant: Tenant, house: House) -> None:
    image_id = in_two_stores(tenant, ("fast", b"same"), ("faulty", b"same"))
    house.stores.resolve("fast").driver.delete(image_id)
    with house.faulty.failing("open for reading", TimeoutError()):
        answer = tenant.get(image_id)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert tenant.get(image_id).body == b"same"


def test_store_down_next_location(tenant: Tenant, house: House) -> None:
    image_id = in_two_stores(tenant, ("faulty", b"down"), ("slow", b"next"))
    with house.faulty.failing("open for reading", ConnectionRefusedError()):
        answer = tenant.get(image_id, query="?prefer=faulty")
    assert (answer.status, answer.body) == (200, b"next")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_store_down(tenant: Tenant, house: House, method: str) -> None:
    image_id = tenant.active(CONTENT, FAULTY)
    with house.faulty.failing("open for reading", ConnectionRefusedError()):
        answer = tenant.get(image_id, method=method)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert tenant.get(image_id).body == CONTENT


LONG = b"".join(bytes([i]) * 65536 for i in range(40))


def test_store_breaks_in_the_middle_and_is_resumed_at_the_same_object(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(LONG, FAULTY)
    with house.faulty.failing("read", ConnectionResetError(), times=1, after=MIB) as failure:
        answer = tenant.get(image_id)
    assert failure.times == 0
    assert (answer.status, answer.body) == (200, LONG)


def test_store_breaks_in_the_middle_and_the_next_location_goes_on(tenant: Tenant, house: House) -> None:
    image_id = in_two_stores(tenant, ("faulty", LONG), ("slow", LONG))
    with house.faulty.failing("read", ConnectionResetError(), after=MIB):
        answer = tenant.get(image_id, query="?prefer=faulty")
    assert (answer.status, answer.body) == (200, LONG)


@pytest.mark.parametrize("failure", [ConnectionResetError(), errors.ObjectTruncated("Short."), ZeroDivisionError()])
def test_store_breaks_in_the_middle_for_good_and_the_client_notices(
    tenant: Tenant, house: House, failure: Exception
) -> None:
    image_id = tenant.active(LONG, FAULTY)
    with house.faulty.failing("read", failure, after=MIB), pytest.raises(http.client.IncompleteRead) as caught:
        tenant.get(image_id)
    assert caught.value.partial == LONG[:MIB]
    assert tenant.get(image_id).body == LONG


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_zero_byte_image(tenant: Tenant, method: str) -> None:
    image_id = tenant.active(b"")
    answer = tenant.get(image_id, method=method)
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "0", b"")
    refused = tenant.get(image_id, ("Range", "bytes=0-0"))
    assert (refused.status, refused.headers["content-range"]) == (416, "bytes */0")


def test_delete_while_it_is_downloaded_ends_whole(tenant: Tenant) -> None:
    content = bytes(range(256)) * (LIMIT // 256)
    image_id = tenant.active(content)
    with tenant.wire(receive_buffer=65536) as wire:
        wire.head("GET", file_of(image_id), [("X-Project-Id", tenant.project)])
        assert wire.socket.recv(1, socket.MSG_PEEK) == b"H"
        tenant.delete(image_id)
        assert wire.answer().body == content
    assert tenant.objects(image_id) == {}


def test_a_client_that_leaves_in_the_middle_leaves_nothing_open(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(bytes(LIMIT), FAULTY)
    with tenant.wire(receive_buffer=65536) as wire:
        wire.head("GET", file_of(image_id), [("X-Project-Id", tenant.project)])
        assert wire.socket.recv(1) == b"H"
        house.wait_until_ended(file_of(image_id))  # the upload
        wire.reset()
    house.wait_until_ended(file_of(image_id))
    assert house.faulty.all_closed(PATIENCE)
