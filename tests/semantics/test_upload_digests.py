"""SEMANTICS of uploads: bytes that do not have the digest which the client named are 400 and leave nothing."""

from __future__ import annotations

import base64
import hashlib

import pytest

from imgstore.model import MIB
from tests.semantics.house import House, Tenant

LARGE = bytes(range(256)) * (6 * MIB // 256)


def headers_of(content: bytes) -> list[tuple[str, str]]:
    """The ways to name the digest of this content."""
    md5, sha256 = hashlib.md5(content, usedforsecurity=False), hashlib.sha256(content)
    encoded = [base64.b64encode(hash_.digest()).decode() for hash_ in (md5, sha256)]
    return [
        ("Content-MD5", encoded[0]), ("Content-MD5", md5.hexdigest()),
        ("Repr-Digest", f"unixsum=:AAAA:, sha-256=:{encoded[1]}:"), ("Content-Digest", f"sha-256=:{encoded[1]}:"),
    ]  # fmt: skip


def assert_compared(tenant: Tenant, content: bytes, header: int, *headers: tuple[str, str], chunked: bool) -> None:
    meant, image_id = headers_of(content)[header], tenant.create()
    answer = tenant.put_framed(image_id, content[:-1] + b"!", meant, *headers, chunked=chunked)
    assert (answer.status, answer.json["code"]) == (400, "digest-mismatch"), answer
    tenant.assert_no_trace(image_id)
    assert tenant.put_framed(image_id, content, meant, *headers, chunked=chunked).status == 204
    tenant.assert_stored(image_id, content, *(headers[0][1].split(",") if headers else ["fast"]))


@pytest.mark.usefixtures("each_storage")
@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_undone_in_any_store(house: House, chunked: bool) -> None:
    for content in (b"small", LARGE):
        assert_compared(Tenant(house), content, 2, chunked=chunked)


def test_undone_in_several_stores(all_tenant: Tenant) -> None:
    assert_compared(all_tenant, b"image", 0, ("X-Image-Meta-Store", "fast,slow"), chunked=True)
