"""A driver that is open while its process forks: parent and child use it side by side, as a server's workers do.

What the child must not share is an `OfOneProcess`: a connection on which two processes speak mixes their answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
import warnings
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.testing.bench import Bench, body, same
from imgstore.testing.telling import Laws

ROUNDS = 2
STALLED = 60


def in_parent_and_child(act: Callable[[str], object]) -> None:
    """Calls `act` with "parent" here and with "child" in a process that is forked now, side by side. Raises what it
    raises here, AssertionError if it raises there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: that is what is tried
        child = os.fork()
    if child == 0:
        signal.alarm(STALLED)  # a child that waits for what only its parent has ends, and not well
        status = 1
        try:
            act("child")
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    try:
        act("parent")
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, "the child failed: its traceback is in the captured output"


def new_sockets(act: Callable[[], object]) -> int:
    """How many sockets this process has after `act` that it did not have before."""
    before = _sockets()
    act()
    return len(_sockets() - before)


def _sockets() -> set[str]:
    found = set()
    for fd in os.listdir("/dev/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/dev/fd/{fd}"))
    return {name for name in found if name.startswith("socket:")}


def assert_usable_on_both_sides(driver: StoreDriver, size: int, *, sockets: int = 0) -> None:
    """Both read and write what they mean to, the child over at least so many `sockets` of its own; a writer and a
    reader that were open remain the parent's. Objects have `size` bytes. Nothing is left."""
    bodies = {who: body(size, seed) for seed, who in enumerate(("parent", "child"))}
    for who, data in bodies.items():
        _put(driver, who, data)
    with driver.open_writer("open", size=size) as writer, driver.open_reader("parent") as reader:
        writer.write(bodies["parent"][:10])
        got = reader.read(10)
        driver.stat("parent")  # over a connection that idles from now on

        def act(who: str) -> None:
            if who == "child":
                _assert_not_its_own(lambda: writer.write(b"x"), writer.abort, lambda: reader.read(1), reader.close)
                assert new_sockets(lambda: driver.stat(who)) >= sockets, "connections are its parent's"
            for number in range(ROUNDS):
                _assert_holds(driver, who, bodies[who])
                _put(driver, f"{who}-{number % 2}", bodies[who])
                _assert_holds(driver, f"{who}-{number % 2}", bodies[who])
                driver.delete(f"{who}-{number % 2}")

        in_parent_and_child(act)
        assert same(got + b"".join(reader), bodies["parent"])
        writer.write(bodies["parent"][10:])
        writer.commit()
    _assert_holds(driver, "open", bodies["parent"])
    for key in ("parent", "child", "open"):
        driver.delete(key)


def _assert_not_its_own(
    write: Callable[[], object], abort: Callable[[], object], read: Callable[[], object], close: Callable[[], object]
) -> None:
    for use in (write, read):
        with pytest.raises(errors.UsageError, match="another process"):
            use()
    abort()
    close()


def _put(driver: StoreDriver, key: str, data: bytes) -> None:
    with driver.open_writer(key, size=len(data)) as writer:
        writer.write(data)
        writer.commit()


def _assert_holds(driver: StoreDriver, key: str, data: bytes) -> None:
    with driver.open_reader(key) as reader:
        assert same(b"".join(reader), data)


class ForkLaws(Laws):
    """What a fork leaves to each side."""

    READ = "Storages behind a network"

    def test_parent_and_child_of_a_fork_read_and_write_right(self, bench: Bench) -> None:
        assert_usable_on_both_sides(bench.driver, bench.subject.largest + 5)
