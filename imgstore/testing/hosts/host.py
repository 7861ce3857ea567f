"""The contract for a whole host, over HTTP, and promises that some hosts make besides."""

from __future__ import annotations

import pytest

from imgstore.testing.bench import body
from imgstore.testing.hosts.bodies_over_http import BodyRows
from imgstore.testing.hosts.downloads_over_http import DownloadRows
from imgstore.testing.hosts.host_bench import CHUNKED, EXPECT, OCTETS, HostBench, HostSubject
from imgstore.testing.hosts.uploads_over_http import LARGE, LENGTH, SIZE, TEN, UploadRows, framings
from imgstore.testing.hosts.wire import LAST_CHUNK


class HostContract(UploadRows, BodyRows, DownloadRows):
    """Subclass it under a name that pytest collects and override the fixture `subject`; it may start the host once for
    all tests of the class, with `scope="class"`."""

    @pytest.fixture
    def subject(self) -> HostSubject:
        """The host under test, which serves."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: HostSubject) -> HostBench:
        """What the tests work with."""
        return HostBench(subject)


class LimitsSize:
    """For hosts with a largest image: adopt it beside `HostContract`, and name it in `subject.largest`."""

    @framings
    def test_largest_image_is_stored_and_one_byte_more_refused(self, bench: HostBench, chunked: bool) -> None:
        largest = body(bench.subject.largest)
        image_id, before = bench.create(), bench.inventory()
        bench.put(image_id, largest + b"!", chunked=chunked).must_be(413)
        bench.assert_undone(image_id, before, retry=largest)

    def test_declared_size_is_enough_to_refuse(self, bench: HostBench) -> None:
        image_id, before, size = bench.create(), bench.inventory(), str(bench.subject.largest + 1)
        for headers in ([("Content-Length", size)], [CHUNKED, (SIZE, size)]):
            with bench.wire() as wire:
                bench.head(wire, "PUT", image_id, [OCTETS, *headers])
                wire.answer().must_be(413).must_say(str(bench.subject.largest))
        bench.assert_undone(image_id, before)


class LimitsQuota:
    """For hosts with a quota for each project: adopt it beside `HostContract`, name it in `subject.quota`, and give the
    subject a `newcomer`."""

    @framings
    def test_quota_is_met_to_the_byte(self, bench: HostBench, chunked: bool) -> None:
        half = bench.subject.quota // 2
        bench.active(body(half))
        image_id, full, before = bench.create(), bench.create(), bench.inventory()
        rest = body(bench.subject.quota - half)
        bench.put(image_id, rest + b"!", chunked=chunked).must_be(413)
        bench.assert_undone(image_id, before, retry=rest)
        bench.put(full, b"!", chunked=chunked).must_be(413)
        bench.get(full).must_be(204)

    def test_upload_under_way_holds_its_quota(self, bench: HostBench) -> None:
        """The second comes in the middle of the first. A host that is slow to begin may grant the second."""
        half = body(bench.subject.quota // 2 + 1)
        first, second = bench.create(), bench.create()
        with bench.wire() as wire:
            bench.head(wire, "PUT", first, [OCTETS, EXPECT, ("Content-Length", str(len(half)))])
            wire.wait_for_continue()
            wire.send(half[:-1])
            other = bench.put(second, half).must_be(204, 413)
            wire.send(half[-1:])
            wire.answer().must_be(413 if other.status == 204 else 204)
        bench.assert_stored(second if other.status == 204 else first, half)


class DeletesImages:
    """For hosts that delete images: adopt it beside `HostContract`, and give its subject a `delete`."""

    @framings
    def test_image_deleted_during_its_upload_is_gone(self, bench: HostBench, chunked: bool) -> None:
        """410; 404 if the host was slow to begin."""
        image_id, before = bench.create(), bench.inventory()
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [OCTETS, EXPECT, CHUNKED if chunked else LENGTH])
            wire.wait_for_continue()
            wire.send(b"a\r\n01234" if chunked else TEN[:5])
            bench.delete(image_id)
            wire.send(b"56789\r\n" + LAST_CHUNK if chunked else TEN[5:])
            wire.answer().must_be(410, 404)  # 404: the server asked for the body before the host began the upload
        bench.get(image_id).must_be(404)
        bench.assert_nothing_new(before)

    def test_deleted_image_leaves_nothing(self, bench: HostBench) -> None:
        before = bench.inventory()
        image_id = bench.active(LARGE)
        bench.delete(image_id)
        bench.get(image_id).must_be(404)
        bench.put(image_id, TEN).must_be(404)
        bench.assert_nothing_new(before)


class AsksWho:
    """For hosts that ask who calls: adopt it beside `HostContract`."""

    def test_nobody_is_refused(self, bench: HostBench) -> None:
        image_id, before = bench.create(), bench.inventory()
        for answer in (bench.put(image_id, TEN, caller={}), bench.get(image_id, caller={})):
            if "www-authenticate" not in answer.must_be(401).headers:
                answer.fail("a challenge", did="answered 401 without WWW-Authenticate")
        bench.assert_undone(image_id, before)


class InspectsContent:
    """For hosts that refuse content of another format than the image's: adopt it beside `HostContract`."""

    @framings
    def test_content_of_another_format_is_refused(self, bench: HostBench, chunked: bool) -> None:
        image_id, before = bench.create(disk_format="qcow2"), bench.inventory()
        for content in (LARGE, b""):
            bench.put(image_id, content, chunked=chunked).must_be(415)
        bench.assert_nothing_new(before)
        qcow2 = b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (1 << 20).to_bytes(8, "big") + bytes(100_000)
        bench.put(image_id, qcow2, chunked=chunked).must_be(204)
        bench.assert_stored(image_id, qcow2)
