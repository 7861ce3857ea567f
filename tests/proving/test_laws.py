"""A proof tells a good driver from a broken one, and leaves nothing, however it ends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest

from imgstore.driver import ObjectReader, ObjectWriter, WriterState
from imgstore.drivers.memory import MemoryDriver, MemoryObject, MemoryReader, MemoryStorage, MemoryWriter
from imgstore.model import Leftover, ObjectInfo
from imgstore.proving import PREFIX, Ground, Outcome, Result, prove

BORDER = 4096


class GoodDriver(MemoryDriver):
    """Quick to prove."""

    @property
    def borders(self) -> Sequence[int]:
        return (BORDER,)


class Garbling(GoodDriver):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        found = self.storage.get(key)
        return MemoryReader(MemoryObject(found.info, found.data[::-1]), start)


class Shifting(GoodDriver):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return MemoryReader(self.storage.get(key), max(0, start - 1) if start >= BORDER else start)


class EarlyWriter(MemoryWriter):
    def _write(self, chunk: bytes | memoryview) -> None:
        super()._write(chunk)
        if self._created is None:
            self._created = self._storage.create(self._key, bytes(chunk))

    def _commit(self) -> ObjectInfo:
        self._abort()
        return super()._commit()


class Early(GoodDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return EarlyWriter(self.storage, key)


class ReplacingStorage(MemoryStorage):
    def create(self, key: str, data: bytes) -> ObjectInfo:
        self._objects.pop(key, None)
        return super().create(key, data)


class Replacing(GoodDriver):
    def __init__(self) -> None:
        super().__init__()
        self.storage = ReplacingStorage()


class LargeReplacingStorage(ReplacingStorage):
    """As Ceph, which looks at the condition of small objects only."""

    def create(self, key: str, data: bytes) -> ObjectInfo:
        return (ReplacingStorage if len(data) > BORDER else MemoryStorage).create(self, key, data)


class LargeReplacing(GoodDriver):
    def __init__(self) -> None:
        super().__init__()
        self.storage = LargeReplacingStorage()


class MixingStorage(ReplacingStorage):
    """Two uploads under one key become one object of neither."""

    def create(self, key: str, data: bytes) -> ObjectInfo:
        mixed = bytes(len(data)) if key in self.names() else data
        return super().create(key, mixed)


class Mixing(GoodDriver):
    def __init__(self) -> None:
        super().__init__()
        self.storage = MixingStorage()


class Undeleting(GoodDriver):
    def _delete(self, key: str) -> None:
        self.storage.get(key)


class LeavingWriter(MemoryWriter):
    def _write(self, chunk: bytes | memoryview) -> None:
        super()._write(chunk)
        if f"left.{self._key}" not in self._storage.names():
            self._storage.create(f"left.{self._key}", b"")

    def _commit(self) -> ObjectInfo:
        if self._chunks:
            self._storage.remove(f"left.{self._key}")
        return super()._commit()


class Leaving(GoodDriver):
    """Its aborts leave something, which it lists and does not clear."""

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return LeavingWriter(self.storage, key)

    def objects(self) -> Iterator[ObjectInfo]:
        return (info for info in super().objects() if not info.key.startswith("left."))

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        for name in self.storage.names():
            if name.startswith("left."):
                yield Leftover(name, "left", key=name.removeprefix("left."))


class Clearing(Leaving):
    """Its aborts leave something, which it clears."""

    def clear_leftovers(self, key: str) -> None:
        if f"left.{key}" in self.storage.names():
            self.storage.remove(f"left.{key}")


class SameStorage(MemoryStorage):
    def create(self, key: str, data: bytes) -> ObjectInfo:
        self._etags = itertools.repeat(1)  # type: ignore[assignment] # as the count that it stands for
        return super().create(key, data)


class SameEtag(GoodDriver):
    def __init__(self) -> None:
        super().__init__()
        self.storage = SameStorage()


class AnotherEtag(GoodDriver):
    def _stat(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, super()._stat(key).size, etag="same")


class Blind(GoodDriver):
    def objects(self) -> Iterator[ObjectInfo]:
        return iter(())


class Staring(GoodDriver):
    """Lists what it ever saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, ObjectInfo] = {}

    def objects(self) -> Iterator[ObjectInfo]:
        return iter(self.seen.values())

    def _delete(self, key: str) -> None:
        self.seen[key] = self.storage.get(key).info
        super()._delete(key)


