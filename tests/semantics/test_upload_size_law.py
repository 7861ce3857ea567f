"""Exact over HTTP: n-1, n and n+1 bytes, however the size was declared and however the bytes are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from imgstore.model import MIB
from tests.semantics.conftest import LIMIT, SMALL_LIMIT, SMALL_QUOTA
from tests.semantics.house import CHUNKED, OCTETS, House, Tenant, file_of
from tests.semantics.wire import LAST_CHUNK, chunk

N = SMALL_LIMIT
CONTENT = bytes(i % 251 for i in range(N + 1))
LENGTH, SIZE = ("Content-Length", str(N)), ("x-openstack-image-size", str(N))
Cut = Callable[[bytes], list[bytes]]


def whole(content: bytes) -> list[bytes]:
    return [content] if content else []


def byte_by_byte(content: bytes) -> list[bytes]:
    return [content[i : i + 1] for i in range(len(content))]


cuts = pytest.mark.parametrize("cut", [whole, byte_by_byte])


@cuts
def test_declared_by_content_length(small_house: House, cut: Cut) -> None:
    """A body that ends early is refused; bytes beyond are not the body's, and so not the image's."""
    for count in (N - 1, N, N + 1):
        tenant = Tenant(small_house)
        image_id = tenant.create()
        with tenant.wire() as wire:
            wire.head("PUT", file_of(image_id), [OCTETS, LENGTH, ("X-Project-Id", tenant.project)])
            wire.send_while_taken(cut(CONTENT[:count]))
            if count < N:
                wire.half_close()
            assert wire.answer().status == (400 if count < N else 204)
        if count < N:
            tenant.assert_refused_without_trace(image_id)
        else:
            tenant.assert_stored(image_id, CONTENT[:N], "fast")


@cuts
def test_declared_by_the_size_header(small_house: House, cut: Cut) -> None:
    for count in (0, N - 1, N, N + 1):
        tenant = Tenant(small_house)
        image_id = tenant.create()
        answer = tenant.put_chunks(image_id, cut(CONTENT[:count]), SIZE)
        if count == N:
            assert answer.status == 204
            tenant.assert_stored(image_id, CONTENT[:N], "fast")
        else:
            assert (answer.status, answer.json["code"], str(N) in answer.message) == (400, "size-mismatch", True)
            tenant.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("cut", [whole, byte_by_byte, None], ids=["whole", "byte by byte", "declared"])
def test_image_size_cap(small_house: House, cut: Cut | None) -> None:
    for count in (N - 1, N, N + 1):
        tenant, content = Tenant(small_house), CONTENT[:count]
        image_id = tenant.create()
        answer = tenant.put(image_id, content) if cut is None else tenant.put_chunks(image_id, cut(content))
        if count <= N:
            assert answer.status == 204
            tenant.assert_stored(image_id, content, "fast")
        else:
            assert (answer.status, str(N) in answer.message) == (413, True)
            tenant.assert_refused_without_trace(image_id, retry=CONTENT[:N])


@cuts
def test_held_over_the_projects_quota_chunked(small_house: House, cut: Cut) -> None:
    """Refused at the byte that exceeds; the image is queued again, and a retry with less works."""
    for spare in (1, 0, -1):
        tenant = Tenant(small_house)
        tenant.active(CONTENT[:N])
        image_id, count = tenant.create(), SMALL_QUOTA - N - spare
        answer = tenant.put_chunks(image_id, cut(CONTENT[:count]))
        if spare >= 0:
            assert (answer.status, tenant.quota) == (204, (N + count, 0))
        else:
            assert (answer.status, f"The quota is {SMALL_QUOTA} bytes" in answer.message) == (413, True)
            tenant.assert_refused_without_trace(image_id, retry=CONTENT[: SMALL_QUOTA - N], used=N)


def assert_refused_in_the_middle(tenant: Tenant, status: int, body: Iterable[bytes], *size: tuple[str, str]) -> None:
    """The body does not end, and the client is told all the same."""
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, CHUNKED, *size)
        wire.send_while_taken(body)
        assert wire.answer().status == status
    tenant.assert_refused_without_trace(image_id)


def test_refused_at_the_byte_that_exceeds_not_at_the_end_of_the_body(small_house: House) -> None:
    assert_refused_in_the_middle(Tenant(small_house), 400, [chunk(CONTENT[: N + 1])], SIZE)
    assert_refused_in_the_middle(Tenant(small_house), 413, [chunk(CONTENT[: N + 1])])


@pytest.mark.usefixtures("each_storage")
def test_undone_when_a_large_body_is_refused_in_the_middle(tenant: Tenant) -> None:
    """What comes in one read of 1 MiB may be read whole."""
    piece = chunk(bytes(64 * 1024))
    assert_refused_in_the_middle(tenant, 400, [piece] * 17, ("x-openstack-image-size", "4"))
    assert_refused_in_the_middle(Tenant(tenant.house), 413, [piece] * (16 * (LIMIT // MIB + 1) + 1))


def test_zero_is_empty_and_not_unknown(small_tenant: Tenant) -> None:
    image_id, zero = small_tenant.create(), ("x-openstack-image-size", "0")
    assert small_tenant.put(image_id, b"", ("x-openstack-image-size", "1")).status == 400
    assert small_tenant.put_chunks(image_id, [b"x"], zero).status == 400
    small_tenant.assert_no_trace(image_id)
    assert small_tenant.ask("PUT", file_of(image_id), OCTETS, CHUNKED, zero, body=[LAST_CHUNK]).status == 204
    assert small_tenant.show(image_id)["size"] == 0
