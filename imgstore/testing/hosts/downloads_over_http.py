"""Downloads over HTTP: whole images, ranges, conditions."""

from __future__ import annotations

import contextlib
import hashlib

import pytest

from imgstore.testing.bench import body
from imgstore.testing.hosts.host_bench import HostBench
from imgstore.testing.hosts.uploads_over_http import NOBODYS

CONTENT = body(1000, 3)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
METHODS = ("GET", "HEAD")

RANGES = {
    "bytes=0-9": (0, 10), "bytes=0-0": (0, 1), "bytes=990-": (990, 1000), "bytes=-10": (990, 1000),
    "bytes=-5000": (0, 1000), "bytes=0-99999": (0, 1000), "bytes=999-999": (999, 1000), "bytes=0-999": (0, 1000),
}  # fmt: skip
NO_RANGES = ("bytes=1000-1001", "bytes=1000-", "bytes=-0", "bytes=9-5", "bytes=", "bytes=a-b", "garbage")

methods = pytest.mark.parametrize("method", METHODS)
ranges = pytest.mark.parametrize("value", list(RANGES))
no_ranges = pytest.mark.parametrize("value", NO_RANGES)


class DownloadRows:
    """GET and HEAD of an image's data."""

    @methods
    def test_whole_image_and_its_headers(self, bench: HostBench, method: str) -> None:
        answer = bench.get(bench.active(CONTENT), method=method).must_be(200)
        answer.must_carry(CONTENT if method == "GET" else b"")
        answer.must_have(content_length="1000", content_type="application/octet-stream", accept_ranges="bytes")
        if answer.headers.get("content-md5", MD5) != MD5:
            answer.fail(MD5, did=f"answered with content-md5 {answer.headers['content-md5']!r}")
        if not answer.headers.get("etag", "").strip('"'):
            answer.fail("the digest", did="answered without ETag")

    @methods
    def test_image_without_data_has_no_content(self, bench: HostBench, method: str) -> None:
        bench.get(bench.create(), ("Range", "bytes=0-9"), method=method).must_be(204).must_carry(b"")

    @methods
    def test_image_that_is_not_there_is_not_found(self, bench: HostBench, method: str) -> None:
        for image_id in NOBODYS:
            bench.get(image_id, method=method).must_be(404)
        for image_id in (bench.create(), bench.active()):
            bench.get(image_id, method=method, caller=bench.subject.stranger).must_be(404)

    def test_empty_image_has_no_range(self, bench: HostBench) -> None:
        image_id = bench.active(b"")
        for method in METHODS:
            bench.get(image_id, method=method).must_be(200).must_have(content_length="0").must_carry(b"")
        bench.get(image_id, ("Range", "bytes=0-0")).must_be(416).must_have(content_range="bytes */0")

    @ranges
    def test_range_is_partial_content(self, bench: HostBench, value: str) -> None:
        start, stop = RANGES[value]
        answer = bench.get(bench.active(CONTENT), ("Range", value)).must_be(206).must_carry(CONTENT[start:stop])
        answer.must_have(content_range=f"bytes {start}-{stop - 1}/1000", content_length=str(stop - start))

    @no_ranges
    def test_range_that_cannot_be_is_refused(self, bench: HostBench, value: str) -> None:
        answer = bench.get(bench.active(CONTENT), ("Range", value)).must_be(416)
        answer.must_have(content_range="bytes */1000")

    def test_ranges_of_old_clients_several_and_of_other_units(self, bench: HostBench) -> None:
        image_id = bench.active(CONTENT)
        bench.get(image_id, ("Content-Range", "bytes 0-9/1000")).must_be(206).must_carry(CONTENT[:10])
        bench.get(image_id, ("Range", "bytes=0-9,20-29")).must_be(400)
        bench.get(image_id, ("Range", "lines=0-9")).must_be(200).must_carry(CONTENT)

    def test_conditions_are_kept(self, bench: HostBench) -> None:
        image_id, other = bench.active(CONTENT), bench.active()
        tags = [bench.get(each).headers.get("etag", "") for each in (image_id, other)]
        bench.get(image_id, ("If-Match", tags[0])).must_be(200).must_carry(CONTENT)
        bench.get(image_id, ("If-Match", tags[1])).must_be(412)
        bench.get(image_id, ("If-None-Match", tags[0])).must_be(304).must_carry(b"")
        bench.get(image_id, ("If-None-Match", tags[1])).must_be(200).must_carry(CONTENT)
        part = ("Range", "bytes=0-9")
        bench.get(image_id, part, ("If-Range", tags[0])).must_be(206).must_carry(CONTENT[:10])
        bench.get(image_id, part, ("If-Range", tags[1])).must_be(200).must_carry(CONTENT)

    def test_preferred_store_must_be_known(self, bench: HostBench) -> None:
        for image_id in (bench.active(), bench.create()):
            bench.get(image_id, query="?prefer=nope").must_be(400).must_say("nope")

    def test_one_connection_serves_get_after_head(self, bench: HostBench) -> None:
        """No answer says more or less than it sends. A host may also close the connection, if it says so."""
        image_id = bench.active(CONTENT)
        with contextlib.ExitStack() as stack:
            wire = stack.enter_context(bench.wire())
            for method, headers, status, content in (
                ("HEAD", [], 200, b""),
                ("GET", [("If-None-Match", "*")], 304, b""),
                ("GET", [], 200, CONTENT),
            ):
                bench.head(wire, method, image_id, headers)
                answer = wire.answer().must_be(status).must_carry(content)
                if answer.headers.get("connection", "").lower() == "close":
                    wire = stack.enter_context(bench.wire())
