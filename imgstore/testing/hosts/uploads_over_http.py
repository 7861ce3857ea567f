"""Uploads over HTTP: what is stored, what is refused and leaves nothing, and who gets an image."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

import pytest

from imgstore.testing.bench import body
from imgstore.testing.hosts.host_bench import CHUNKED, GOOD, JSON, OCTETS, HostBench
from imgstore.testing.hosts.wire import LAST_CHUNK, NO_ANSWER, chunk

LARGE = body(200_000)
TEN = b"0123456789"
LENGTH = ("Content-Length", "10")
STORE = "X-Image-Meta-Store"
SIZE = "x-openstack-image-size"
MD5 = hashlib.md5(TEN, usedforsecurity=False)
SHA256 = base64.b64encode(hashlib.sha256(TEN).digest()).decode()

ACCEPTED = {
    "media type in capitals, with a parameter": ("Content-Type", "Application/Octet-Stream; charset=binary"),
    "identity is no encoding": ("Content-Encoding", "identity"),
    "declared size": (SIZE, "10"),
    "digest of RFC 1864": ("Content-MD5", base64.b64encode(MD5.digest()).decode()),
    "digest in hex": ("Content-MD5", MD5.hexdigest()),
    "digest of RFC 9530": ("Repr-Digest", f"unixsum=:AAAA:, sha-256=:{SHA256}:"),
    "digest of RFC 9530 of the content": ("Content-Digest", f"sha-256=:{SHA256}:"),
}


class Row(NamedTuple):
    """A refusal: status, a word of its message, and the headers beside Content-Type that ask for it."""

    status: int
    said: str
    headers: tuple[tuple[str, str], ...]
    octets: tuple[tuple[str, str], ...] = (OCTETS,)


REFUSED = {
    "media type missing": Row(415, "application/octet-stream", (), ()),
    "media type other": Row(415, "text/plain", (("Content-Type", "text/plain"),), ()),
    "content that is encoded": Row(415, "gzip", (("Content-Encoding", "gzip"),)),
    "part of an image": Row(400, "Content-Range", (("Content-Range", "bytes 0-9/20"),)),
    "unknown store": Row(400, "nope", ((STORE, "nope"),)),
    "empty store": Row(400, "", ((STORE, ""),)),
    "size not a number": Row(400, "ten", ((SIZE, "ten"),)),
    "size negative": Row(400, SIZE, ((SIZE, "-1"),)),
    "size too small": Row(400, "9", ((SIZE, "9"),)),
    "size too large": Row(400, "11", ((SIZE, "11"),)),
    "other bytes than Content-MD5 means": Row(400, "", (("Content-MD5", "0" * 32),)),
    "other bytes than Content-MD5 of RFC 1864 means": Row(400, "", (("Content-MD5", f"{'A' * 22}=="),)),
    "other bytes than Content-Digest means": Row(400, "", (("Content-Digest", f"sha-256=:{'A' * 43}=:"),)),
    "other bytes than Repr-Digest means": Row(400, "", (("Repr-Digest", f"sha-256=:{'A' * 43}=:"),)),
    "digest malformed": Row(400, "", (("Content-MD5", "x"),)),
}
NOBODYS = ("no-such-image", "00000000-0000-4000-8000-000000000000", "%2e%2e", "a%00b")

framings = pytest.mark.parametrize("chunked", [False, True])
accepted_rows = pytest.mark.parametrize("row", list(ACCEPTED))
refused_rows = pytest.mark.parametrize("row", list(REFUSED))


class UploadRows:
    """PUT of an image's data."""

    @framings
    def test_image_comes_out_as_it_went_in(self, bench: HostBench, chunked: bool) -> None:
        for content in (TEN, LARGE, b""):
            image_id = bench.create()
            bench.put(image_id, content, chunked=chunked).must_be(204).must_carry(b"")
            bench.assert_stored(image_id, content)

    @framings
    @accepted_rows
    def test_headers_are_taken_at_their_word(self, bench: HostBench, row: str, chunked: bool) -> None:
        image_id, header = bench.create(), ACCEPTED[row]
        media_type = [] if header[0] == "Content-Type" else [OCTETS]
        framing, content = (CHUNKED, [chunk(TEN), LAST_CHUNK]) if chunked else (LENGTH, [TEN])
        bench.ask("PUT", image_id, *media_type, header, framing, body=content).must_be(204)
        bench.assert_stored(image_id, TEN)

    def test_framing_is_no_part_of_the_image(self, bench: HostBench) -> None:
        image_id = bench.create()
        framed = [b"5;name=value\r\n01234\r\n", b"5\r\n56789\r\n", b"0\r\nChecksum: x\r\n\r\n"]
        bench.ask("PUT", image_id, OCTETS, CHUNKED, body=framed).must_be(204)
        bench.assert_stored(image_id, TEN)

    def test_what_follows_the_body_is_no_part_of_the_image(self, bench: HostBench) -> None:
        image_id = bench.create()
        answer = bench.ask("PUT", image_id, OCTETS, LENGTH, body=[TEN + b"more"]).must_be(204, 400)
        found = bench.get(image_id).must_be(200, *([204] if answer.status == 400 else []))
        if found.status == 200:
            found.must_carry(TEN)

    @framings
    @refused_rows
    def test_refused_upload_leaves_nothing(self, bench: HostBench, row: str, chunked: bool) -> None:
        image_id, before, refusal = bench.create(), bench.inventory(), REFUSED[row]
        framing, content = (CHUNKED, [chunk(TEN), LAST_CHUNK]) if chunked else (LENGTH, [TEN])
        headers = [*refusal.octets, *refusal.headers, framing, JSON]
        answer = bench.ask("PUT", image_id, *headers, body=content)
        answer.must_be(refusal.status).must_say(refusal.said)
        bench.assert_undone(image_id, before)

    def test_length_that_cannot_be_is_refused(self, bench: HostBench) -> None:
        image_id, before = bench.create(), bench.inventory()
        for value in ("ten", "-1", "1_0"):
            answer = bench.ask("PUT", image_id, OCTETS, ("Content-Length", value), body=[TEN])
            answer.must_be(400, NO_ANSWER)
        bench.assert_undone(image_id, before)

    def test_two_framings_at_once_are_refused(self, bench: HostBench) -> None:
        """Else whoever stands in between sees another request (request smuggling)."""
        image_id, before = bench.create(), bench.inventory()
        framed = [b"a\r\n0123456789\r\n0\r\n\r\n"]
        for both in ((LENGTH, CHUNKED), (CHUNKED, LENGTH)):
            bench.ask("PUT", image_id, OCTETS, *both, body=framed).must_be(400)
        bench.assert_undone(image_id, before)

    @pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "x"])
    def test_framing_that_is_not_known_is_refused(self, bench: HostBench, coding: str) -> None:
        image_id, before = bench.create(), bench.inventory()
        answer = bench.ask("PUT", image_id, OCTETS, ("Transfer-Encoding", coding), body=[chunk(TEN), LAST_CHUNK])
        answer.must_be(400, 501, NO_ANSWER)
        bench.assert_undone(image_id, before)

    def test_body_of_a_refused_upload_is_never_a_request(self, bench: HostBench) -> None:
        """What follows a refused head is a body, whatever it looks like. The host passes it over, or closes."""
        image_id = bench.create()
        smuggled = f"GET {bench.path(NOBODYS[0])} HTTP/1.1\r\nHost: host.test\r\n\r\n".encode()
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [("Content-Type", "text/plain"), ("Content-Length", str(len(smuggled)))])
            wire.send(smuggled)
            wire.answer().must_be(415)
            bench.head(wire, "GET", image_id, [])
            wire.answer().must_be(204, NO_ANSWER)

    @pytest.mark.parametrize("image_id", NOBODYS)
    def test_image_that_is_not_there_takes_no_upload(self, bench: HostBench, image_id: str) -> None:
        before = bench.inventory()
        bench.put(image_id, TEN).must_be(404)
        bench.assert_nothing_new(before)

    def test_image_of_somebody_else_takes_no_upload(self, bench: HostBench) -> None:
        image_id, before = bench.create(), bench.inventory()
        bench.put(image_id, TEN, caller=bench.subject.stranger).must_be(404)
        bench.assert_undone(image_id, before)

    def test_active_image_takes_no_upload(self, bench: HostBench) -> None:
        image_id, before = bench.active(), bench.inventory()
        for content in (TEN, GOOD):
            bench.put(image_id, content).must_be(409)
        bench.assert_stored(image_id, GOOD)
        bench.assert_nothing_new(before)

    def test_one_of_two_uploads_gets_the_image(self, bench: HostBench) -> None:
        """The second comes in the middle of the first. A host that is slow to begin may grant the second."""
        image_id = bench.create()
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [OCTETS, LENGTH, ("Expect", "100-continue")])
            wire.wait_for_continue()
            wire.send(TEN[:5])
            second = bench.put(image_id, GOOD).must_be(204, 409)
            wire.send(TEN[5:])
            wire.answer().must_be(409 if second.status == 204 else 204)
        bench.assert_stored(image_id, GOOD if second.status == 204 else TEN)

    def test_errors_are_what_accept_asks_for(self, bench: HostBench) -> None:
        image_id = bench.active()
        for accept, media_type, begins in (
            ("application/json", "application/json", b"{"),
            ("text/html", "text/html", b"<!DOCTYPE html>"),
            ("*/*", "text/plain", b"409 Conflict"),
        ):
            answer = bench.put(image_id, TEN, ("Accept", accept)).must_be(409)
            if not answer.headers.get("content-type", "").startswith(media_type):
                answer.fail(media_type, did=f"answered {answer.headers.get('content-type')}")
            if not answer.body.startswith(begins) or b"Traceback" in answer.body:
                answer.fail(f"a body of {media_type}")

    def test_errors_are_escaped(self, bench: HostBench) -> None:
        answer = bench.put(bench.create(), TEN, (STORE, "<b>nope</b>"), ("Accept", "text/html")).must_be(400)
        if b"<b>" in answer.body:
            answer.fail("escaping what the client sent")
