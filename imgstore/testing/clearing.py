"""What uploads under one key left can be removed by the key alone, and nothing else is taken.

For drivers that have `ClearsLeftovers`; a driver that leaves nothing behind has it easily.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.driver.base import ObjectWriter, StoreDriver
from imgstore.driver.capabilities import ClearsLeftovers
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces
from imgstore.testing.telling import Laws

TRIES, STEADY, PAUSE = 500, 10, 0.02
"""What an upload still had in flight may arrive after the removal, which is then repeated, until the storage has looked
as it should so many times on end."""


def remove(driver: StoreDriver, key: str = KEY) -> None:
    """Removes the leftovers under `key`, if `driver` can."""
    if isinstance(driver, ClearsLeftovers):
        driver.clear_leftovers(key)


def remove_until(bench: Bench, done: Callable[[], bool]) -> None:
    """Removes the leftovers under KEY again and again, until it stays `done`."""
    steady = 0
    for _ in range(TRIES):
        remove(bench.other)
        steady = steady + 1 if done() else 0
        if steady == STEADY:
            return
        time.sleep(PAUSE)


def unfinished(bench: Bench, key: str = KEY, seed: int = 0) -> ObjectWriter:
    """A writer in the middle of an object that is larger than any border of the driver."""
    border = max(bench.subject.borders)
    writer = bench.driver.open_writer(key)
    for piece in pieces(body(border * 2 + 7, seed), border // 2):
        writer.write(piece)
    return writer


class ClearingLaws(Laws):
    """Removing the leftovers of a key."""

    READ = "Capabilities"

    def test_leftovers_of_an_unfinished_upload_are_removed(self, bench: Bench) -> None:
        bench.put(body(50), KEYS[0])
        with unfinished(bench):
            if isinstance(bench.other, ClearsLeftovers):
                remove_until(bench, lambda: bench.subject.inventory() == set(bench.committed))
                bench.assert_clean()
        remove(bench.other)

    def test_leftovers_of_several_uploads_of_a_key_are_removed(self, bench: Bench) -> None:
        with unfinished(bench), unfinished(bench, seed=1):
            if isinstance(bench.other, ClearsLeftovers):
                remove_until(bench, lambda: not bench.subject.inventory())
                bench.assert_clean()
        remove(bench.other)

    def test_clearing_leaves_the_object(self, bench: Bench) -> None:
        border = max(bench.subject.borders)
        for number, size in enumerate((0, 13, border * 2 + 7)):
            bench.put(body(size, number), KEYS[number])
        for number in range(3):
            remove(bench.other, KEYS[number])
        bench.assert_all_hold()

    def test_clearing_of_a_loser_leaves_the_winners_object(self, bench: Bench) -> None:
        border = max(bench.subject.borders)
        with unfinished(bench):
            bench.put(body(border * 2 + 7, 3))
            remove(bench.other)
            bench.assert_holds(body(border * 2 + 7, 3))
        remove(bench.other)
        bench.assert_holds(body(border * 2 + 7, 3))

    def test_clearing_harms_no_upload_beside_it(self, bench: Bench) -> None:
        neighbours = (KEY + ".2", KEY + "-2", KEY + "2", KEY[:-1], KEY + "-0123456789abcdef")
        writers = [unfinished(bench, key, number) for number, key in enumerate(neighbours)]
        remove(bench.other)
        border = max(bench.subject.borders)
        for number, (key, writer) in enumerate(zip(neighbours, writers, strict=True)):
            writer.write(body(300, number))
            writer.commit()
            bench.committed[key] = body(border * 2 + 7, number) + body(300, number)
        remove(bench.other)
        bench.assert_all_hold()

    def test_upload_whose_leftovers_were_cleared_ends_whole_or_not_at_all(self, bench: Bench) -> None:
        border = max(bench.subject.borders)
        data = body(border * 2 + 7)
        zombie = unfinished(bench)
        remove(bench.other)
        try:
            zombie.write(data)
            zombie.commit()
        except errors.ImgstoreError as error:
            bench.assert_discreet(error)
            zombie.abort()
        else:
            bench.committed[KEY] = data + data
            bench.assert_holds(data + data)
            bench.delete()
        remove_until(bench, lambda: not bench.subject.inventory())
        bench.assert_absent()

    def test_clearing_where_none_are_does_nothing(self, bench: Bench) -> None:
        bench.put(body(13))
        for driver in (bench.driver, bench.other):
            for key in (KEY, KEYS[0], KEYS[0]):
                remove(driver, key)
        bench.assert_holds(body(13))

    @pytest.mark.parametrize("key", ["", ".", "..", ".hidden", "a/b", "a" * 201, "a\n", "*"])
    def test_leftovers_of_what_is_no_key_are_refused(self, bench: Bench, key: str) -> None:
        if isinstance(bench.driver, ClearsLeftovers):
            with bench.refuses(errors.InvalidKey):
                bench.driver.clear_leftovers(key)
