"""A process forks while a driver is open, with connections that idle and others that are in use."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.quotas import Level, MeterHold, Meters
from imgstore.testing.forking import assert_usable_on_both_sides, in_parent_and_child, new_sockets
from tests.swift.world import KEY, SEGMENT, World, put


def test_parent_and_child_of_a_fork_read_and_write_right(driver: SwiftDriver) -> None:
    assert_usable_on_both_sides(driver, 2 * SEGMENT + 5, sockets=1)


def test_parent_and_child_of_a_fork_renew_tokens_of_their_own(world: World) -> None:
    driver = world.driver(max_attempts=1)
    put(driver, b"x")

    def act(who: str) -> None:
        before = driver._own_token.access()
        driver._own_token._shared._kept = None
        opened = new_sockets(lambda: driver.stat(KEY))
        assert driver._own_token.access() != before
        assert opened == 1 or who == "parent", "that of the token is closed"

    in_parent_and_child(act)


def test_what_the_parent_holds_of_a_quota_is_not_held_in_a_child() -> None:
    meters = Meters(age=10.0)

    def take() -> None:
        meter = meters.seen(("account", ""), Level(100, 0))
        assert meter is not None
        MeterHold([meter]).extend_to(100)

    take()
    in_parent_and_child(lambda who: take() if who == "child" else None)
    with pytest.raises(errors.StoreFull):
        take()
