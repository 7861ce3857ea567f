"""The thread that renews leases: it goes on whatever fails, and asks nothing without an attempt."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from unittest.mock import Mock

import pytest

from imgstore import errors
from imgstore.hosting import LeasedCatalog, TableCatalog
from imgstore.hosting.leases import RETRIES, LeaseKeeper
from imgstore.model import Attempt, UploadRequest
from imgstore.testing.forking import in_parent_and_child
from tests.hosting.tables import DictTable, Row
from tests.support.waiting import until

ATTEMPT = Attempt("image", 1, "project", "raw", "bare")


def keeper_that_notes(calls: list[Sequence[Attempt]], *failures: Exception, lease: float) -> LeaseKeeper:
    """A keeper whose calls are noted; the first ones fail."""
    failing = iter(failures)

    def renew(attempts: Sequence[Attempt]) -> set[Attempt]:
        calls.append(attempts)
        for failure in failing:
            raise failure
        return set()

    return LeaseKeeper(renew, lease=lease)


def test_keeper_goes_on_after_failures_of_the_database() -> None:
    calls: list[Sequence[Attempt]] = []
    failures = (errors.CatalogUnavailable("down"), OverflowError("a defect"))
    keeper = keeper_that_notes(calls, *failures, lease=0.1)
    keeper.add(ATTEMPT)
    until(lambda: len(calls) >= 4)
    assert not keeper.is_lost(ATTEMPT)
    keeper.stop()


def test_renewal_that_failed_is_tried_again_before_the_lease_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[Attempt]] = []
    failures = (errors.CatalogUnavailable("down"), OverflowError("a defect"))
    keeper = keeper_that_notes(calls, *failures, lease=3.0)
    pauses: list[float] = []

    def wait(pause: float) -> bool:
        pauses.append(pause)
        return len(pauses) < 6

    monkeypatch.setattr(keeper, "_wait", wait)
    keeper._open.add(ATTEMPT)
    keeper._run()
    assert pauses == [1.0, 1.0 / RETRIES, 1.0 / RETRIES, 1.0, 1.0, 1.0]


def test_undone_attempt_whose_lease_nobody_can_renew(monkeypatch: pytest.MonkeyPatch) -> None:
    table = DictTable()
    table.add(Row("image", "ann"))
    leased = LeasedCatalog(TableCatalog(table))
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    with pytest.raises(RuntimeError):
        leased.begin(UploadRequest("image", context="ann"), ["fast"])
    assert table.rows["image"].status == "queued"
    monkeypatch.undo()
    attempt = leased.begin(UploadRequest("image", context="ann"), ["fast"])
    assert leased.leases._open == {attempt}
    leased.close()


def test_keeper_without_an_attempt_asks_nothing_and_begins_again() -> None:
    calls: list[Sequence[Attempt]] = []
    keeper = keeper_that_notes(calls, lease=0.03)
    keeper.add(ATTEMPT)
    until(lambda: calls)
    keeper.drop(ATTEMPT)
    quiet = len(calls) + 1  # one may be under way
    time.sleep(0.2)
    assert len(calls) <= quiet
    keeper.add(ATTEMPT)
    until(lambda: len(calls) > quiet)
    keeper.stop()
    assert keeper._thread is not None
    assert not keeper._thread.is_alive()


def test_child_renews_nothing_of_its_parent() -> None:
    """Else the parent's uploads would live on in a child, though the parent is dead."""
    calls: list[Sequence[Attempt]] = []
    keeper, own = keeper_that_notes(calls, lease=0.03), Attempt("own", 1, "project", "raw", "bare")
    keeper.add(ATTEMPT)

    def act(side: str) -> None:
        if side == "child":
            keeper.add(own)
            until(lambda: calls and calls[-1] == [own], seconds=5)
        keeper.stop()

    in_parent_and_child(act)
