"""What a dead process left is found and removed, and nothing else is (laws "undone" and "known by its place").

A process is forked that opens a driver of its own and dies in the middle of an upload. Where only this process sees the
storage (`Subject.shared`), the writer is dropped instead, without commit or abort. A driver that leaves nothing behind
in the storage has these laws easily.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import time
import warnings
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import pytest

from imgstore.driver.base import ObjectWriter, StoreDriver
from imgstore.driver.capabilities import FindsLeftovers
from imgstore.model import Leftover
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces
from imgstore.testing.describing import assert_recent
from imgstore.testing.telling import Laws

PATIENCE, PAUSE, AN_HOUR = 5.0, 0.02, 3600.0
STALLED = 60


def die(bench: Bench, key: str = KEY) -> None:
    """An upload whose process ends in the middle."""
    if bench.subject.shared:
        die_as_a_process(bench, key)
    else:
        begin(bench, key)
        gc.collect(1)


def die_as_a_process(bench: Bench, key: str) -> None:
    """In a child that has nothing of this process's drivers. What was in flight has arrived when it ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: the child uses none of theirs
        child = os.fork()
    if child == 0:
        signal.alarm(STALLED)
        try:
            writer = begin(bench, key)
            time.sleep(bench.subject.arrives_within)
            os._exit(0 if writer.total else 1)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, "a driver that was opened in a forked process cannot write"


def begin(bench: Bench, key: str) -> ObjectWriter:
    """A writer of a driver that nobody closes, which has got most of its bytes."""
    writer = bench.subject.open().open_writer(key)
    for piece in pieces(bench.large(), bench.subject.largest):
        writer.write(piece)
    return writer


def leftovers(driver: StoreDriver, *, older_than: float = 0.0) -> list[Leftover]:
    """Those that are found."""
    return list(driver.leftovers(older_than=older_than)) if isinstance(driver, FindsLeftovers) else []


def remove(driver: StoreDriver, found: list[Leftover]) -> None:
    """As a host does that knows the upload and its end."""
    if isinstance(driver, FindsLeftovers):
        for leftover in found:
            driver.remove_leftover(dataclasses.replace(leftover, certain=True))


def purge(bench: Bench, committed: Iterable[str], *, dirt: AbstractSet[str] = frozenset()) -> list[Leftover]:
    """Removes what is found until the storage has what was committed, and `dirt`; what was in flight may come late. All
    that was found."""
    found: list[Leftover] = []
    end = time.monotonic() + PATIENCE
    while True:
        now = leftovers(bench.other)
        remove(bench.other, now)
        found += now
        if bench.subject.inventory() - dirt == set(committed):
            return found
        if time.monotonic() > end:
            pytest.fail("a dead upload left something that leftovers() does not name, or remove_leftover() leaves")
        time.sleep(PAUSE)


class LeftoverLaws(Laws):
    """Finding and removing leftovers, `FindsLeftovers`."""

    READ = "Capabilities"

    def test_leftovers_of_a_dead_upload_are_found_and_removed(self, bench: Bench) -> None:
        bench.put(bench.large(1), KEYS[0])
        die(bench)
        assert leftovers(bench.other, older_than=AN_HOUR) == [], "leftovers(older_than=3600) names a young one"
        found = purge(bench, bench.committed)
        for leftover in found:
            assert leftover.key in (None, KEY), f"a leftover of {KEY} is said to be of {leftover.key}"
            assert leftover.size is None or leftover.size >= 0, f"a leftover has {leftover.size} bytes"
            assert_recent(leftover, "leftovers")
            bench.assert_no_secret((leftover.name, leftover.reason))
            assert leftover.reason, "the operator is not told what a leftover is"
        assert leftovers(bench.driver) == [], "leftovers() names what was removed"
        remove(bench.driver, found)
        bench.assert_all_hold()

    def test_upload_that_begins_meanwhile_is_no_leftover(self, bench: Bench) -> None:
        die(bench)
        found = leftovers(bench.other)
        with bench.driver.open_writer(KEY) as retry:
            retry.write(bench.large(1))
            remove(bench.other, found)
            retry.write(body(7))
            retry.commit()
        bench.committed[KEY] = bench.large(1) + body(7)
        remove(bench.other, found)
        purge(bench, bench.committed)
        bench.assert_all_hold()
