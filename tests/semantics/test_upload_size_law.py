"""Exact over HTTP: n-1, n and n+1 bytes, however the size was declared and however the bytes are cut."""

from __future__ import annotations

from collections.abc import Callable

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


@pytest.mark.usefixtures("each_storage")
@pytest.mark.parametrize(
    ("size", "sent", "status"), [([("x-openstack-image-size", "4")], 4 + MIB, 400), ([], LIMIT + MIB, 413)]
)
def test_refused_while_the_client_is_in_the_middle_of_its_body(
    tenant: Tenant, size: list[tuple[str, str]], sent: int, status: int
) -> None:
    """The body does not end, and the client is told all the same; what comes in one read of 1 MiB may be read whole."""
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, CHUNKED, *size)
        wire.send_while_taken(chunk(bytes(64 * 1024)) for _ in range(sent // (64 * 1024) + 1))
        assert wire.answer().status == status
    tenant.assert_refused_without_trace(image_id)


def test_zero_is_empty_and_not_unknown(small_tenant: Tenant) -> None:
    image_id, zero = small_tenant.create(), ("x-openstack-image-size", "0")
    assert small_tenant.put(image_id, b"", ("x-openstack-image-size", "1")).status == 400
    assert small_tenant.put_chunks(image_id, [b"x"], zero).status == 400
    small_tenant.assert_no_trace(image_id)
    assert small_tenant.ask("PUT", file_of(image_id), OCTETS, CHUNKED, zero, body=[LAST_CHUNK]).status == 204
    assert small_tenant.show(image_id)["size"] == 0


def test_refused_at_the_byte_that_exceeds_not_at_the_end_of_the_body(small_house: House) -> None:
    """The client still has its body open, and hears of it all the same."""
    for declared, status in (([SIZE], 400), ([], 413)):
        tenant = Tenant(small_house)
        image_id = tenant.create()
        with tenant.wire() as wire:
            tenant.begin(wire, image_id, CHUNKED, *declared)
            wire.send(chunk(CONTENT[: N + 1]))
            assert wire.answer().status == status
        tenant.assert_refused_without_trace(image_id)
