"""SEMANTICS of uploads: clients that half-close, stall, reset or break their framing; and what happens meanwhile."""

from __future__ import annotations

import pytest

from imgstore.model import MIB
from tests.semantics.house import CHUNKED, House, Tenant, file_of
from tests.semantics.wire import LAST_CHUNK, chunk

TEN = ("Content-Length", "10")
STALLED: dict[str, tuple[tuple[str, str], bytes]] = {
    "length known": (TEN, b"01234"),
    "chunked, in a chunk": (CHUNKED, b"a\r\n01234"),
    "chunked, after a chunk": (CHUNKED, chunk(b"01234")),
}
each_storage = pytest.mark.usefixtures("each_storage")


def assert_breaks_off(tenant: Tenant, end: str, sent: bytes, *headers: tuple[str, str]) -> None:
    """A client that half-closes or resets its connection is answered, if it listens, and nothing is left."""
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, *headers)
        wire.send(sent)
        if end == "reset":
            wire.reset()
            tenant.house.wait_until_ended(file_of(image_id))
        else:
            wire.half_close()
            answer = wire.answer()
            assert (answer.status, answer.json["code"]) == (400, "body-broken")
    tenant.assert_refused_without_trace(image_id)


ends = pytest.mark.parametrize("end", ["half-close", "reset"])


@each_storage
@ends
def test_undone_in_any_store_when_the_client_breaks_off(tenant: Tenant, end: str) -> None:
    assert_breaks_off(tenant, end, bytes(3 * MIB), ("Content-Length", str(4 * MIB)))
    assert_breaks_off(Tenant(tenant.house), end, chunk(b"01234"), CHUNKED)


def test_client_stalls_past_the_servers_limit(house: House, subtests: pytest.Subtests) -> None:
    for case, (framing, sent) in STALLED.items():
        tenant = Tenant(house)
        image_id = tenant.create()
        with subtests.test(case):
            with tenant.wire() as wire:
                tenant.begin(wire, image_id, framing)
                house.lose_patience()
                wire.send(sent)
                answer = wire.answer()
            assert (answer.status, answer.json["code"]) == (408, "body-stalled")
            tenant.assert_refused_without_trace(image_id)


MALFORMED = {
    "not hexadecimal": b"xyz\r\n0123456789\r\n0\r\n\r\n",
    "not hexadecimal after a good chunk": b"5\r\n01234\r\nxyz\r\n01234\r\n0\r\n\r\n",
    "0x": b"0xa\r\n0123456789\r\n0\r\n\r\n",
    "underscore": b"1_0\r\n0123456789012345\r\n0\r\n\r\n",
    "plus": b"+a\r\n0123456789\r\n0\r\n\r\n",
    "minus": b"-a\r\n0123456789\r\n0\r\n\r\n",
    "empty size": b"\r\n0123456789\r\n0\r\n\r\n",
    "no CRLF after the data": b"a\r\n01234567890\r\n\r\n",
    "data longer than its size": b"5\r\n0123456789\r\n0\r\n\r\n",
    "bare LF": b"a\n0123456789\n0\n\n",
    "size of 5000 digits": b"1" * 5000 + b"\r\n0123456789\r\n0\r\n\r\n",
    "size of 17 digits": b"fffffffffffffffff\r\n0123456789\r\n0\r\n\r\n",
    "not chunked at all": b"0123456789",
}


def test_malformed_chunked_encoding(house: House, subtests: pytest.Subtests) -> None:
    for name, body in MALFORMED.items():
        tenant = Tenant(house)
        image_id = tenant.create()
        with subtests.test(name):
            with tenant.wire() as wire:
                tenant.begin(wire, image_id, CHUNKED)
                wire.send(body)
                wire.half_close()
                answer = wire.answer()
            assert (answer.status, answer.json["code"]) == (400, "body-broken")
            tenant.assert_refused_without_trace(image_id)


def assert_deletion_ends_it(tenant: Tenant, body: bytes, *headers: tuple[str, str]) -> None:
    """An upload whose image is deleted in the middle leaves nothing."""
    image_id = tenant.create()
    with tenant.wire() as wire:
        tenant.begin(wire, image_id, *headers)
        wire.send(body[:-5])
        tenant.delete(image_id)
        wire.send(body[-5:])
        answer = wire.answer()
    assert (answer.status, answer.json["code"]) == (410, "image-gone")
    assert tenant.objects(image_id) == {}
    assert tenant.quota == (0, 0)
    assert tenant.ask("GET", f"/v2/images/{image_id}").status == 404


@each_storage
def test_image_deleted_during_the_upload(tenant: Tenant) -> None:
    assert_deletion_ends_it(tenant, b"0123456789", TEN)
    assert_deletion_ends_it(tenant, chunk(b"0123456789") + LAST_CHUNK, CHUNKED)
