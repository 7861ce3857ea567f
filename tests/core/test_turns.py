"""Contained: who hangs in a store with a turn keeps nobody else for longer than a bound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from imgstore import errors
from imgstore.driver.capacity import CapacityAccount
from imgstore.driver.deadline import Deadline
from imgstore.driver.keyed import KeyedLocks
from imgstore.driver.turns import Turn
from imgstore.model import ObjectInfo

SHORT = 0.05
LONG = 30.0


@contextmanager
def one_that_hangs(act: Callable[[Callable[[], None]], object]) -> Iterator[ThreadPoolExecutor]:
    """`act` is called on a thread; the function that it gets returns at the end of the block."""
    arrived, over = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        assert over.wait(LONG)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(act, hang)
        assert arrived.wait(LONG)
        try:
            yield pool
        finally:
            over.set()
        first.result(LONG)


def enter(locks: KeyedLocks, key: str, work: Callable[[], None] = lambda: None) -> None:
    with locks.of(key):
        work()


def take(turn: Turn, work: Callable[[], None] = lambda: None) -> None:
    with turn:
        work()


def test_a_second_deletion_of_a_key_does_not_wait_for_one_that_hangs() -> None:
    locks = KeyedLocks(patience=SHORT)
    with one_that_hangs(lambda hang: enter(locks, "key", hang)) as pool:
        pool.submit(enter, locks, "another").result(LONG)
        with pytest.raises(errors.StoreUnavailable, match="deletion of the same object"):
            pool.submit(enter, locks, "key").result(LONG)
    enter(locks, "key")


def test_capacity_that_is_being_added_up_for_too_long_refuses_others() -> None:
    hangs: list[Callable[[], None]] = []

    def objects() -> Iterator[ObjectInfo]:
        hangs.pop()()
        return iter([ObjectInfo("key", 40)])

    account = CapacityAccount(100, objects, patience=SHORT)

    def first(hang: Callable[[], None]) -> None:
        hangs.append(hang)
        account.open()

    listing = pytest.raises(errors.StoreUnavailable, match="listing what the store holds")
    with one_that_hangs(first) as pool, listing:
        pool.submit(account.reserve, 1).result(LONG)
    assert account.reserve(60) is not None
    with pytest.raises(errors.StoreFull):
        account.reserve(1)


def test_nobody_begins_to_wait_for_a_turn_that_has_lasted_too_long() -> None:
    now = [0.0]
    turn = Turn("it", patience=2 * LONG, clock=lambda: now[0])
    with one_that_hangs(lambda hang: take(turn, hang)) as pool:
        now[0] = 2 * LONG
        with pytest.raises(errors.StoreUnavailable):
            pool.submit(take, turn).result(LONG)
    take(turn)


def test_nobody_waits_for_a_turn_beyond_the_deadline() -> None:
    turn = Turn("it", patience=2 * LONG)

    def in_time() -> None:
        with Deadline(SHORT):
            take(turn)

    with one_that_hangs(lambda hang: take(turn, hang)) as pool, pytest.raises(errors.StoreUnavailable):
        pool.submit(in_time).result(LONG)
