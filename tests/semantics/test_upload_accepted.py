"""SEMANTICS of uploads: the rows that end in 204, and the meaning of each header of the request."""

from __future__ import annotations

import hashlib

import pytest

from tests.inspection import headers as formats
from tests.semantics.house import CHUNKED, OCTETS, WAIT_FOR_100, House, Tenant, file_of
from tests.semantics.wire import LAST_CHUNK, chunk

CONTENT = bytes(range(250)) * 4
each_storage = pytest.mark.usefixtures("each_storage")


def assert_active(tenant: Tenant, image_id: str, content: bytes, *, store: str = "fast") -> None:
    """Catalog, store and quota agree on the image, and it comes out as it went in."""
    tenant.assert_stored(image_id, content, store)
    shown = tenant.show(image_id)
    assert shown["checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(content).hexdigest())
    assert tenant.objects(image_id) == {f"{store}/{image_id}": content}


@each_storage
def test_good_length_known_or_chunked(house: House) -> None:
    for chunks in ([CONTENT], [CONTENT[:1], CONTENT[1:700], CONTENT[700:]]):
        tenant = Tenant(house)
        image_id = tenant.create()
        answer = tenant.put_chunks(image_id, chunks) if chunks[1:] else tenant.put(image_id, CONTENT)
        assert (answer.status, answer.reason, answer.body) == (204, "No Content", b"")
        assert answer.headers.keys().isdisjoint({"content-type", "content-length"})
        assert_active(tenant, image_id, CONTENT)


@each_storage
def test_empty_body_is_an_active_image_of_size_0(tenant: Tenant) -> None:
    for framing in (("Content-Length", "0"), CHUNKED, ("X-Neither", "no body by RFC 9112")):
        image_id, body = tenant.create(), [LAST_CHUNK] if framing == CHUNKED else []
        assert tenant.ask("PUT", file_of(image_id), OCTETS, framing, body=body).status == 204
        assert_active(tenant, image_id, b"")


ACCEPTED: dict[str, tuple[str, str]] = {
    "the store is the one that is named": ("X-Image-Meta-Store", "slow"),
    "the size of a chunked body is declared": ("x-openstack-image-size", "1000"),
    "identity is no encoding": ("Content-Encoding", "identity"),
}


def test_headers_that_are_taken_at_their_word(house: House, subtests: pytest.Subtests) -> None:
    for name, header in ACCEPTED.items():
        for chunked in (True, False):
            tenant = Tenant(house)
            image_id = tenant.create()
            with subtests.test(name):
                assert tenant.put_framed(image_id, CONTENT, header, chunked=chunked).status == 204
                assert_active(tenant, image_id, CONTENT, store="slow" if header[1] == "slow" else "fast")


@pytest.mark.parametrize("framing", [("Content-Length", "1000"), CHUNKED])
def test_expect_100_continue_is_answered_when_the_upload_has_begun(tenant: Tenant, framing: tuple[str, str]) -> None:
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, framing)
        assert tenant.show(image_id)["status"] == "saving"
        wire.send(chunk(CONTENT) + LAST_CHUNK if framing == CHUNKED else CONTENT)
        assert wire.answer().status == 204
    assert_active(tenant, image_id, CONTENT)


def test_expect_100_continue_of_an_empty_body_asks_for_nothing(tenant: Tenant) -> None:
    image_id = tenant.create()
    with tenant.wire() as wire:
        project = ("X-Project-Id", tenant.project)
        wire.head("PUT", file_of(image_id), [OCTETS, WAIT_FOR_100, project, ("Content-Length", "0")])
        wire.half_close()
        assert wire.everything().startswith(b"HTTP/1.1 204 No Content\r\n")
    assert_active(tenant, image_id, b"")


def test_content_is_looked_at_and_stored(house: House) -> None:
    """Its virtual size is that of its header; of raw, that of the file; of another container, nobody's matter."""
    qcow2 = formats.qcow2()
    for disk_format, container, content, virtual_size in (
        ("raw", "bare", qcow2, len(qcow2)), ("qcow2", "bare", qcow2, formats.SIZE), ("qcow2", "ovf", qcow2, None),
        ("qcow2", "ovf", formats.iso(), None), ("qcow2", "ovf", b"not a disk at all", None),
    ):  # fmt: skip
        tenant = Tenant(house)
        image_id = tenant.create(disk_format=disk_format, container_format=container)
        assert tenant.put_chunks(image_id, [content]).status == 204
        assert_active(tenant, image_id, content)
        assert virtual_size in (None, tenant.show(image_id)["virtual_size"])


def test_x_openstack_request_id_is_on_the_answer(tenant: Tenant) -> None:
    first, second = (tenant.put(tenant.create(), b"x").headers["x-openstack-request-id"] for _ in range(2))
    assert first.startswith("req-")
    assert first != second
