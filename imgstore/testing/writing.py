"""What was written is what is there: every size, every chunking, every kind of buffer; creation is exclusive."""

from __future__ import annotations

import random
from array import array

import pytest

from imgstore import errors
from imgstore.model import Chunk
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces, same
from imgstore.testing.telling import Laws


def _random_pieces(data: bytes, seed: int) -> list[bytes]:
    """`data` in chunks of random sizes, small ones and empty ones among them."""
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(1, 24)))
    starts, ends = [0, *cuts], [*cuts, len(data)]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


class WritingLaws(Laws):
    """Laws 1 and 10 for a writer that ends well."""

    @pytest.mark.parametrize("declared", [True, False])
    def test_committed_bytes_are_read_back(self, bench: Bench, declared: bool) -> None:
        for number, size in enumerate(bench.sizes()):
            key = f"{KEY}-{number}"
            bench.put(body(size, number), key, declared=declared)
        bench.assert_all_hold()

    def test_commit_tells_what_stat_tells(self, bench: Bench) -> None:
        told, found = bench.put(body(13)), bench.other.stat(KEY)
        assert (told.key, told.size) == (found.key, found.size) == (KEY, 13)
        assert told.etag in (None, found.etag), "commit and stat tell different etags"

    @pytest.mark.parametrize("declared", [True, False])
    def test_empty_object_is_an_object(self, bench: Bench, declared: bool) -> None:
        assert bench.put(b"", declared=declared).size == 0
        bench.assert_holds(b"")

    @pytest.mark.parametrize("seed", range(6))
    def test_chunking_does_not_matter(self, bench: Bench, seed: int) -> None:
        data = body(max(bench.subject.borders) * 2 + seed, seed)
        with bench.driver.open_writer(KEY, size=len(data) if seed % 2 else None) as writer:
            for piece in _random_pieces(data, seed):
                writer.write(piece)
            assert writer.total == len(data)
            writer.commit()
        bench.committed[KEY] = data
        bench.assert_holds(data)

    def test_object_may_come_byte_by_byte(self, bench: Bench) -> None:
        bench.put(body(300), declared=False, step=1)
        bench.assert_holds(body(300))

    def test_object_may_come_in_one_chunk(self, bench: Bench) -> None:
        data = body(max(bench.subject.borders) * 3 + 1)
        bench.put(data, declared=False, step=len(data))
        bench.assert_holds(data)

    def test_zeros_come_back_as_zeros(self, bench: Bench) -> None:
        border = max(bench.subject.borders)
        hole = bytes(border * 2)
        for number, data in enumerate((hole, b"x" + hole, hole + b"x", body(7) + hole + body(7) + hole)):
            bench.put(data, f"{KEY}-{number}", declared=False, step=border if number % 2 else border // 2 + 1)
        bench.assert_all_hold()

    def test_every_kind_of_buffer_is_taken(self, bench: Bench) -> None:
        data = body(64)
        chunks: list[Chunk] = [data, bytearray(data), memoryview(data), memoryview(b"12" + data + b"3")[2:66]]
        chunks += [memoryview(array("I", data)), memoryview(data).cast("B", (8, 8)), memoryview(bytearray(data))]
        for number, chunk in enumerate(chunks):
            with bench.driver.open_writer(KEYS[number], size=64) as writer:
                writer.write(chunk)
                writer.commit()
            bench.committed[KEYS[number]] = data
        bench.assert_all_hold()

    def test_buffer_is_the_callers_again_after_write(self, bench: Bench) -> None:
        border = max(bench.subject.borders)
        data = body(border * 2)
        for size, key in ((64, KEYS[0]), (border, KEYS[1])):
            buffer = bytearray(size)
            with bench.driver.open_writer(key) as writer:
                for piece in pieces(data, size):
                    buffer[:] = piece
                    writer.write(memoryview(buffer))
                    assert buffer == piece, "write changed the caller's bytes, which other stores get too"
                    buffer[:] = b"\xff" * size
                writer.commit()
            bench.committed[key] = data
        bench.assert_all_hold()

    def test_existing_object_is_never_overwritten(self, bench: Bench) -> None:
        bench.put(bench.large())
        for driver, data in ((bench.driver, body(200, 1)), (bench.other, bench.large(1))):
            with bench.refuses(errors.ObjectExists), driver.open_writer(KEY, size=len(data)) as writer:
                writer.write(data)
                writer.commit()
        bench.assert_holds(bench.large())

    def test_first_commit_wins_and_the_second_is_refused(self, bench: Bench) -> None:
        with bench.other.open_writer(KEY) as loser, bench.driver.open_writer(KEY) as winner:
            loser.write(bench.large(1))
            winner.write(bench.large())
            winner.commit()
            bench.committed[KEY] = bench.large()
            with bench.refuses(errors.ObjectExists):
                loser.commit()
            bench.assert_holds(bench.large())

    def test_writer_that_ended_takes_nothing(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEY) as writer:
            writer.write(body(13))
            writer.commit()
            bench.committed[KEY] = body(13)
            for action in (lambda: writer.write(b"more"), writer.commit):
                with bench.refuses(errors.UsageError):
                    action()
        bench.assert_holds(body(13))

    def test_abort_after_commit_changes_nothing(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEY) as writer:
            writer.write(bench.large())
            writer.commit()
            bench.committed[KEY] = bench.large()
            writer.abort()
        bench.assert_holds(bench.large())

    def test_deleted_key_is_free_again(self, bench: Bench) -> None:
        bench.put(bench.large())
        bench.delete()
        bench.assert_clean()
        bench.put(body(50, 1))
        with bench.other.open_reader(KEY) as reader:
            assert same(b"".join(reader), body(50, 1))
