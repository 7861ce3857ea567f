"""Parts: every byte once and in order, memory within its formula, and nothing in flight after the end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import tracemalloc
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.driver import ObjectWriter, background, multipart
from imgstore.driver.multipart import MultipartWriter, Part, PartSender
from imgstore.driver.part_sizes import PartSizes
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB, ObjectInfo
from tests.core.parted_storage import PART, PartDriver, PartStorage, PartWriter
from tests.core.world import PATIENCE, helpers
from tests.support.waiting import until

SIZES = PartSizes(first=10, most=1000, largest=10_000, equal=True)


class Storage:
    """Takes parts when it is told to, and knows how many are in flight and how many bytes they have."""

    def __init__(self, *, gate: threading.Event | None = None) -> None:
        self.parts: dict[int, bytes] = {}
        self.offsets: dict[int, int] = {}
        self.in_flight = 0
        self.most_in_flight = 0
        self._gate = gate
        self._lock = threading.Lock()

    def send(self, part: Part) -> int:
        with self._lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self._gate is not None:
            self._gate.wait(30)
        with self._lock:
            self.parts[part.number] = bytes(part.data)
            self.offsets[part.number] = part.offset
            self.in_flight -= 1
        return part.number

    def body(self) -> bytes:
        return b"".join(data for _, data in sorted(self.parts.items()))


@settings(deadline=None)
@given(
    chunks=st.lists(st.binary(max_size=35), max_size=12),
    adopted=st.binary(max_size=45),
    concurrency=st.integers(1, 3),
    equal=st.booleans(),
    steps=st.integers(1, 4),
)
def test_every_byte_arrives_once_and_in_order(
    chunks: list[bytes], adopted: bytes, concurrency: int, equal: bool, steps: int
) -> None:
    storage = Storage()
    sizes = PartSizes(first=4, most=200, largest=8000, equal=equal, steps=steps)
    sender = PartSender(storage.send, sizes=sizes, concurrency=concurrency)
    sender.adopt(memoryview(adopted))
    for chunk in chunks:
        sender.write(chunk)
    sent = sender.finish()
    body = adopted + b"".join(chunks)
    assert storage.body() == body
    assert sent == sorted(storage.parts) == list(range(1, len(sent) + 1))
    offset = 0
    for number in sent:
        assert storage.offsets[number] == offset
        offset += len(storage.parts[number])
    assert all(len(storage.parts[number]) == sizes.size_of(number) for number in sent[:-1])
    assert b"" not in storage.parts.values()


def test_the_owner_waits_while_the_memory_is_full() -> None:
    gate = threading.Event()
    storage = Storage(gate=gate)
    sender = PartSender(storage.send, sizes=SIZES, concurrency=2)
    taken: list[int] = []

    def push() -> None:
        for number in range(6):
            sender.write(bytes(10))
            taken.append(number)

    owner = threading.Thread(target=push)
    owner.start()
    until(lambda: len(taken) == 3)
    time.sleep(0.05)
    assert len(taken) == 3  # two in flight and one waiting fill 3 x 10 bytes
    gate.set()
    owner.join(30)
    assert len(sender.finish()) == 6
    assert storage.most_in_flight == 2


def test_one_large_part_is_alone_in_memory() -> None:
    gate = threading.Event()
    storage = Storage(gate=gate)
    sender = PartSender(storage.send, sizes=PartSizes(first=10, most=2, largest=1000), concurrency=1)
    sender.write(bytes(10))
    owner = threading.Thread(target=sender.write, args=(bytes(500),))
    owner.start()
    time.sleep(0.05)
    assert owner.is_alive()  # its buffer would be beyond 2 x 10 bytes while the first part is there
    gate.set()
    owner.join(30)
    sender.finish()
    assert [len(storage.parts[number]) for number in (1, 2)] == [10, 500]


class Unforeseen(BaseException):
    pass


@pytest.mark.parametrize("failure", [errors.StoreUnavailable("down"), ValueError("bug"), Unforeseen()])
def test_a_failure_of_any_class_is_raised_and_starts_no_further_part(failure: BaseException) -> None:
    calls: list[int] = []

    def send(part: Part) -> None:
        calls.append(part.number)
        raise failure

    sender = PartSender(send, sizes=SIZES, concurrency=1)
    with pytest.raises(type(failure)) as raised:
        sender.write(bytes(1000))
    assert raised.value is failure
    assert sender.stopping
    with pytest.raises(type(failure)):
        sender.finish()
    sender.cancel()
    assert calls == [1]


@pytest.mark.parametrize("failure", [SystemExit(3), asyncio.CancelledError(), ValueError("bug")])
def test_an_exit_on_the_thread_of_a_part_is_the_storage_s_failure(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """The owner's thread may be the main one, where an exit is a signal's."""
    driver = PartDriver.on(PartStorage())
    monkeypatch.setattr(PartWriter, "_send", Mock(side_effect=failure))

    def store() -> None:
        with driver.open_writer("key") as writer:
            writer.write(bytes(3 * PART))
            writer.commit()

    with pytest.raises(errors.StoreUnavailable):
        store()
    assert not driver.storage.names()


def test_cancel_returns_when_nothing_is_in_flight_any_more() -> None:
    gate = threading.Event()
    storage = Storage(gate=gate)
    sender = PartSender(storage.send, sizes=SIZES, concurrency=2)
    sender.write(bytes(30))
    until(lambda: storage.in_flight == 2)
    threading.Timer(0.05, gate.set).start()
    sender.cancel()
    assert storage.in_flight == 0
    assert sorted(storage.parts) == [1, 2]
    assert helpers("part") == []


@pytest.mark.parametrize("answers", [True, False], ids=["a part that failed", "a part that hangs"])
def test_an_undo_that_goes_on_keeps_no_more_than_the_part_that_hangs(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "MOMENT", 0.05)
    monkeypatch.setattr(multipart, "GRACE", 0.0)
    hanging = Hanging(answers)
    writer = hanging.open_writer("key", size=None)
    tracemalloc.start()
    try:
        with contextlib.suppress(errors.StoreUnavailable):
            for _ in range(9 if answers else 3):
                writer.write(bytes(MIB // 2))
        with contextlib.suppress(errors.StoreUnavailable):
            writer.abort()
        until(lambda: tracemalloc.get_traced_memory()[0] < (0.5 if answers else 1.5) * MIB)
    finally:
        tracemalloc.stop()
        hanging.end.set()
    until(lambda: helpers("undo") == [])


class Hanging(MemoryDriver):
    """Its parts of 1 MiB fail, or else hang; its undo hangs. Both until the `end`."""

    def __init__(self, answers: bool) -> None:
        super().__init__()
        self.answers = answers
        self.end = threading.Event()

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return HangingWriter(self)


class HangingWriter(MultipartWriter[int]):
    def __init__(self, hanging: Hanging) -> None:
        sizes = PartSizes(first=MIB, most=100, largest=100 * MIB)
        super().__init__(size=None, sizes=sizes, threshold=0, concurrency=1)
        self._hanging = hanging

    def _put(self, data: memoryview) -> ObjectInfo:
        raise NotImplementedError

    def _begin(self) -> None:
        pass

    def _send(self, part: Part) -> int:
        whole = part.data[:]
        if not self._hanging.answers:
            self._hanging.end.wait(PATIENCE)
        raise errors.StoreUnavailable(f"{len(whole)} bytes")

    def _complete(self, sent: list[int], total: int) -> ObjectInfo:
        raise NotImplementedError

    def _discard(self) -> None:
        self._hanging.end.wait(PATIENCE)


@pytest.mark.parametrize("part_size", [5 * MIB, 8 * MIB, 16 * MIB, 100 * MIB])
def test_an_unknown_length_can_reach_the_largest_object_in_ten_thousand_parts(part_size: int) -> None:
    largest = 5 * 1024**4
    sizes = PartSizes.for_size(None, part_size=part_size, most=10_000, largest=largest, ceiling=5 * 1024**3)
    each = [sizes.size_of(number) for number in range(1, 10_001)]
    assert sum(each) >= largest
    assert each == sorted(each)
    assert each[0] == part_size
    assert each[-1] <= 5 * 1024**3
    assert sum(each) < 1.2 * largest  # no faster than need be: memory grows with a part
    with pytest.raises(errors.StoreFull):
        sizes.size_of(10_001)


def test_a_ceiling_that_leaves_no_room_to_grow_in_is_kept() -> None:
    sizes = PartSizes.for_size(None, part_size=10, most=20, largest=10_000, ceiling=50)
    assert [sizes.size_of(number) for number in (1, 2, 20)] == [10, 50, 50]


@pytest.mark.parametrize(
    ("size", "first"), [(0, 8 * MIB), (80_000 * MIB, 8 * MIB), (80_000 * MIB + 1, 9 * MIB), (5 * 1024**4, 525 * MIB)]
)
def test_a_known_length_has_equal_parts(size: int, first: int) -> None:
    sizes = PartSizes.for_size(size, part_size=8 * MIB, most=10_000, largest=5 * 1024**4)
    assert sizes.size_of(1) == sizes.size_of(10_000) == first
    assert first * 10_000 >= size


@pytest.mark.parametrize(("most", "largest", "ceiling"), [(10, 1000, 50), (10, 500, None)])
def test_a_known_length_that_the_storage_cannot_take_is_refused(most: int, largest: int, ceiling: int | None) -> None:
    with pytest.raises(errors.StoreFull, match="501 bytes, the store takes at most 500"):
        PartSizes.for_size(501, part_size=10, most=most, largest=largest, ceiling=ceiling)


def test_parts_are_staggered_only_where_they_hold_the_object_all_the_same() -> None:
    """Then they end at different times, and only the first ones are smaller."""
    for size, each in ((9500, [250, 500, 750, 1000, 1000]), (9501, [1000] * 5)):
        sizes = PartSizes.for_size(size, part_size=1000, most=11, largest=100_000).staggered(4, size=size)
        assert [sizes.size_of(number) for number in range(1, 6)] == each
        assert sum(sizes.size_of(number) for number in range(1, 12)) >= size
    assert PartSizes.for_size(10, part_size=10, most=3, largest=30).staggered(4, size=10).steps == 1


def test_staggered_parts_of_an_unknown_length_reach_the_largest_object() -> None:
    sizes = PartSizes.for_size(None, part_size=64 * MIB, most=1000, largest=2**40, ceiling=5 * 1024**3)
    each = [sizes.staggered(4, size=None).size_of(number) for number in range(1, 1001)]
    assert each[:4] == [16 * MIB, 32 * MIB, 48 * MIB, 64 * MIB]
    assert each == sorted(each)
    assert sum(each) >= 2**40
    sizes = PartSizes.for_size(None, part_size=10, most=20, largest=1000, ceiling=50)
    assert sizes.staggered(4, size=None) == sizes, "every byte of them is needed"


def test_large_object_of_known_size_takes_memory_for_one_part() -> None:
    sizes = PartSizes.for_size(20 * MIB, part_size=10, most=10, largest=20 * MIB)
    assert (sizes.first, sizes.unit) == (2 * MIB, 10)
    storage = Storage()
    sender = PartSender(storage.send, sizes=sizes, concurrency=4)
    for _ in range(20):
        sender.write(bytes(MIB))
    assert len(sender.finish()) == 10
    assert storage.most_in_flight == 1


@pytest.mark.parametrize("ceiling", [None, 2**30])
def test_sizes_that_reach_as_far_as_they_can(ceiling: int | None) -> None:
    sizes = PartSizes(first=65536, most=1000, largest=5 * 2**40, ceiling=ceiling)
    reached = [sizes.size_of(number) for number in range(1, 1001)]
    assert reached == sorted(reached)
    assert max(reached) <= (ceiling or sizes.largest)
    assert sum(reached) >= sizes.largest or reached[-1] == ceiling
