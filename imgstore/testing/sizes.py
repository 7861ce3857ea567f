"""Exact to the byte: declared size and limit, one less, as many, one more, length known or unknown.

After every refusal nothing is left, and a retry under the same key with good data succeeds.
"""

from __future__ import annotations

from imgstore import errors
from imgstore.testing.bench import KEY, Bench, body, pieces
from imgstore.testing.telling import Laws


def upload(bench: Bench, data: bytes, *, size: int | None, limit: int | None, step: int) -> None:
    """Tries to commit `data`, from `open_writer` on."""
    with bench.driver.open_writer(KEY, size=size, limit=limit) as writer:
        for piece in pieces(data, step):
            writer.write(piece)
        writer.commit()
    bench.committed[KEY] = data


def refuse(bench: Bench, kind: type[errors.ImgstoreError], data: bytes, *, size: int | None, limit: int | None) -> None:
    """In one chunk and in several, the upload is refused and leaves nothing."""
    for step in (max(len(data), 1), max(len(data) // 3, 1)):
        with bench.refuses(kind):
            upload(bench, data, size=size, limit=limit, step=step)
        bench.assert_clean()
        assert not bench.exists(bench.other, KEY), "an object is there that was refused"


def accept(bench: Bench, data: bytes, *, size: int | None, limit: int | None) -> None:
    """The upload succeeds; the key is free again afterwards."""
    upload(bench, data, size=size, limit=limit, step=max(len(data) // 3, 1))
    bench.assert_all_hold()
    bench.delete()


class SizeLaws(Laws):
    """n - 1, n, n + 1 for every n of the subject's sizes."""

    def test_body_shorter_than_declared_is_refused(self, bench: Bench) -> None:
        for size in bench.sizes():
            if size > 0:
                refuse(bench, errors.SizeMismatch, body(size - 1), size=size, limit=None)
            accept(bench, body(size), size=size, limit=None)

    def test_body_longer_than_declared_is_refused(self, bench: Bench) -> None:
        for size in bench.sizes():
            refuse(bench, errors.SizeMismatch, body(size + 1), size=size, limit=None)
            accept(bench, body(size), size=size, limit=None)

    def test_declared_size_above_the_limit_is_refused_at_once(self, bench: Bench) -> None:
        for size in bench.sizes():
            with bench.refuses(errors.ImageTooLarge):
                bench.driver.open_writer(KEY, size=size + 1, limit=size)
            bench.assert_absent()
            accept(bench, body(size), size=size, limit=size)

    def test_unknown_length_is_held_to_the_limit(self, bench: Bench) -> None:
        for size in bench.sizes():
            refuse(bench, errors.ImageTooLarge, body(size + 1), size=None, limit=size)
            accept(bench, body(size), size=None, limit=size)
            accept(bench, body(max(size - 1, 0)), size=None, limit=size)

    def test_unknown_length_without_limit_takes_any_size(self, bench: Bench) -> None:
        for size in bench.sizes():
            accept(bench, body(size), size=None, limit=None)

    def test_refusal_comes_with_the_chunk_that_exceeds(self, bench: Bench) -> None:
        for size, limit, kind in ((10, None, errors.SizeMismatch), (None, 10, errors.ImageTooLarge)):
            with bench.driver.open_writer(KEY, size=size, limit=limit) as writer:
                writer.write(body(10))
                with bench.refuses(kind):
                    writer.write(b"x")
                assert writer.total == 10
                bench.assert_absent()

    def test_refused_writer_cannot_be_committed(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEY, size=10) as writer:
            writer.write(body(10))
            with bench.refuses(errors.SizeMismatch):
                writer.write(b"x")
            with bench.refuses(errors.UsageError):
                writer.commit()
        bench.assert_absent()

    def test_empty_chunks_count_nothing(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEY, size=3, limit=3) as writer:
            for chunk in (b"", b"ab", bytearray(), b"c", memoryview(b""), b""):
                writer.write(chunk)
            writer.commit()
        bench.committed[KEY] = b"abc"
        bench.assert_holds(b"abc")

    def test_negative_figures_are_the_callers_mistake(self, bench: Bench) -> None:
        with bench.refuses(errors.UsageError):
            bench.driver.open_writer(KEY, size=-1)
        with bench.refuses(errors.UsageError):
            bench.driver.open_writer(KEY, limit=-1)
        bench.assert_absent()
