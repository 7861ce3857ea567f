"""A connection goes to whoever waits longest, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import TimeoutError as NoConnection

from imgstore import errors
from imgstore.sql import Database
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


def test_operator_is_told_that_others_kept_all_connections(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'db'}", busy_timeout=0.0)
    with contextlib.closing(database), database._writers.turn(), pytest.raises(errors.CatalogUnavailable) as caught:
        database.change(lambda connection: None)
    assert "Others kept all connections" in str(caught.value.detail)


def test_forked_child_has_all_turns() -> None:
    share = FairShare(1, patience=0.0)

    def act(name: str) -> None:
        if name == "child":
            with share.turn():
                pass

    with share.turn():
        in_parent_and_child(act)


def test_child_that_is_forked_inside_a_turn_gives_no_second_one_back() -> None:
    share = FairShare(1, patience=0.0)

    def act(name: str) -> None:
        turn.close()
        with share.turn(), pytest.raises(NoConnection), share.turn():
            pass

    with contextlib.ExitStack() as turn:
        turn.enter_context(share.turn())
        in_parent_and_child(act)


class Interrupted(Exception):
    """What a signal, or a timeout of green threads, raises wherever the thread is."""


@contextlib.contextmanager
def interrupted_as_it_waits(share: FairShare) -> Iterator[None]:
    """Inside, this thread is interrupted as soon as one waits for a turn."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    def send() -> None:
        until(lambda: len(share._waiting) == 1)
        signal.pthread_kill(main, signal.SIGUSR1)

    main, thread = threading.get_ident(), threading.Thread(target=send)
    before = signal.signal(signal.SIGUSR1, interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
        signal.signal(signal.SIGUSR1, before)


def test_turn_is_not_given_to_a_thread_that_was_interrupted_as_it_waited() -> None:
    share = FairShare(1, patience=PATIENCE)
    with share.turn(), interrupted_as_it_waits(share), pytest.raises(Interrupted), share.turn():
        pass
    assert not share._waiting
    with share.turn():
        pass


def test_what_the_collector_ends_in_the_middle_of_a_turn_gets_one_too() -> None:
    share = FairShare(1, patience=PATIENCE)
    served = threading.Event()

    def collect() -> None:
        with share._lock, share.turn():
            served.set()

    threading.Thread(target=collect, daemon=True).start()
    assert served.wait(PATIENCE)


def test_turn_and_lock_of_a_file_take_one_patience_together(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'db'}", busy_timeout=PATIENCE)

    def wait_for_a_lock(connection: sa.Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one())

    with contextlib.closing(database):
        assert database.change(wait_for_a_lock) == 30000
        waited = FairShare(1, patience=PATIENCE, clock=iter((0.0, 20.0)).__next__)
        kept, database._writers = database._writers, waited
        assert database.change(wait_for_a_lock) == 10000
        database._writers = kept
        assert database.change(wait_for_a_lock) == 30000
        assert database.read(wait_for_a_lock) == 30000
