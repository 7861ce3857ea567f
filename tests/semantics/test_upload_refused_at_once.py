"""SEMANTICS of uploads: what is refused before the first byte of the body (refuse early), and in which order."""

from __future__ import annotations

import socket
import uuid

import pytest

from tests.semantics.conftest import LIMIT, SMALL_LIMIT, SMALL_QUOTA
from tests.semantics.house import CHUNKED, OCTETS, WAIT_FOR_100, House, Tenant, file_of
from tests.semantics.wire import CONTINUE, Answer, Wire

Header = tuple[str, str]


def doomed(tenant: Tenant, image_id: str, *headers: Header) -> Answer:
    """A client that waits for 100 Continue, is refused without it, and sent no byte of its body."""
    with tenant.wire() as wire:
        given = [WAIT_FOR_100, *headers, ("X-Project-Id", tenant.project), ("Accept", "application/json")]
        wire.head("PUT", file_of(image_id), given)
        answer = _answer_without_continue(wire)
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    return answer


def _answer_without_continue(wire: Wire) -> Answer:
    first = wire.socket.recv(len(CONTINUE), socket.MSG_PEEK)
    assert first.startswith(b"HTTP/1.1 4"), first
    answer = wire.answer()
    assert wire.everything() == b"", "the connection ends where a body was left unread"
    return answer


TEN = ("Content-Length", "10")
SIZE = "x-openstack-image-size"
STORE = "X-Image-Meta-Store"


# One row for each rule. Which values keep it is tried in tests/http/test_upload_headers.py.
ROWS: dict[str, tuple[int, str, tuple[Header, ...]]] = {
    "media type missing": (415, "application/octet-stream", (TEN,)),
    "media type other": (415, "'text/plain'", (("Content-Type", "text/plain"), TEN)),
    "Content-Encoding gzip": (415, "'gzip'", (OCTETS, TEN, ("Content-Encoding", "gzip"))),
    "Content-Range": (400, "Content-Range", (OCTETS, TEN, ("Content-Range", "bytes 0-9/10"))),
    "unknown store": (400, "'nope'", (OCTETS, TEN, (STORE, "nope"))),
    "unknown store, chunked": (400, "'nope'", (OCTETS, CHUNKED, (STORE, "nope"))),
    "empty store header": (400, "empty", (OCTETS, TEN, (STORE, ""))),
    "size header not a number": (400, "'ten'", (OCTETS, TEN, (SIZE, "ten"))),
    "size header absurd": (400, SIZE, (OCTETS, CHUNKED, (SIZE, "9" * 5000))),
    "size header twice": (400, SIZE, (OCTETS, TEN, (SIZE, "10"), (SIZE, "10"))),
    "size header too small for Content-Length": (400, "9 bytes", (OCTETS, TEN, (SIZE, "9"))),
    "Content-MD5 malformed": (400, "content-md5 is malformed", (OCTETS, TEN, ("Content-MD5", "x"))),
    "Repr-Digest malformed, chunked": (400, "repr-digest", (OCTETS, CHUNKED, ("Repr-Digest", "sha-256=x"))),
    "store read-only": (410, "'frozen': Adding images to store is disabled.", (OCTETS, TEN, (STORE, "frozen"))),
    "over image_size_cap, declared": (413, str(LIMIT), (OCTETS, ("Content-Length", str(LIMIT + 1)))),
    "over image_size_cap, size header": (413, str(LIMIT), (OCTETS, CHUNKED, (SIZE, str(LIMIT + 1)))),
}


def test_refuse_early_before_100_continue(house: House, subtests: pytest.Subtests) -> None:
    for name, (status, said, headers) in ROWS.items():
        tenant = Tenant(house)
        image_id = tenant.create()
        with subtests.test(name):
            answer = doomed(tenant, image_id, *headers)
            assert (answer.status, said in answer.message) == (status, True), answer.message
            tenant.assert_refused_without_trace(image_id)


def test_disk_format_or_container_format_not_set(tenant: Tenant) -> None:
    for unset in ("disk_format", "container_format"):
        image_id = tenant.create(**{unset: None})
        answer = doomed(tenant, image_id, OCTETS, TEN)
        assert answer.status == 400
        assert f"{unset} must be set prior to saving data." in answer.message
        tenant.assert_no_trace(image_id)


def test_over_the_projects_quota_length_known(small_tenant: Tenant) -> None:
    """One byte more than the quota leaves; then exactly what it leaves. An image that is too large anyway is that."""
    small_tenant.active(bytes(SMALL_LIMIT))
    image_id, left = small_tenant.create(), SMALL_QUOTA - SMALL_LIMIT
    too_large = doomed(small_tenant, image_id, OCTETS, ("Content-Length", str(SMALL_LIMIT + 1)))
    assert too_large.json["code"] == "image-too-large"
    for headers in ([("Content-Length", str(left + 1))], [CHUNKED, (SIZE, str(left + 1))]):
        answer = doomed(small_tenant, image_id, OCTETS, *headers)
        assert answer.status == 413
        assert f"The quota is {SMALL_QUOTA} bytes" in answer.message
        small_tenant.assert_no_trace(image_id, used=SMALL_LIMIT)
    small_tenant.assert_refused_without_trace(image_id, retry=bytes(left), used=SMALL_LIMIT)


