"""Whatever was begun is undone: abort at every point, in every way, and a retry succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from imgstore import errors
from imgstore.driver.base import ObjectWriter
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces
from imgstore.testing.resources import FEW, descriptors, keeps, no_collector
from imgstore.testing.telling import Laws

at_every_point = pytest.mark.parametrize("point", ["nothing", "some", "all"])
known_or_not = pytest.mark.parametrize("declared", [True, False])


class Interrupted(Exception):
    """What a test raises in the middle of an upload: none of the library's errors."""


def begin(bench: Bench, point: str, *, declared: bool) -> ObjectWriter:
    """A writer that has got nothing, some or all of its bytes, more than any border of the driver."""
    border = max(bench.subject.borders)
    data = body(border * 2 + 7)
    writer = bench.driver.open_writer(KEY, size=len(data) if declared else None)
    count = {"nothing": 0, "some": 2, "all": len(data)}[point]
    for piece in list(pieces(data, border // 2))[:count]:
        writer.write(piece)
    return writer


def nothing_left(bench: Bench) -> None:
    """No trace, and the same key can be written."""
    bench.assert_absent()
    bench.assert_clean()
    bench.put(body(50, 9))
    bench.assert_holds(body(50, 9))


def stop_in_the_middle(bench: Bench) -> Iterator[bytes]:
    """A body whose source breaks."""
    yield bench.large()
    raise Interrupted


def lose(bench: Bench) -> None:
    """A commit that is refused, since another upload had the key first."""
    with bench.other.open_writer(KEY) as loser:
        loser.write(body(13))
        bench.put(body(13))
        with bench.refuses(errors.ObjectExists):
            loser.commit()
    bench.delete()


class AbortLaws(Laws):
    """Every way in which a writer ends without an object."""

    @at_every_point
    @known_or_not
    def test_abort_leaves_nothing(self, bench: Bench, point: str, declared: bool) -> None:
        begin(bench, point, declared=declared).abort()
        nothing_left(bench)

    @at_every_point
    def test_second_abort_does_nothing(self, bench: Bench, point: str) -> None:
        writer = begin(bench, point, declared=False)
        writer.abort()
        bench.put(body(10))
        writer.abort()
        bench.assert_holds(body(10))

    @at_every_point
    def test_leaving_without_commit_leaves_nothing(self, bench: Bench, point: str) -> None:
        with begin(bench, point, declared=True):
            pass
        nothing_left(bench)

    @at_every_point
    def test_exception_leaves_nothing(self, bench: Bench, point: str) -> None:
        with pytest.raises(Interrupted), begin(bench, point, declared=True):
            raise Interrupted
        nothing_left(bench)

    def test_body_that_breaks_leaves_nothing(self, bench: Bench) -> None:
        def upload() -> None:
            with bench.driver.open_writer(KEY) as writer:
                for piece in stop_in_the_middle(bench):
                    writer.write(piece)

        with pytest.raises(Interrupted):
            upload()
        nothing_left(bench)

    @pytest.mark.parametrize("point", ["nothing", "some"])
    def test_refused_commit_leaves_nothing(self, bench: Bench, point: str) -> None:
        writer = begin(bench, point, declared=True)
        with bench.refuses(errors.SizeMismatch):
            writer.commit()
        bench.assert_clean()
        writer.abort()
        nothing_left(bench)

    def test_refused_write_leaves_nothing(self, bench: Bench) -> None:
        writer = begin(bench, "all", declared=True)
        with bench.refuses(errors.SizeMismatch):
            writer.write(b"x")
        bench.assert_clean()
        nothing_left(bench)

    def test_aborted_writer_takes_nothing(self, bench: Bench) -> None:
        writer = begin(bench, "some", declared=False)
        writer.abort()
        for action in (lambda: writer.write(b"more"), writer.commit):
            with bench.refuses(errors.UsageError):
                action()
        nothing_left(bench)

    def test_abort_of_a_loser_leaves_the_winners_object(self, bench: Bench) -> None:
        with bench.other.open_writer(KEY) as loser:
            loser.write(bench.large(1))
            bench.put(bench.large())
            loser.abort()
        bench.assert_holds(bench.large())

    def test_refused_loser_leaves_the_winners_object(self, bench: Bench) -> None:
        with bench.other.open_writer(KEY) as loser:
            loser.write(bench.large(1))
            bench.put(bench.large())
            with bench.refuses(errors.ObjectExists):
                loser.commit()
            loser.abort()
        bench.assert_holds(bench.large())
        bench.assert_clean()

    def test_abort_harms_no_upload_beside_it(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEYS[0]) as beside, bench.driver.open_writer(KEY) as retry:
            beside.write(bench.large(1))
            retry.write(bench.large(2))
            begin(bench, "some", declared=False).abort()
            beside.write(body(300, 3))
            retry.write(body(300, 4))
            for writer in (beside, retry):
                writer.commit()
        bench.committed.update({KEYS[0]: bench.large(1) + body(300, 3), KEY: bench.large(2) + body(300, 4)})
        bench.assert_all_hold()

    def test_chunk_that_is_no_buffer_ends_the_writer(self, bench: Bench) -> None:
        for chunk in ("text", memoryview(bytes(8))[::2], None, 7):
            writer = begin(bench, "some", declared=False)
            with bench.refuses(errors.UsageError):
                writer.write(chunk)  # type: ignore[arg-type] # a caller's mistake is what is tested
            bench.assert_clean()
            bench.assert_absent()

    def test_refused_commit_returns_its_descriptors(self, bench: Bench) -> None:
        with no_collector():
            kept = keeps(partial(lose, bench), descriptors, times=FEW)
        assert not kept, "every refused commit costs a descriptor that is not returned"
