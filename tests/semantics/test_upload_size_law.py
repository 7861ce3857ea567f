"""Law 2 over HTTP: n-1, n and n+1 bytes, however the size was declared and however the bytes are cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imgstore.model import MIB
from tests.semantics.conftest import LIMIT, SMALL_LIMIT, SMALL_QUOTA
from tests.semantics.house import CHUNKED, OCTETS, Tenant, file_of
from tests.semantics.wire import LAST_CHUNK, chunk

N = SMALL_LIMIT
CONTENT = bytes(i % 251 for i in range(N + 1))
Cut = Callable[[bytes], list[bytes]]


def whole(content: bytes) -> list[bytes]:
    return [content] if content else []


def byte_by_byte(content: bytes) -> list[bytes]:
    return [content[i : i + 1] for i in range(len(content))]


cuts = pytest.mark.parametrize("cut", [whole, byte_by_byte])


@cuts
@pytest.mark.parametrize(("count", "stored"), [(N - 1, None), (N, N), (N + 1, N)])
def test_declared_by_content_length(small_tenant: Tenant, cut: Cut, count: int, stored: int | None) -> None:
    """A body that ends early is refused; bytes beyond are not the body's, and so not the image's."""
    image_id = small_tenant.create()
    with small_tenant.wire() as wire:
        wire.head(
            "PUT", file_of(image_id), [OCTETS, ("Content-Length", str(N)), ("X-Project-Id", small_tenant.project)]
        )
        wire.send_while_taken(cut(CONTENT[:count]))
        if stored is None:
            wire.half_close()
        answer = wire.answer()
    assert answer.status == (400 if stored is None else 204)
    if stored is None:
        small_tenant.assert_refused_without_trace(image_id)
    else:
        assert small_tenant.objects(image_id) == {f"fast/{image_id}": CONTENT[:stored]}
        assert small_tenant.quota == (stored, 0)


@cuts
@pytest.mark.parametrize(("count", "status"), [(0, 400), (N - 1, 400), (N, 204), (N + 1, 400)])
def test_declared_by_the_size_header(small_tenant: Tenant, cut: Cut, count: int, status: int) -> None:
    image_id = small_tenant.create()
    size = ("x-openstack-image-size", str(N))
    answer = small_tenant.put_chunks(image_id, cut(CONTENT[:count]), size)
    assert answer.status == status
    if status == 204:
        assert small_tenant.objects(image_id) == {f"fast/{image_id}": CONTENT[:N]}
    else:
        assert answer.json["code"] == "size-mismatch"
        assert str(N) in answer.message
        small_tenant.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("count", [N - 1, N + 1])
def test_declared_by_both_and_different(small_tenant: Tenant, count: int) -> None:
    image_id = small_tenant.create()
    answer = small_tenant.put(image_id, CONTENT[:count], ("x-openstack-image-size", str(N)))
    assert (answer.status, answer.json["code"]) == (400, "size-mismatch")
    small_tenant.assert_refused_without_trace(image_id)


@cuts
@pytest.mark.parametrize(("count", "status"), [(N - 1, 204), (N, 204), (N + 1, 413)])
def test_image_size_cap_chunked(small_tenant: Tenant, cut: Cut, count: int, status: int) -> None:
    image_id = small_tenant.create()
    answer = small_tenant.put_chunks(image_id, cut(CONTENT[:count]))
    assert answer.status == status
    if status == 204:
        assert small_tenant.objects(image_id) == {f"fast/{image_id}": CONTENT[:count]}
    else:
        assert str(N) in answer.message
        small_tenant.assert_refused_without_trace(image_id, retry=CONTENT[:N])


@pytest.mark.parametrize(("count", "status"), [(N - 1, 204), (N, 204), (N + 1, 413)])
def test_image_size_cap_declared(small_tenant: Tenant, count: int, status: int) -> None:
    image_id = small_tenant.create()
    assert small_tenant.put(image_id, CONTENT[:count]).status == status
    if status == 413:
        small_tenant.assert_refused_without_trace(image_id, retry=CONTENT[:N])


@cuts
@pytest.mark.parametrize(("spare", "status"), [(1, 204), (0, 204), (-1, 413)])
def test_over_the_projects_quota_chunked(small_tenant: Tenant, cut: Cut, spare: int, status: int) -> None:
    """Refused at the byte that exceeds; the image is queued again, and a retry with less works."""
    small_tenant.active(CONTENT[:N])
    image_id, count = small_tenant.create(), SMALL_QUOTA - N - spare
    answer = small_tenant.put_chunks(image_id, cut(CONTENT[:count]))
    assert answer.status == status
    if status == 413:
        assert f"The quota is {SMALL_QUOTA} bytes" in answer.message
        small_tenant.assert_refused_without_trace(image_id, retry=CONTENT[: SMALL_QUOTA - N], used=N)
    else:
        assert small_tenant.quota == (N + count, 0)


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


def test_content_length_0_with_a_size_header_is_a_mismatch_and_not_unknown(small_tenant: Tenant) -> None:
    image_id = small_tenant.create()
    assert small_tenant.put(image_id, b"", ("x-openstack-image-size", "1")).status == 400
    small_tenant.assert_refused_without_trace(image_id)


def test_size_header_0_is_an_empty_image_and_not_unknown(small_tenant: Tenant) -> None:
    image_id, size = small_tenant.create(), ("x-openstack-image-size", "0")
    assert small_tenant.put_chunks(image_id, [b"x"], size).status == 400
    small_tenant.assert_no_trace(image_id)
    assert small_tenant.ask("PUT", file_of(image_id), OCTETS, CHUNKED, size, body=[LAST_CHUNK]).status == 204
    assert small_tenant.show(image_id)["size"] == 0


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "largest"])
def test_refused_at_the_byte_that_exceeds_not_at_the_end_of_the_body(small_tenant: Tenant, declared: bool) -> None:
    """The client still has its body open, and hears of it all the same."""
    image_id = small_tenant.create()
    headers = [OCTETS, CHUNKED, ("X-Project-Id", small_tenant.project)]
    with small_tenant.wire() as wire:
        wire.head("PUT", file_of(image_id), [*headers, ("x-openstack-image-size", str(N))] if declared else headers)
        wire.send(chunk(CONTENT[: N + 1]))
        answer = wire.answer()
    assert answer.status == (400 if declared else 413)
    small_tenant.assert_refused_without_trace(image_id)
