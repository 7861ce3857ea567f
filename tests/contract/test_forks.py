"""A process forks: what the parent holds is not the child's. The contract has the rest."""

from __future__ import annotations

import threading

import pytest

from imgstore import errors
from imgstore.driver.capacity import CapacityAccount
from imgstore.driver.forks import ProcessLock
from imgstore.testing.forking import in_parent_and_child


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
