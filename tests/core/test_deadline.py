"""Bounds of waiting: a deadline, a pace and a stop end each wait on a socket, whatever the other side does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from imgstore import errors
from imgstore.driver import background, deadline
from imgstore.driver.background import undo_soon
from imgstore.driver.deadline import Deadline, Pace, Progress, Stop
from imgstore.driver.sockets import BoundedSocket
from tests.support.waiting import until


class Clock:
    """Moves on when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pair() -> Iterator[tuple[BoundedSocket, socket.socket]]:
    ours, other = socket.socketpair()
    with BoundedSocket.of(ours) as bounded, other:
        yield bounded, other


def receive(ours: socket.socket) -> int:
    return ours.recv_into(bytearray(10))


def test_a_deadline_ends_each_wait_and_what_it_is_in_as_well(pair: tuple[BoundedSocket, socket.socket]) -> None:
    ours, other = pair
    for outer, inner in ((0.01, None), (None, 0.01), (0.01, 60)):
        with Deadline(outer), Deadline(inner), pytest.raises(TimeoutError):
            receive(ours)
    with Deadline(0), pytest.raises(errors.StoreUnavailable):
        deadline.expect_wanted()
    other.send(b"x")
    with Deadline(0), pytest.raises(TimeoutError):
        receive(ours)  # nothing is received after the end, though it is there
    assert receive(ours) == 1


def test_a_drip_is_no_progress_but_a_slow_stream_is(pair: tuple[BoundedSocket, socket.socket]) -> None:
    ours, other = pair
    clock = Clock()
    with Pace(60, least=3, clock=clock) as pace:
        for _ in range(6):
            other.send(b"x")
            clock.now += 19  # more than three bytes a minute
            assert receive(ours) == 1
        clock.now += 30
        other.send(b"x")
        assert (receive(ours), pace.left()) == (1, 30)
        clock.now += 30
        other.send(b"x")
        with pytest.raises(TimeoutError):
            receive(ours)


def test_an_answer_has_its_own_time_after_the_sending(pair: tuple[BoundedSocket, socket.socket]) -> None:
    ours, other = pair
    clock = Clock()
    with Pace(60, clock=clock) as pace, Progress(60, clock=clock) as whole:
        clock.now += 59
        ours.sendall(b"x")
        other.send(b"x")
        assert receive(ours) == 1
        assert (pace.left(), whole.left()) == (60, 1), "all tries at one thing have the same time"


def test_a_stop_wakes_who_waits_and_spares_who_does_not(pair: tuple[BoundedSocket, socket.socket]) -> None:
    ours, _ = pair
    stop, got = Stop(), list[int]()

    def wait() -> None:
        with stop:
            got.append(receive(ours))

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: bool(stop._waiting))
    stop.cut()
    waiting.join(30)
    assert got == [0]
    idle, far = socket.socketpair()
    with BoundedSocket.of(idle) as kept, far:
        with Stop() as other_stop:
            far.send(b"x")
            receive(kept)
        other_stop.cut()
        far.send(b"y")
        assert receive(kept) == 1


def test_after_a_stop_an_answer_is_taken_and_nothing_is_sent(pair: tuple[BoundedSocket, socket.socket]) -> None:
    ours, other = pair
    with Stop() as stop:
        stop.set()
        other.send(b"x")
        assert receive(ours) == 1
        with pytest.raises(ConnectionAbortedError):
            ours.sendall(b"x")
        with pytest.raises(errors.StoreUnavailable):
            deadline.expect_wanted()
        deadline.pause(3600)  # ends at once
        stop.cut()
        with pytest.raises(ConnectionAbortedError):
            receive(ours)
    deadline.expect_wanted()


def test_a_socket_that_is_closed_while_it_waits_is_no_longer_known_to_a_stop(
    pair: tuple[BoundedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, ended = Stop(), list[socket.socket]()
    monkeypatch.setattr(stop, "end", lambda waiting, moved: ended.append(waiting))
    monkeypatch.setattr(stop, "begin", lambda waiting, *, sending: waiting.close())
    with stop, pytest.raises(OSError, match="file descriptor"):
        receive(pair[0])
    assert ended == [pair[0]]


def test_an_undo_is_done_at_once_and_a_success_stands_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    left = list[float]()
    undo_soon("an object", lambda: left.append(deadline.left()))
    assert 0 < left[0] <= background.MOMENT
    background.look_again("a second upload", left.clear)
    assert left
