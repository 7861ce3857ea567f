"""Contained: work in several stores at the same time, where one hangs."""

from __future__ import annotations

import threading

import pytest

from imgstore.side_by_side import Begun, StoreThreads
from tests.support.waiting import PATIENCE, until


def test_of_several_stores_the_one_that_hangs_is_told_and_the_others_answer() -> None:
    goes_on = threading.Event()

    def fail() -> str:
        raise LookupError("down")

    begun = Begun({"hung": lambda: str(goes_on.wait(PATIENCE)), "down": fail, "fast": lambda: "ok"}, seconds=0.2)
    with pytest.raises(TimeoutError):
        begun.result("hung")
    with pytest.raises(LookupError):
        begun.result("down")
    assert begun.result("fast") == "ok"
    assert sorted(begun.ended()) == ["down", "fast"]
    goes_on.set()


def test_a_store_whose_last_work_hangs_is_left_out_and_the_others_are_not() -> None:
    threads, goes_on, done = StoreThreads(), threading.Event(), list[str]()

    def hang() -> None:
        assert goes_on.wait(PATIENCE)
        done.append("hung")

    threads.run({"hung": hang, "fast": lambda: done.append("fast")}, seconds=0.05)
    threads.run({"hung": hang, "fast": lambda: done.append("fast")}, seconds=PATIENCE)
    assert done == ["fast", "fast"]
    goes_on.set()

    def goes_on_again() -> bool:
        threads.run({"hung": lambda: done.append("again")}, seconds=PATIENCE)
        return done == ["fast", "fast", "hung", "again"]

    until(goes_on_again)
