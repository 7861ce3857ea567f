"""Known by its place, for any driver with a mark: proved when something is missing, and else once in a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.place import FRESH, PlaceProof, expect, new_mark
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import Place


class Marked(MemoryDriver):
    """Its place loses its mark, and is asked for it `asked` times."""

    def __init__(self) -> None:
        super().__init__()
        self.found: str | None = None
        self.asked = 0

    @property
    def place(self) -> Place:
        return Place("memory", (), (), "memory")

    def read_mark(self) -> str | None:
        self.asked += 1
        return self.found

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        self.found = mark
        return mark


def test_in_a_place_that_lost_its_mark_nothing_is_missing() -> None:
    driver = Marked()
    assert isinstance(driver, HasPlace)
    driver.expect_mark(driver.write_mark(new_mark()))
    reads: list[Callable[[str], object]] = [driver.stat, driver.delete, driver.open_reader]
    for use in reads:
        with pytest.raises(errors.ObjectNotFound):
            use("key")
    mark, driver.found = driver.found, None
    for use in (*reads, driver.open_writer):
        with pytest.raises(errors.WrongPlace):
            use("key")
    driver.found = mark
    with driver.open_writer("key") as writer:
        writer.commit()


def test_a_proof_holds_for_a_while_and_a_failed_one_not_at_all() -> None:
    driver, now = Marked(), 100.0
    driver.write_mark(new_mark())
    proof = PlaceProof(lambda: expect(str(driver.found), driver.read_mark()), clock=lambda: now)
    proof.expect()
    now += FRESH
    proof.expect()
    assert driver.asked == 1
    now += 1
    proof.expect()
    assert driver.asked == 2
