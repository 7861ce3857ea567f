"""A read delivers exactly the bytes it promised, or raises: ranges, pins, early close, deleted objects."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.testing.bench import KEY, Bench, body, rest_of, same
from imgstore.testing.telling import Laws

SMALL = 12
TINY = 5


def assert_range(bench: Bench, data: bytes, start: int, stop: int | None) -> None:
    """The range holds those bytes, and the reader knows where it is."""
    end = len(data) if stop is None else stop
    with bench.other.open_reader(KEY, start=start, stop=stop) as reader:
        assert (reader.info.size, reader.start, reader.stop, reader.position) == (len(data), start, end, start)
        assert same(rest_of(reader, 3 if len(data) == TINY else 1 << 20), data[start:end])
        assert reader.position == end
        assert reader.read() == b"", "a byte behind the last one"


class ReadingLaws(Laws):
    """What a reader promises, for the whole object and for parts of it."""

    def test_every_range_of_a_small_object(self, bench: Bench) -> None:
        data = body(TINY)
        bench.put(data)
        for start in range(TINY + 1):
            assert_range(bench, data, start, None)
            for stop in range(start, TINY + 1):
                assert_range(bench, data, start, stop)

    def test_ranges_around_borders(self, bench: Bench) -> None:
        border = max(bench.subject.borders)
        data = body(border * 2 + 3)
        bench.put(data)
        for start in (0, border - 1, border, border + 1, border * 2):
            for stop in (border + 1, border * 2, border * 2 + 3, None):
                if stop is None or start <= stop:
                    assert_range(bench, data, start, stop)

    def test_range_of_an_empty_object(self, bench: Bench) -> None:
        bench.put(b"")
        assert_range(bench, b"", 0, None)
        assert_range(bench, b"", 0, 0)
        with bench.refuses(errors.RangeNotSatisfiable):
            bench.driver.open_reader(KEY, start=1)

    def test_range_beyond_the_end_is_refused(self, bench: Bench) -> None:
        bench.put(body(SMALL))
        beyond = [(SMALL + 1, None), (SMALL + 1, SMALL + 1), (SMALL + 1, SMALL + 9), (0, SMALL + 1), (SMALL, SMALL + 1)]
        for start, stop in [*beyond, (10**15, None), (5, 4)]:
            with bench.refuses(errors.RangeNotSatisfiable):
                bench.driver.open_reader(KEY, start=start, stop=stop)

    @pytest.mark.parametrize("figures", [{"start": -1}, {"stop": -1}])
    def test_negative_offset_is_the_callers_mistake(self, bench: Bench, figures: dict[str, int]) -> None:
        bench.put(body(SMALL))
        with bench.refuses(errors.UsageError):
            bench.driver.open_reader(KEY, start=figures.get("start", 0), stop=figures.get("stop"))

    def test_read_is_never_more_than_asked_for_nor_less_than_a_byte(self, bench: Bench) -> None:
        data = body(max(bench.subject.borders) + 1)
        bench.put(data)
        for step in (7919, len(data), len(data) + 1):
            with bench.driver.open_reader(KEY) as reader:
                assert same(rest_of(reader, step), data)

    @pytest.mark.parametrize("size", [0, -1])
    def test_reading_no_bytes_is_the_callers_mistake(self, bench: Bench, size: int) -> None:
        bench.put(body(SMALL))
        with bench.driver.open_reader(KEY) as reader, bench.refuses(errors.UsageError):
            reader.read(size)

    def test_missing_object_is_not_found(self, bench: Bench) -> None:
        for start, stop in ((0, None), (0, 0), (0, 1), (5, 9), (5, 5)):
            with bench.refuses(errors.ObjectNotFound):
                bench.driver.open_reader(KEY, start=start, stop=stop)
        with bench.refuses(errors.ObjectNotFound):
            bench.driver.stat(KEY)

    def test_stat_tells_size_and_etag(self, bench: Bench) -> None:
        bench.put(body(SMALL))
        for driver in (bench.driver, bench.other):
            info = driver.stat(KEY)
            assert (info.key, info.size) == (KEY, SMALL)
            assert info.etag, "without an etag a read that breaks cannot be resumed"
            with driver.open_reader(KEY) as reader:
                assert (reader.info.key, reader.info.size, reader.info.etag) == (KEY, SMALL, info.etag)

    def test_etag_is_the_same_until_the_object_changes(self, bench: Bench) -> None:
        bench.put(body(SMALL))
        first = bench.driver.stat(KEY).etag
        for driver in (bench.driver, bench.other, bench.open()):
            assert driver.stat(KEY).etag == first

    def test_pinned_read_is_of_that_object(self, bench: Bench) -> None:
        bench.put(body(SMALL))
        etag = bench.driver.stat(KEY).etag
        for start, stop in ((0, None), (3, 7), (5, 5), (SMALL, None)):
            with bench.other.open_reader(KEY, start=start, stop=stop, etag=etag) as reader:
                assert rest_of(reader, 5) == body(SMALL)[start:stop]
            with bench.refuses(errors.ObjectChanged):
                bench.other.open_reader(KEY, start=start, stop=stop, etag=f"{etag}-another")

    def test_recreated_object_is_never_taken_for_the_first(self, bench: Bench) -> None:
        bench.put(body(SMALL))
        etag = bench.driver.stat(KEY).etag
        for seed in range(1, 9):
            bench.delete()
            with bench.refuses(errors.ObjectChanged, errors.ObjectNotFound):
                bench.other.open_reader(KEY, start=3, etag=etag)
            bench.put(body(SMALL, seed))
            with bench.refuses(errors.ObjectChanged, errors.ObjectNotFound):
                bench.other.open_reader(KEY, start=3, etag=etag)
            with bench.other.open_reader(KEY) as reader:
                assert same(b"".join(reader), body(SMALL, seed))

    def test_open_read_of_a_deleted_object_is_whole_or_raises(self, bench: Bench) -> None:
        data = body(max(bench.subject.borders) * 3)
        bench.put(data)
        with bench.other.open_reader(KEY) as reader:
            begun = reader.read(1000)
            bench.delete()
            bench.put(body(len(data), 1))
            try:
                rest = rest_of(reader, 4096)
            except errors.StoreError as error:
                bench.assert_discreet(error)
            else:
                assert same(begun + rest, data)

    def test_reader_may_be_closed_early(self, bench: Bench) -> None:
        data = body(max(bench.subject.borders) * 2)
        bench.put(data)
        for taken in (0, 1, 1000):
            reader = bench.driver.open_reader(KEY)
            if taken:
                reader.read(taken)
            reader.close()
            reader.close()
            with bench.refuses(errors.UsageError):
                reader.read()
        bench.assert_holds(data)

    def test_readers_do_not_share_a_position(self, bench: Bench) -> None:
        bench.put(body(SMALL))
        with bench.driver.open_reader(KEY) as left, bench.driver.open_reader(KEY, start=6) as right:
            found = [reader.read(3) for _ in range(2) for reader in (left, right)]
        assert found == [body(SMALL)[at : at + 3] for at in (0, 6, 3, 9)]
