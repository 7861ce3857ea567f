"""Reading by ranges: broken bodies are resumed at the same object, and nothing ends short in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.driver import deadline, ranged
from imgstore.driver.deadline import HASTY_TRIES, STALLS, in_haste
from imgstore.driver.ranged import Body, Opened, RangedReader
from imgstore.model import ObjectInfo
from tests.core.parted_storage import RangeBody
from tests.core.world import helpers
from tests.support.waiting import until

DATA = bytes(range(250)) * 4
BLOCK = 100


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "FIRST_PAUSE", 0.0)


class Breaking(RangeBody):
    """Ends, with an error or without a word, after `good` bytes."""

    def __init__(self, data: bytes, good: int, failure: Exception | None) -> None:
        super().__init__(data[:good])
        self._failure = failure

    def read(self, size: int) -> bytes:
        data = super().read(size)
        if not data and self._failure is not None:
            raise self._failure
        return data


class Store:
    """Bodies as a test scripts them: `broken(start)` makes the body that the first fetch at `start` gets."""

    def __init__(self, broken: Callable[[bytes], Body] | None = None, *, times: int = 1) -> None:
        self._broken = broken
        self._times = times
        self.ranges: list[tuple[int, int]] = []
        self.bodies: list[RangeBody] = []
        self._lock = threading.Lock()

    def fetch(self, start: int, stop: int) -> Body:
        with self._lock:
            self.ranges.append((start, stop))
            broken = self._broken is not None and len(self.ranges) <= self._times
        body = self._broken(DATA[start:stop]) if broken and self._broken else RangeBody(DATA[start:stop])
        if isinstance(body, RangeBody):
            self.bodies.append(body)
        return body

    def reader(
        self, *, start: int = 0, stop: int = len(DATA), concurrency: int = 1, patience: float | None = None
    ) -> RangedReader:
        first = stop if concurrency == 1 else min(start + BLOCK, stop)
        opened = Opened(ObjectInfo("key", len(DATA)), self.fetch(start, first), start, first)
        reader = RangedReader(
            opened, stop=stop, fetch=self.fetch, block_size=BLOCK, concurrency=concurrency, patience=patience
        )
        reader._arm(start, stop)
        return reader


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("good", [0, 1, 50])
@pytest.mark.parametrize(
    "failure", [None, errors.StoreUnavailable("reset"), ConnectionResetError(104, "reset"), ValueError("odd")]
)
def test_a_broken_body_is_resumed_where_it_broke(concurrency: int, good: int, failure: Exception | None) -> None:
    store = Store(lambda data: Breaking(data, good, failure))
    with store.reader(start=7, stop=907, concurrency=concurrency) as reader:
        assert b"".join(reader) == DATA[7:907]
    assert store.ranges[0] == (7, 907 if concurrency == 1 else 107)
    assert (7 + good, store.ranges[0][1]) in store.ranges[1:]
    assert all(body.closed for body in store.bodies)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_each_piece_of_progress_allows_as_many_breaks_again(concurrency: int) -> None:
    store = Store(lambda data: Breaking(data, 10, None), times=60)
    with store.reader(stop=600, concurrency=concurrency) as reader:
        assert b"".join(reader) == DATA[:600]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_body_that_breaks_again_and_again_raises(concurrency: int) -> None:
    store = Store(lambda data: Breaking(data, 0, None), times=10**6)
    reader = store.reader(concurrency=concurrency)
    with pytest.raises(errors.ObjectTruncated):
        reader.read()
    assert store.ranges.count((0, store.ranges[0][1])) == ranged.TRIES
    reader.close()


@pytest.mark.parametrize("failure", [errors.ObjectChanged("other"), errors.ObjectNotFound("gone")])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_another_object_is_never_taken_for_the_same(failure: errors.StoreError, concurrency: int) -> None:
    store = Store(lambda data: Breaking(data, 20, None))

    asked: list[int] = []

    def fetch(start: int, stop: int) -> Body:
        asked.append(start)
        raise failure

    opened = Opened(ObjectInfo("key", len(DATA)), store.fetch(0, BLOCK), 0, BLOCK)
    reader = RangedReader(opened, stop=len(DATA), fetch=fetch, block_size=BLOCK, concurrency=concurrency)
    reader._arm(0, len(DATA))
    assert reader.read() == DATA[:20]
    with pytest.raises(type(failure)):
        reader.read()
    assert asked.count(20) == 1, "it is not asked for again"
    reader.close()


def test_only_so_many_blocks_are_there_at_a_time() -> None:
    store = Store()
    reader = store.reader(concurrency=3)
    assert reader.read(10) == DATA[:10]
    assert len(store.ranges) <= 1 + 3
    assert len(vars(reader)["_RangedReader__ahead"]._blocks) == 3
    while reader.position < BLOCK + 1:
        reader.read(10)
    reader.close()
    assert len(store.ranges) <= 1 + 3 + 1
    assert all(body.closed for body in store.bodies)
    assert helpers("read") == []


def test_a_small_read_asks_once_and_starts_no_thread() -> None:
    store = Store()
    with store.reader(stop=BLOCK, concurrency=3) as reader:
        assert b"".join(reader) == DATA[:BLOCK]
        assert helpers("read") == []
    assert store.ranges == [(0, BLOCK)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_two_tries_are_enough_where_the_object_is_elsewhere_too(concurrency: int) -> None:
    store = Store(lambda data: Breaking(data, 0, None), times=10**6)
    with in_haste(), store.reader(concurrency=concurrency) as reader, pytest.raises(errors.ObjectTruncated):
        reader.read()
    assert store.ranges.count((0, store.ranges[0][1])) == HASTY_TRIES


class Stalling(RangeBody):
    """Takes as long as it may."""

    def __init__(self, begun: threading.Event) -> None:
        super().__init__(b"")
        self._begun = begun

    def read(self, size: int) -> bytes:
        self._begun.set()
        deadline.pause(60)
        raise TimeoutError


@pytest.mark.parametrize(("haste", "patience"), [(True, 0.01), (False, 0.01 / STALLS)])
def test_all_tries_at_a_piece_have_one_deadline(haste: bool, patience: float) -> None:
    store = Store(lambda data: Stalling(threading.Event()), times=10**6)
    with in_haste(haste), store.reader(patience=patience) as reader, pytest.raises(errors.StoreUnavailable):
        reader.read()
    assert store.ranges == [(0, len(DATA))]


def test_a_close_stops_what_is_fetched_ahead_before_another_try() -> None:
    begun = threading.Event()
    store = Store(lambda data: Stalling(begun) if len(store.ranges) > 1 else RangeBody(data), times=10**6)
    reader = store.reader(concurrency=3)
    assert reader.read(10) == DATA[:10]
    assert begun.wait(60)
    reader.close()
    until(lambda: helpers("read") == [])
    assert len(set(store.ranges)) == len(store.ranges)