def test_the_quota_of_an_upload_under_way_is_not_free_for_another(small_tenant: Tenant) -> None:
    first, second = small_tenant.create(), small_tenant.create()
    with small_tenant.wire() as wire:
        small_tenant.begin(wire, first, ("Content-Length", str(SMALL_LIMIT)))
        length = ("Content-Length", str(SMALL_QUOTA - SMALL_LIMIT + 1))
        assert doomed(small_tenant, second, OCTETS, length).status == 413
        wire.send(bytes(SMALL_LIMIT))
        assert wire.answer().status == 204
    small_tenant.assert_refused_without_trace(second, used=SMALL_LIMIT)


def test_unknown_or_deleted_id_and_what_is_no_uuid(tenant: Tenant) -> None:
    deleted = tenant.create()
    tenant.delete(deleted)
    for image_id in (str(uuid.uuid4()), deleted):
        answer = doomed(tenant, image_id, OCTETS, TEN)
        assert (answer.status, answer.json["code"]) == (404, "image-not-found")
        assert tenant.objects(image_id) == {}
    for image_id in ("x", "..", "%2e%2e", "12345678123456781234567812345678", "0" * 36, "a%00b", "%c3%a9"):
        assert doomed(tenant, image_id, OCTETS, TEN).status == 404, image_id


def test_image_of_another_project(tenant: Tenant, house: House) -> None:
    for visibility, status, code in (("private", 404, "image-not-found"), ("public", 403, "forbidden")):
        image_id = tenant.create(visibility=visibility)
        answer = doomed(Tenant(house), image_id, OCTETS, TEN)
        assert (answer.status, answer.json["code"]) == (status, code)
        tenant.assert_no_trace(image_id)
    tenant.assert_refused_without_trace(image_id)


def test_image_active_or_saving(tenant: Tenant) -> None:
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, ("Content-Length", "9"))
        saving = doomed(tenant, image_id, OCTETS, TEN)
        wire.send(b"the first")
        assert wire.answer().status == 204
    for answer, status in ((saving, "saving"), (doomed(tenant, image_id, OCTETS, TEN), "active")):
        assert answer.status == 409
        assert f"from {status} to saving is not allowed" in answer.message
    tenant.assert_stored(image_id, b"the first", "fast")


def test_image_of_another_status(house: House, subtests: pytest.Subtests) -> None:
    for status in ("uploading", "importing", "deactivated", "killed", "pending_delete"):
        tenant = Tenant(house)
        image_id = tenant.create()
        house.set_status(image_id, status)
        with subtests.test(status):
            answer = doomed(tenant, image_id, OCTETS, TEN)
            assert answer.status == 409
            assert f"from {status} to saving is not allowed" in answer.message
            assert tenant.show(image_id)["status"] == status
            house.set_status(image_id, "queued")
            tenant.assert_refused_without_trace(image_id)


def test_content_length_malformed(tenant: Tenant) -> None:
    image_id = tenant.create()
    for value in ("ten", "-1", "+10", "1_0", "10, 10", "9" * 5000):
        answer = tenant.ask("PUT", file_of(image_id), OCTETS, ("Content-Length", value), body=[b"0123456789"])
        assert answer.status == 400, value
        tenant.assert_no_trace(image_id)
    tenant.assert_refused_without_trace(image_id)


def test_content_length_and_chunked_both(tenant: Tenant) -> None:
    image_id, body = tenant.create(), [b"a\r\n0123456789\r\n0\r\n\r\n"]
    for framing in ((TEN, CHUNKED), (CHUNKED, TEN)):
        answer = tenant.ask("PUT", file_of(image_id), OCTETS, *framing, body=body)
        assert answer.status == 400
        assert answer.headers["x-openstack-request-id"].startswith("req-"), "though no application saw the request"
        tenant.assert_no_trace(image_id)
    tenant.assert_refused_without_trace(image_id)


def test_other_methods_are_not_allowed(tenant: Tenant) -> None:
    image_id = tenant.create()
    for method in ("POST", "PATCH", "DELETE", "OPTIONS"):
        answer = tenant.ask(method, file_of(image_id))
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT")
    tenant.assert_refused_without_trace(image_id)


ORDER: list[tuple[str, int, str]] = [
    ("media type", 415, "unsupported-media-type"),
    ("size header", 400, "bad-request"),
    ("store", 400, "unknown-store"),
    ("image", 404, "image-not-found"),
    ("owner", 403, "forbidden"),
    ("formats", 400, "bad-request"),
    ("status", 409, "image-conflict"),
    ("size", 413, "image-too-large"),
]


def test_order_of_the_checks(tenant: Tenant, house: House) -> None:
    """Everything that can be wrong at once is wrong; then one thing after the other is mended."""
    for mended, (_, *told) in enumerate(ORDER):
        good = {name for name, _, _ in ORDER[:mended]}
        owner = tenant if "owner" in good else Tenant(house)
        image_id = owner.create(visibility="public", **({} if "formats" in good else {"disk_format": None}))
        if "status" not in good:
            house.set_status(image_id, "uploading")
        headers = [("Content-Length", str(LIMIT + 1))]
        headers += [OCTETS] if "media type" in good else [("Content-Type", "text/plain")]
        headers += [] if "size header" in good else [(SIZE, "ten")]
        headers += [] if "store" in good else [(STORE, "nope")]
        answer = doomed(tenant, image_id if "image" in good else str(uuid.uuid4()), *headers)
        assert [answer.status, answer.json["code"]] == told
        assert tenant.objects(image_id) == {}
