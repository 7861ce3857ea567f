"""SEMANTICS of downloads, row by row."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import uuid

import pytest

from imgstore import errors
from imgstore.model import MIB
from tests.semantics.conftest import LIMIT
from tests.semantics.house import PATIENCE, House, Tenant, file_of

CONTENT = bytes(range(250)) * 4
ETAG = f'"{hashlib.sha512(CONTENT).hexdigest()}"'
FAULTY = ("X-Image-Meta-Store", "faulty")
NOT_OF_THE_IMAGE = {"date", "server", "connection", "x-openstack-request-id"}
each_storage = pytest.mark.usefixtures("each_storage")
METHODS = ("GET", "HEAD")


def of_the_image(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in NOT_OF_THE_IMAGE}


@pytest.fixture
def image_id(tenant: Tenant) -> str:
    return tenant.active(CONTENT)


REPR = f"sha-512=:{base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()}:"
COMMON = {"content-type": "application/octet-stream", "etag": ETAG, "accept-ranges": "bytes", "repr-digest": REPR}
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
WHOLE = COMMON | {"content-length": "1000", "content-md5": MD5}


@each_storage
def test_active(tenant: Tenant, image_id: str) -> None:
    answer = tenant.get(image_id)
    assert (answer.status, answer.reason, answer.body) == (200, "OK", CONTENT)
    assert of_the_image(answer.headers) == WHOLE
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    head = tenant.get(image_id, method="HEAD")
    assert (head.status, head.body, of_the_image(head.headers)) == (200, b"", WHOLE)


def test_conditions(tenant: Tenant, image_id: str) -> None:
    for value in ("*", ETAG, f"W/{ETAG}", f'"other", {ETAG}', f'"a,b",W/{ETAG},"c"', f'W/"other" , W/{ETAG}'):
        for method in METHODS:
            answer = tenant.get(image_id, ("If-None-Match", value), ("Range", "bytes=0-9"), method=method)
            assert (answer.status, answer.reason, answer.body) == (304, "Not Modified", b"")
            assert of_the_image(answer.headers) == {"etag": ETAG}
    for value in ('"other"', "", ETAG[1:-1], '"', f'{ETAG[:-2]}"', '"*"', f"w/{ETAG[1:-1]}"):
        answer = tenant.get(image_id, ("If-None-Match", value))
        assert (answer.status, answer.body) == (200, CONTENT), value
    part = ("Range", "bytes=0-9")
    assert tenant.get(image_id, part, ("If-Range", ETAG)).body == CONTENT[:10]
    for value in ('"other"', f"W/{ETAG}", "Sat, 29 Oct 1994 19:43:31 GMT", ""):
        for asked in (part, ("Range", "bytes=5000-")):
            answer = tenant.get(image_id, asked, ("If-Range", value))
            assert (answer.status, answer.body) == (200, CONTENT), value


def test_if_match_that_names_another_image_is_refused(tenant: Tenant, image_id: str) -> None:
    for value in ("*", ETAG, f'"other", {ETAG}', f'"a,b",{ETAG},"c"'):
        assert tenant.get(image_id, ("If-Match", value)).body == CONTENT, value
        assert tenant.get(image_id, ("If-Match", value), ("If-None-Match", "*")).status == 304
    for value in ('"other"', f"W/{ETAG}", ETAG[1:-1], "", f'"other", W/{ETAG}'):
        for method in METHODS:
            answer = tenant.get(image_id, ("If-Match", value), ("If-None-Match", "*"), method=method)
            assert answer.status == 412, value


def test_no_data_yet(tenant: Tenant) -> None:
    image_id = tenant.create()
    for method in METHODS:
        answer = tenant.get(image_id, ("Range", "bytes=0-9"), method=method)
        assert (answer.status, answer.reason, answer.body) == (204, "No Content", b"")
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, ("Content-Length", "10"))
        wire.send(b"01234")
        assert tenant.get(image_id).status == 204
        wire.send(b"56789")
        assert wire.answer().status == 204
    assert tenant.get(image_id).body == b"0123456789"


RANGES = {
    "bytes=0-9": (0, 10), "bytes=0-0": (0, 1), "bytes=990-": (990, 1000), "bytes=-10": (990, 1000),
    "bytes=-1": (999, 1000), "bytes=-5000": (0, 1000), "bytes=-1000": (0, 1000), "bytes=0-999": (0, 1000),
    "bytes=0-99999": (0, 1000), "bytes=999-999": (999, 1000), "bytes=999-1000": (999, 1000), "bytes=999-": (999, 1000),
    "bytes=0-" + "9" * 32: (0, 1000), "Bytes=10-19": (10, 20), "bytes= 10-19 ": (10, 20),
}  # fmt: skip
OLD_RANGES = ("bytes 0-9/1000", "bytes 0-9/*", "Bytes  0-9/1000")


@each_storage
def test_range_is_partial_content(tenant: Tenant, image_id: str) -> None:
    """Old clients send it as Content-Range."""
    rows = [([("Range", value)], span) for value, span in RANGES.items()]
    rows += [([("Content-Range", value)], (0, 10)) for value in OLD_RANGES]
    rows += [([("Range", "bytes=5-9"), ("Content-Range", "bytes 0-9/1000")], (5, 10))]
    for headers, (start, stop) in rows:
        answer = tenant.get(image_id, *headers)
        assert (answer.status, answer.reason, answer.body) == (206, "Partial Content", CONTENT[start:stop]), headers
        span = {"content-range": f"bytes {start}-{stop - 1}/1000", "content-length": str(stop - start)}
        assert of_the_image(answer.headers) == COMMON | span


NO_RANGES = (
    "bytes=1000-1001", "bytes=1000-", "bytes=-0", "bytes=9-5", "bytes=-", "bytes=", "bytes", "", "0-9", "bytes 0-9",
    "bytes=a-b", "bytes=+1-2", "bytes=1 - 2", "bytes=--5", "bytes=0-9/1000", "bytes=\xb2-", "garbage",
    "bytes=0-" + "9" * 5000,
)  # fmt: skip
NO_OLD_RANGES = (
    "bytes 0-1000/1000", "bytes 0-9/999", "bytes 9-5/1000", "bytes */1000", "bytes=0-9", "0-9", "",
)  # fmt: skip


def test_range_outside_or_garbage(tenant: Tenant, image_id: str) -> None:
    rows = [("Range", value) for value in NO_RANGES] + [("Content-Range", value) for value in NO_OLD_RANGES]
    for header in rows:
        answer = tenant.get(image_id, header)
        assert (answer.status, answer.headers["content-range"]) == (416, "bytes */1000"), header
        assert len(answer.message) < 120
    for value in ("lines=0-9", "lines=0-9,20-29", "x-bytes=0-9"):
        answer = tenant.get(image_id, ("Range", value))
        assert (answer.status, answer.body) == (200, CONTENT), "a unit that is not known is ignored"
    for value in ("bytes=0-9,20-29", "bytes=0-1, 4-5", "bytes=0-1,"):
        assert tenant.get(image_id, ("Range", value)).status == 400
    assert tenant.get(image_id, ("Range", "bytes=0-9"), ("Range", "bytes=20-29")).status == 400


def test_prefer_that_names_no_store(tenant: Tenant, image_id: str) -> None:
    """Whether or not there is data."""
    for query in ("nope", "fast,nope", "", "fast,", "%00", "fast%0d%0aX:y"):
        for image in (image_id, tenant.create()):
            answer = tenant.get(image, query=f"?prefer={query}")
            assert (answer.status, "nope" in answer.message) == (400, "nope" in query)


def test_image_that_is_not_there_or_not_visible(tenant: Tenant, house: House, image_id: str) -> None:
    house.set_status(image_id, "deactivated")
    for method in METHODS:
        for missing in (str(uuid.uuid4()), "no-uuid"):
            assert tenant.get(missing, method=method).status == 404
        assert Tenant(house).get(image_id, method=method).status == 404
        assert tenant.get(image_id, method=method).status == 403
    house.set_status(image_id, "active")
    assert tenant.get(image_id).body == CONTENT
    tenant.delete(image_id)
    assert tenant.get(image_id).status == 404
    assert tenant.objects(image_id) == {}
    assert tenant.quota == (0, 0)


@each_storage
def test_active_but_the_object_is_gone(
    tenant: Tenant, house: House, image_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.stores.resolve("fast").driver.delete(image_id)
    for method in METHODS:
        caplog.clear()
        assert tenant.get(image_id, method=method).status == 410
        told = [record.getMessage() for record in caplog.records]
        assert any(image_id in line and "Store 'fast'" in line for line in told)


def test_store_down(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(CONTENT, FAULTY)
    with house.faulty.failing("open for reading", ConnectionRefusedError()):
        for method in METHODS:
            answer = tenant.get(image_id, method=method)
            assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert tenant.get(image_id).body == CONTENT


LONG = b"".join(bytes([i]) * 65536 for i in range(40))


@each_storage
def test_store_breaks_in_the_middle_and_is_resumed_at_the_same_object(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(LONG, FAULTY)
    with house.faulty.failing("read", ConnectionResetError(), times=1, after=MIB) as failure:
        answer = tenant.get(image_id)
    assert failure.times == 0
    assert (answer.status, answer.body) == (200, LONG)


def test_never_short_the_client_notices_a_store_that_breaks_for_good(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(LONG, FAULTY)
    for failure in (ConnectionResetError(), errors.ObjectTruncated("Short."), ZeroDivisionError()):
        with house.faulty.failing("read", failure, after=MIB), pytest.raises(http.client.IncompleteRead) as caught:
            tenant.get(image_id)
        assert caught.value.partial == LONG[:MIB]
    assert tenant.get(image_id).body == LONG


@each_storage
def test_zero_byte_image(tenant: Tenant) -> None:
    image_id = tenant.active(b"")
    for method in METHODS:
        answer = tenant.get(image_id, method=method)
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, "0", b"")
    for value in ("bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0"):
        refused = tenant.get(image_id, ("Range", value))
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


def test_client_that_leaves_in_the_middle_leaves_nothing_open(tenant: Tenant, house: House) -> None:
    image_id = tenant.active(bytes(LIMIT), FAULTY)
    with tenant.wire(receive_buffer=65536) as wire:
        wire.head("GET", file_of(image_id), [("X-Project-Id", tenant.project)])
        assert wire.socket.recv(1) == b"H"
        house.wait_until_ended(file_of(image_id))  # the upload
        wire.reset()
    house.wait_until_ended(file_of(image_id))
    assert house.faulty.all_closed(PATIENCE)