class Narrow(GoodDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if len(key) > 100:
            raise OSError(36, "File name too long")
        return super()._open_writer(key, size)


class Copying(GoodDriver):
    def copy(self, source: str, target: str) -> ObjectInfo:
        return ReplacingStorage.create(self.storage, target, self.storage.get(source).data)  # type: ignore[arg-type] # its method on another storage


class Milliseconds(GoodDriver):
    def _stat(self, key: str) -> ObjectInfo:
        found = super()._stat(key)
        return ObjectInfo(key, found.size, found.etag, (found.modified or 0) * 1000)


class Crashing(GoodDriver):
    def objects(self) -> Iterator[ObjectInfo]:
        raise KeyError("a foreign exception")


BROKEN = [
    (Garbling, "objects are read back"),
    (Shifting, "ranges are read"),
    (Early, "nothing is visible before the commit"),
    (Replacing, "an object is never replaced"),
    (LargeReplacing, "an object is never replaced"),
    (Mixing, "winners of a race for one key"),
    (Undeleting, "a deleted object is gone"),
    (Undeleting, "everything was removed"),
    (Leaving, "an aborted upload leaves nothing"),
    (Leaving, "leftovers are cleared"),
    (SameEtag, "reads are pinned to an object"),
    (AnotherEtag, "reads are pinned to an object"),
    (Blind, "a written object is listed"),
    (Staring, "a deleted object is not listed"),
    (Narrow, "long keys are taken"),
    (Copying, "copies inside the store"),
    (Milliseconds, "clock of the storage"),
    (Crashing, "a written object is listed"),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstore.proving.ground.PAUSE", 0.0)


def by_name(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return {outcome.fact: outcome for outcome in outcomes}


def test_a_good_driver_is_proved_with_many_facts_and_nothing_stays() -> None:
    driver = GoodDriver()
    outcomes = prove(driver)
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert len(outcomes) == len(by_name(outcomes)) >= 20
    assert by_name(outcomes)["winners of a race for one key"].found.startswith("1, 1 of 4")
    assert driver.storage.names() == set()


@pytest.mark.parametrize(("driver", "fact"), BROKEN)
def test_a_broken_driver_is_told_by_the_law_that_it_breaks(driver: type[GoodDriver], fact: str) -> None:
    outcome = by_name(prove(driver()))[fact]
    assert outcome.result is Result.BROKEN, outcome
    assert "a foreign exception" not in outcome.found


class Ended(BaseException):
    """What a signal raises."""


def ended_at(last: int) -> bool:
    """Whether there are so many safe points; ends the proof behind them."""
    driver, points = GoodDriver(), iter(range(last))

    def safe_point() -> None:
        if next(points, None) is None:
            raise Ended

    try:
        prove(driver, safe_point=safe_point)
    except Ended:
        return True
    finally:
        assert driver.storage.names() == set()
        assert driver.storage.account.held == 0
    return False


def test_an_end_at_any_safe_point_leaves_nothing() -> None:
    ends = [ended_at(last) for last in range(1, 200, 12)]
    assert sum(ends) >= 4
    assert not ends[-1], "there are more safe points than were tried"


def test_what_there_was_no_time_for_is_not_said_to_hold() -> None:
    outcomes = prove(GoodDriver(), seconds=-1)
    assert {outcome.result for outcome in outcomes[:-1]} == {Result.NOT_TRIED}
    assert not outcomes[0].good


def test_what_an_abort_has_left_is_removed_in_the_end() -> None:
    driver = Clearing()
    assert by_name(prove(driver))["everything was removed"].result is Result.HOLDS
    assert driver.storage.names() == set()


def test_an_upload_that_nobody_ended_is_aborted_in_the_end() -> None:
    ground = Ground(GoodDriver(), PREFIX)
    writer = ground.begin(ground.new_key(), b"data")
    ground.clean()
    assert writer.state is WriterState.ABORTED


def test_a_full_store_is_not_listed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstore.proving.ground.MOST_OBJECTS", 3)
    driver = GoodDriver()
    for number in range(5):
        driver.storage.create(f"image-{number}", b"data")
    outcomes = by_name(prove(driver))
    assert outcomes["a written object is listed"].result is Result.NOT_APPLICABLE
    assert outcomes["everything was removed"].result is Result.HOLDS


def test_others_objects_are_left_alone() -> None:
    driver = GoodDriver()
    keys = {"7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e", f"{PREFIX}of-another-proof"}
    for key in keys:
        driver.storage.create(key, b"data")
    assert all(outcome.good for outcome in prove(driver))
    assert driver.storage.names() == keys


def test_a_large_part_is_not_written_and_the_rest_is_proved() -> None:
    class Large(GoodDriver):
        borders = (1024**3,)

    outcomes = by_name(prove(Large()))
    assert outcomes["ranges are read"].result is Result.NOT_APPLICABLE
    assert outcomes["objects are read back"].result is Result.HOLDS


def test_a_driver_without_capabilities_is_proved_where_it_can_be() -> None:
    class Silent(GoodDriver):
        objects = leftovers = space = clear_leftovers = None  # type: ignore[assignment] # how a method is taken away

    results = {outcome.fact: outcome.result for outcome in prove(Silent())}
    assert results["a written object is listed"] is Result.NOT_APPLICABLE
    assert results["everything was removed"] is Result.HOLDS
