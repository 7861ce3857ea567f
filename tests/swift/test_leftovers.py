"""Leftovers are found by age; what lives, and what is not this driver's, is never touched."""

from __future__ import annotations

import email.utils
import time

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.answers import ListedObject
from imgstore.drivers.swift.leftovers import FoundSegments
from imgstore.drivers.swift.manifest import Attempt
from imgstore.model import Leftover
from imgstore.testing.faults import ChangeHeaders, FaultProxy
from tests.support.waiting import until
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, SEGMENT, World, body, die, put, read

NOW = 1_700_000_000.0


def test_a_slow_upload_is_no_leftover_while_its_next_segment_may_be_under_way() -> None:
    """The first segment of some is half as long as the second, which so takes twice as long."""
    began, pace = 1_700_000_000, 10.0
    found = FoundSegments(SEGMENTS, Attempt(KEY, "name", began, None, 0), certain=True)
    found.add(ListedObject("1", 50, "etag", began + 50 / pace))
    assert not found.silent(1.0, now=began + 150 / pace + 9.0)
    assert found.silent(1.0, now=began + 50 / pace + 4 * 50 / pace)
    for number in range(1, 21):
        found.add(ListedObject(str(number), 100, "etag", began + (50 + number * 100) / pace))
    assert not found.silent(1.0, now=found.newest + 2050 / pace - 1.0)
    assert found.silent(1.0, now=found.newest + 2050 / pace)
    assert not found.silent(10_000.0, now=found.newest + 2050 / pace)


def test_segments_of_a_dead_upload_are_one_leftover_and_can_be_removed(world: World, driver: SwiftDriver) -> None:
    die(driver, 4 * SEGMENT)
    before = time.time()
    (left,) = world.driver().leftovers()
    assert (left.size, left.key, left.name.startswith(f"{SEGMENTS}/{KEY}/")) == (4 * SEGMENT, KEY, True)
    assert left.modified is not None
    assert abs(left.modified - before) < 60
    assert len(world.segments()) == 4
    driver.remove_leftover(left)
    assert world.account.everything() == set()
    driver.remove_leftover(left)


def test_an_upload_under_way_is_no_leftover_of_any_sane_age(driver: SwiftDriver) -> None:
    with driver.open_writer(KEY) as writer:
        writer.write(body(3 * SEGMENT))
        time.sleep(0.2)
        assert list(driver.leftovers(older_than=3600)) == []
        writer.write(body(3 * SEGMENT, 1))
        writer.commit()
    assert list(driver.leftovers()) == []
    assert read(driver) == body(3 * SEGMENT) + body(3 * SEGMENT, 1)
    driver.delete(KEY)


def test_age_is_told_by_the_servers_clock(world: World, proxy: FaultProxy) -> None:
    """The machine that purges may have a clock that is hours wrong."""
    die(world.driver(), 2 * SEGMENT)
    ahead = {"date": email.utils.formatdate(time.time() + 7200, usegmt=True)}
    proxy.on(ChangeHeaders(ahead), path=SEGMENTS, times=None)
    assert list(world.driver().leftovers(older_than=3600)) == []
    (left,) = world.through(proxy).leftovers(older_than=3600)
    world.driver().remove_leftover(left)


def test_what_an_objects_manifest_names_is_no_leftover_whatever_died_beside_it(
    world: World, driver: SwiftDriver
) -> None:
    die(driver, 2 * SEGMENT)
    put(driver, body(4 * SEGMENT))
    die(driver, 3 * SEGMENT)
    put(driver, body(10), "small")
    for key in ("small", "without-an-object"):
        die(driver, SEGMENT + 1, key)
    found = list(driver.leftovers())
    assert sorted(left.size or 0 for left in found) == [SEGMENT + 1, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT]
    for left in found:
        driver.remove_leftover(left)
    assert len(world.segments()) == 4
    assert read(driver) == body(4 * SEGMENT)


def test_metadata_that_somebody_replaced_does_not_make_an_object_a_leftover(world: World, driver: SwiftDriver) -> None:
    put(driver, body(3 * SEGMENT))
    assert world.account.post(f"{CONTAINER}/{KEY}", headers={"X-Object-Meta-Color": "blue"}).status == 202
    assert list(driver.leftovers()) == []


def test_segments_of_other_programs_are_not_touched(world: World, driver: SwiftDriver) -> None:
    world.put_static(body(30), chunk=10)
    world.put(f"{SEGMENTS}/something", b"else")
    assert list(driver.leftovers()) == []
    driver.delete(KEY)
    assert world.account.everything() == {f"{SEGMENTS}/something"}
    world.account.delete(f"{SEGMENTS}/something")


def test_an_upload_that_lived_on_is_left_alone(world: World, driver: SwiftDriver) -> None:
    writer = driver.open_writer(KEY)
    writer.write(body(3 * SEGMENT))
    until(lambda: len(world.segments()) == 3)
    (left,) = driver.leftovers()
    writer.write(body(2 * SEGMENT))
    until(lambda: len(world.segments()) == 5)
    driver.remove_leftover(left)
    assert len(world.segments()) == 5
    (left,) = driver.leftovers()
    writer.commit()
    driver.remove_leftover(left)
    assert read(driver) == body(3 * SEGMENT) + body(2 * SEGMENT)
    driver.delete(KEY)


def test_a_name_that_is_no_leftovers_is_refused(driver: SwiftDriver) -> None:
    for name in (
        "", "x", f"{CONTAINER}/{KEY}", f"{SEGMENTS}/{KEY}", f"{SEGMENTS}/{KEY}/", f"{SEGMENTS}/",
        f"{CONTAINER}/{KEY}/1700000000-0123456789abcdef/", f"elsewhere/{KEY}/1700000000-0123456789abcdef/",
        f"{SEGMENTS}/{KEY}/1700000000-0123456789abcdef-{'f' * 12}-00/",
        f"{SEGMENTS}/{KEY}/slo/1700000000.000000/30/10/",
    ):  # fmt: skip
        with pytest.raises(errors.InvalidKey):
            driver.remove_leftover(Leftover(name, "made up"))


def test_an_attempt_is_dead_when_it_is_silent_for_longer_than_it_had_been_at_work() -> None:
    for started, newest, older_than, dead in (
        (0, 0, 3600, False), (-3600, -3600, 3600, True), (-3601, -3599, 3600, False),
        (-20_000, -9_000, 3600, False),  # at work for three hours, silent for two and a half: slow, perhaps alive
        (-20_000, -10_000, 3600, True), (-7_300, -7_200, 3600, True), (0, 0, 0, True), (-10, -1, 0, True),
    ):  # fmt: skip
        attempt = Attempt(KEY, "name", int(NOW) + started, None, 0)
        found = FoundSegments("segments", attempt, certain=True, newest=NOW + newest)
        assert found.silent(older_than, NOW) is dead
