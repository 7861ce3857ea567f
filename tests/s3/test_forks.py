"""A process forks while a driver is open, with connections that idle and others that are in use."""

from __future__ import annotations

from imgstore.testing.forking import assert_usable_on_both_sides
from tests.s3.places import SwiftPlace


def test_parent_and_child_of_a_fork_read_and_write_right(swift_place: SwiftPlace) -> None:
    assert_usable_on_both_sides(swift_place.driver(capacity=10**8), swift_place.part + 5000, sockets=1)
