"""The memory driver keeps the contract, creates atomically, and keeps its capacity to the byte."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.driver.capabilities import FindsLeftovers, ListsObjects, MeasuresSpace
from imgstore.drivers.memory import MemoryDriver, MemoryStorage
from imgstore.model import ObjectInfo, Space
from imgstore.testing import AtomicCreation, DriverContract, Histories, Subject
from tests.contract.subjects import MemorySubject
from tests.support.rounds import rounds


class TestMemory(Histories, AtomicCreation, DriverContract):
    HISTORIES = rounds(15)

    @pytest.fixture
    def subject(self) -> Subject:
        return MemorySubject()


def put(driver: MemoryDriver, key: str, size: int, *, declared: bool = True) -> None:
    with driver.open_writer(key, size=size if declared else None) as writer:
        writer.write(bytes(size))
        writer.commit()


@pytest.mark.parametrize("declared", [True, False])
def test_capacity_is_kept_to_the_byte(declared: bool) -> None:
    driver = MemoryDriver(capacity=100)
    put(driver, "first", 60)
    with pytest.raises(errors.StoreFull):
        put(driver, "second", 41, declared=declared)
    assert driver.space() == Space(total=100, free=40)
    put(driver, "second", 40, declared=declared)
    assert driver.space() == Space(total=100, free=0)
    assert driver.storage.names() == {"first", "second"}


def test_delete_and_abort_give_the_room_back() -> None:
    driver = MemoryDriver(capacity=100)
    put(driver, "first", 100)
    driver.delete("first")
    with driver.open_writer("second", size=100) as writer:
        writer.write(bytes(100))
        assert driver.space() == Space(total=100, free=0)
    put(driver, "third", 100)


def test_refused_commit_gives_the_room_back_once() -> None:
    driver = MemoryDriver(capacity=100)
    put(driver, "kept", 30)
    with pytest.raises(errors.ObjectExists):
        put(driver, "kept", 20)
    assert driver.space() == Space(total=100, free=70)


def test_declared_size_takes_its_room_at_once() -> None:
    driver = MemoryDriver(capacity=100)
    with driver.open_writer("first", size=70), pytest.raises(errors.StoreFull):
        driver.open_writer("second", size=31)


class DeletedAtOnce(MemoryStorage):
    """Every object is deleted by somebody between the moment it is visible and the end of its commit."""

    def create(self, key: str, data: bytes) -> ObjectInfo:
        info = super().create(key, data)
        MemoryDriver.on(self).delete(key)
        return info


def test_delete_that_overtakes_a_commit_costs_no_room() -> None:
    storage = DeletedAtOnce(capacity=100)
    for _ in range(3):
        put(MemoryDriver.on(storage), "key", 60)
    assert (storage.account.used, storage.account.held) == (0, 0)


def test_memory_without_capacity_tells_no_space() -> None:
    assert MemoryDriver().space() == Space(total=None, free=None)


def test_memory_has_every_capability_and_no_leftovers() -> None:
    driver = MemoryDriver()
    assert isinstance(driver, ListsObjects)
    assert isinstance(driver, FindsLeftovers)
    assert isinstance(driver, MeasuresSpace)
    with driver.open_writer("abandoned") as writer:
        writer.write(b"some")
        assert list(driver.leftovers()) == []
