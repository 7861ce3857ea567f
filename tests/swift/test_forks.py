"""A process forks while a driver is open, with connections that idle and others that are in use."""

from __future__ import annotations

from imgstore.drivers.swift import SwiftDriver
from tests.support.forks import assert_usable_on_both_sides
from tests.swift.world import SEGMENT


def test_parent_and_child_of_a_fork_read_and_write_right(driver: SwiftDriver) -> None:
    assert_usable_on_both_sides(driver, 2 * SEGMENT + 5)
