"""A process forks while drivers are open: parent and child read and write right, whatever the driver speaks to."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver.capacity import CapacityAccount
from imgstore.driver.forks import ProcessLock
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.memory import MemoryDriver
from tests.support.forks import assert_usable_on_both_sides, in_parent_and_child


def test_fork_with_an_open_directory(tmp_path: Path) -> None:
    driver = FilesystemDriver(datadir=str(tmp_path), capacity=10**6)
    driver.check()
    assert_usable_on_both_sides(driver, 20_000)
    assert list(driver.objects()) == []


def test_fork_with_open_memory() -> None:
    assert_usable_on_both_sides(MemoryDriver(), 20_000)


def test_what_the_parent_holds_is_not_held_in_a_child() -> None:
    account = CapacityAccount(100, list)
    hold = account.reserve(100)
    in_parent_and_child(lambda who: account.reserve(100) if who == "child" else None)
    with pytest.raises(errors.StoreFull):
        account.reserve(1)
    assert hold is not None


def test_a_lock_that_a_thread_holds_is_free_in_a_child() -> None:
    lock, held, done = ProcessLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    def act(who: str) -> None:
        if who == "child":
            with lock:
                pass

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        in_parent_and_child(act)
    finally:
        done.set()
        thread.join()
