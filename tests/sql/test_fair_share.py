"""A connection goes to whoever waits longest, and nobody waits for ever."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.exc import TimeoutError as NoConnection

from imgstore.sql.fair_share import FairShare
from imgstore.testing.forking import in_parent_and_child
from tests.support.waiting import until

PATIENCE = 30.0


class Queue:
    """Threads that wait for a turn one after the other, and note when they had it."""

    def __init__(self, share: FairShare) -> None:
        self.share = share
        self.served: list[int] = []
        self.threads: list[threading.Thread] = []

    def join(self, number: int) -> None:
        thread = threading.Thread(target=self._wait, args=(number,))
        self.threads.append(thread)
        thread.start()
        until(lambda: len(self.share._waiting) == number)

    def _wait(self, number: int) -> None:
        with self.share.turn():
            self.served.append(number)

    def end(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)


def test_turn_is_given_in_the_order_of_coming_and_not_to_who_had_it() -> None:
    share = FairShare(1, patience=PATIENCE)
    queue = Queue(share)
    with share.turn():
        for number in (1, 2, 3):
            queue.join(number)
    with share.turn():
        assert queue.served == [1, 2, 3]
    queue.end()


def test_impatient_thread_is_refused_and_forgotten() -> None:
    share = FairShare(1, patience=0.0)
    with share.turn(), pytest.raises(NoConnection), share.turn():
        pass
    with share.turn():
        pass


def test_forked_child_has_all_turns() -> None:
    share = FairShare(1, patience=0.0)

    def act(name: str) -> None:
        if name == "child":
            with share.turn():
                pass

    with share.turn():
        in_parent_and_child(act)
