"""Bodies over HTTP that break, and refusals that come before the body."""

from __future__ import annotations

import pytest

from imgstore.testing.hosts.host_bench import CHUNKED, EXPECT, JSON, OCTETS, HostBench
from imgstore.testing.hosts.uploads_over_http import LENGTH, SIZE, STORE, TEN
from imgstore.testing.hosts.wire import CONTINUE, LAST_CHUNK, NO_ANSWER, Answer, chunk

BEGUN = {
    "length known": (LENGTH, TEN[:5]),
    "length known, no byte yet": (LENGTH, b""),
    "length known, one byte short": (LENGTH, TEN[:9]),
    "chunked, no byte yet": (CHUNKED, b""),
    "in a size": (CHUNKED, chunk(TEN) + b"a"),
    "in a chunk": (CHUNKED, b"a\r\n01234"),
    "after a chunk": (CHUNKED, chunk(TEN)),
    "in the last chunk": (CHUNKED, chunk(TEN) + b"0\r\n"),
}
MALFORMED = {
    "size that is no number": b"zz\r\n0123456789\r\n0\r\n\r\n",
    "size that is negative": b"-1\r\n0123456789\r\n0\r\n\r\n",
    "data longer than its size": b"5\r\n0123456789\r\n0\r\n\r\n",
    "not chunked at all": b"0123456789\r\n\r\n",
}
EARLY = {
    "media type": (415, [("Content-Type", "text/plain")]),
    "store": (400, [OCTETS, (STORE, "nope")]),
    "size": (400, [OCTETS, (SIZE, "ten")]),
    "image": (404, [OCTETS]),
    "status": (409, [OCTETS]),
}

begun_rows = pytest.mark.parametrize("row", list(BEGUN))
malformed_rows = pytest.mark.parametrize("row", list(MALFORMED))
early_rows = pytest.mark.parametrize("row", list(EARLY))


def broken_off(bench: HostBench, image_id: str, row: str) -> Answer:
    """A client that sends no more in the middle of the body, and waits for the answer."""
    framing, sent = BEGUN[row]
    with bench.wire() as wire:
        bench.head(wire, "PUT", image_id, [OCTETS, framing, EXPECT])
        wire.wait_for_continue()
        wire.send(sent)
        wire.half_close()
        return wire.answer()


class BodyRows:
    """A body that breaks leaves nothing, whoever breaks it and wherever."""

    @begun_rows
    def test_client_that_sends_no_more_leaves_nothing(self, bench: HostBench, row: str) -> None:
        image_id, before = bench.create(), bench.inventory()
        broken_off(bench, image_id, row).must_be(400, NO_ANSWER)
        bench.assert_undone(image_id, before)

    @begun_rows
    def test_client_that_dies_leaves_nothing(self, bench: HostBench, row: str) -> None:
        image_id, before, (framing, sent) = bench.create(), bench.inventory(), BEGUN[row]
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [OCTETS, framing, EXPECT])
            wire.wait_for_continue()
            wire.send(sent)
            wire.reset()
        bench.assert_undone(image_id, before)

    @malformed_rows
    def test_malformed_framing_leaves_nothing(self, bench: HostBench, row: str) -> None:
        image_id, before = bench.create(), bench.inventory()
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [OCTETS, CHUNKED, EXPECT])
            wire.wait_for_continue()
            wire.send(MALFORMED[row])
            wire.half_close()
            wire.answer().must_be(400, NO_ANSWER)
        bench.assert_undone(image_id, before)


class AnswersBrokenBodies:
    """For hosts whose server lets a client read the answer after it has closed its sending side: adopt it beside
    `HostContract`. A promise more, not a test less."""

    @begun_rows
    def test_client_that_sends_no_more_learns_why(self, bench: HostBench, row: str) -> None:
        broken_off(bench, bench.create(), row).must_be(400)


class RefusesBeforeTheBody:
    """For hosts whose server sends `100 Continue` when the application reads, not before: adopt it beside
    `HostContract`."""

    @early_rows
    def test_doomed_upload_is_refused_before_its_body(self, bench: HostBench, row: str) -> None:
        status, headers = EARLY[row]
        image_id = (
            {"image": "no-such-image", "status": ""}.get(row) or bench.active() if row != "size" else bench.create()
        )
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [*headers, LENGTH, EXPECT, JSON])
            asked = wire.wait_for_continue()
            wire.send(TEN)
            answer = wire.answer().must_be(status)
            if asked:
                answer.fail(f"{status} at once", did=f"asked for the body by {CONTINUE.decode()}")

    @pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
    def test_good_upload_is_asked_for_its_body(self, bench: HostBench, framing: tuple[str, str]) -> None:
        image_id = bench.create()
        with bench.wire() as wire:
            bench.head(wire, "PUT", image_id, [OCTETS, framing, EXPECT])
            asked = wire.wait_for_continue(patient=True)
            wire.send(TEN if framing == LENGTH else chunk(TEN) + LAST_CHUNK)
            answer = wire.answer().must_be(204)
            if not asked:
                answer.fail(CONTINUE.decode(), did="asked for no body")
        bench.assert_stored(image_id, TEN)
