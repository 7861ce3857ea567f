"""Several stores of which some fail or have no room: undone, or left out; and the quota, which counts each copy."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping

import pytest

from imgstore import errors, quota
from imgstore.model import Attempt, Location
from imgstore.transfers.begin import ALL, ANY
from tests.core.faults import FaultyTaps
from tests.core.stores import HOOKS
from tests.core.world import DOWN, IMAGE, NAMES, World, helpers, pieces
from tests.support.waiting import until

BODY = bytes(range(250)) * 1200

FAILURES: dict[str, BaseException] = {
    "library": errors.StoreUnavailable("down"),
    "os": OSError(28, "no space"),
    "foreign": RuntimeError("a defect of the driver"),
    "interrupt": KeyboardInterrupt("hunter2"),
}
POINTS = [
    (hook, after)
    for hook in HOOKS
    if hook not in ("abort", "delete")
    for after in ((0, 2) if hook == "write" else (0,))
]


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize(("hook", "after"), POINTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_store_that_fails_anywhere_undoes_all(name: str, hook: str, after: int, kind: str) -> None:
    world = World(*NAMES)
    world.drivers[name].fails(hook, FAILURES[kind], after=after)
    with pytest.raises((errors.ImgstoreError, KeyboardInterrupt)) as caught:
        world.upload(pieces(BODY, 100_000))
    assert isinstance(caught.value, KeyboardInterrupt) == (kind == "interrupt")
    if isinstance(caught.value, errors.StoreError):
        assert caught.value.store == name
    else:
        assert hook == "url" or kind == "interrupt", "what a driver's hooks raise is the store's failure"
    assert "hunter2" not in str(getattr(caught.value, "message", ""))
    world.assert_untouched()


@pytest.mark.parametrize("kind", ["library", "os", "foreign"])
@pytest.mark.parametrize(("hook", "after"), [point for point in POINTS if point[0] != "url"])
@pytest.mark.parametrize("name", NAMES)
def test_a_store_that_fails_is_left_out_where_one_is_enough(
    name: str, hook: str, after: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(*NAMES, mode=ANY)
    world.drivers[name].fails(hook, FAILURES[kind], after=after)
    result = world.upload(pieces(BODY, 100_000))
    rest = [other for other in NAMES if other != name]
    assert [location.store for location in result.locations] == rest
    world.assert_active(BODY, *rest)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [f"Store {name} is left out" in line for line in told] == [True]
    assert world.drivers[name].calls.count("abort") == (0 if hook == "open" else 1)


def test_interrupt_in_a_store_ends_the_upload_where_one_is_enough() -> None:
    world = World(*NAMES, mode=ANY)
    world.drivers["cold"].fails("write", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        world.upload(pieces(BODY, 100_000))
    world.assert_untouched()


@pytest.mark.parametrize("hooks", list(itertools.product(["open", "write", "commit"], repeat=3)))
def test_the_last_store_that_fails_fails_the_upload(hooks: tuple[str, str, str]) -> None:
    world = World(*NAMES, mode=ANY)
    for name, hook in zip(NAMES, hooks, strict=True):
        world.drivers[name].fails(hook, errors.StoreUnavailable(f"{name} is down"))
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.upload(pieces(BODY, 100_000))
    assert caught.value.store in NAMES
    world.assert_untouched()


@pytest.mark.parametrize("hook", ["abort", "delete"])
def test_undo_that_fails_in_one_store_leaves_the_others_theirs(hook: str) -> None:
    world = World(*NAMES)
    world.drivers["cold"].fails(hook, RuntimeError("cannot"))
    with world.begin() as session:
        session.write(BODY)
        if hook == "abort":
            session.abort()
            assert world.objects == {}
        else:
            world.drivers["far"].hooks["commit"] = lambda: world.rows.delete(IMAGE)
            with pytest.raises(errors.ImageGone):
                session.finish()
            assert world.objects == {f"cold/{IMAGE}": BODY}, "what could not be removed is the purge's"
    assert world.quota == ((0, 0) if hook == "abort" else (len(BODY), 0)), "what is there counts"
    assert helpers() == []
    for name in ("fast", "far"):
        assert world.drivers[name].calls.count(hook) == 1


def test_failure_of_one_store_is_told_though_another_is_full() -> None:
    """The caller waits for room in a store that waits for the undo of a third one's failure."""
    tap = FaultyTaps()
    world = World(*NAMES, stores_window=200_000, taps=[tap])

    def fail() -> None:
        until(lambda: tap.seen > 200_000)
        raise errors.StoreUnavailable("down")

    world.drivers["fast"].hooks["write"] = lambda: until(lambda: tap.closed == 1)
    world.drivers["far"].hooks["write"] = fail
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.upload(pieces(BODY * 4, 100_000))
    assert caught.value.store == "far"
    world.assert_untouched()


def test_no_store_commits_while_another_may_still_fail() -> None:
    world = World(*NAMES)
    world.drivers["far"].fails("write", DOWN, after=1)
    with pytest.raises(errors.StoreUnavailable):
        world.upload([BODY, BODY])
    assert world.called("commit") == []


class RoomIn:
    """A quota that keeps the stores' capacities, as a ledger does that all processes share."""

    def __init__(self, capacities: Mapping[str, int]) -> None:
        refusal = quota.capacity_refusal
        self._accounts = {name: quota.Account(size, refusal=refusal) for name, size in capacities.items()}

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> quota.Hold:
        return self._accounts[store].reserve(size)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        self._accounts[location.store].give_back(size)

    def held(self) -> set[int]:
        return {account.held for account in self._accounts.values()}


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize(("mode", "others"), [(ALL, 5000), (ANY, 5000), (ANY, 999)])
def test_store_without_room_is_left_out_where_another_is_enough(size: int | None, mode: str, others: int) -> None:
    """Told by the quota: before the first byte where the size is known, at the byte that exceeds where it is not."""
    rooms = RoomIn({"fast": others, "cold": 999, "far": others})
    world = World(*NAMES, mode=mode, quota=rooms)
    if mode == ANY and others >= 1000:
        world.upload(pieces(bytes(1000), 100), size=size)
        assert set(world.objects) == {f"fast/{IMAGE}", f"far/{IMAGE}"}
    else:
        with pytest.raises(errors.StoreFull):
            world.upload(pieces(bytes(1000), 100), size=size)
        assert (world.objects, world.status) == ({}, "queued")
    assert world.drivers["cold"].seen <= 999
    assert rooms.held() == {0}
    assert helpers() == []


@pytest.mark.parametrize("size", [None, 1000])
def test_each_copy_is_held_and_counted(size: int | None) -> None:
    world = World(*NAMES, limit=3000)
    with world.begin(size=size) as session:
        assert world.quota == (0, 3 * (size or 0))
        session.write(bytes(1000))
        assert world.quota == (0, 3000)
        session.finish()
    world.assert_active(bytes(1000))


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize("mode", [ALL, ANY])
def test_room_for_some_copies_is_not_enough(size: int | None, mode: str) -> None:
    world = World(*NAMES, mode=mode, limit=2999)
    with pytest.raises(errors.QuotaExceeded):
        world.upload([bytes(1000)], size=size)
    assert size is None or world.called("open") == []
    world.assert_untouched()


def test_a_store_that_is_left_out_gives_its_room_back_at_once() -> None:
    world = World(*NAMES, mode=ANY)
    world.drivers["cold"].fails("open", DOWN)
    with world.begin(size=1000) as session:
        assert world.quota == (0, 2000)
        session.write(bytes(1000))
        session.finish()
    world.assert_active(bytes(1000), "fast", "far")


def test_one_store_that_is_left_needs_no_thread() -> None:
    world = World(*NAMES, mode=ANY)
    world.drivers["cold"].fails("open", DOWN)
    world.drivers["far"].fails("open", DOWN)
    with world.begin() as session:
        session.write(BODY)
        assert helpers("store") == []
        session.finish()
    world.assert_active(BODY, "fast")
