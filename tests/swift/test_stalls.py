"""A server that stalls or drips: each wait has a bound, a stall is left early, abort and close wait for no answer.

Nothing is timed: what stalls, stalls for longer than the test, so that whoever waited for it would be seen.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from imgstore import errors
from imgstore.driver import background
from imgstore.driver.deadline import in_haste
from imgstore.drivers.swift import SwiftDriver
from imgstore.model import MIB
from imgstore.testing.faults import Delay, Fault, FaultProxy, Reset, Respond, StallAnswer
from tests.support.waiting import PATIENCE, until
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, SEGMENT, World, body, put, read

BRIEF = 0.3
"""Seconds of a read_timeout that is to end."""
OBJECT = f"/{CONTAINER}/{KEY}$"
FIRST = f"/{SEGMENTS}/{KEY}/.*/00000001$"
STALL = Delay(2 * PATIENCE)


def test_connect_timeout_does_not_bound_sending(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy, connect_timeout=0.1, segment_size=16 * MIB, max_attempts=1)
    driver.check()
    rule = proxy.on(Delay(0.5), method="PUT", path=OBJECT)  # more bytes than the buffers of two sockets have room for
    put(driver, bytes(16 * MIB), step=16 * MIB)
    assert rule.hits == 1


def test_an_answer_that_drips_has_a_bound(world: World, proxy: FaultProxy) -> None:
    put(world.driver(), body(SEGMENT))
    driver = world.through(proxy, read_timeout=BRIEF, max_attempts=1)
    for after in range(40):
        proxy.on(StallAnswer(after, BRIEF / 3), method="GET", path=f"/{CONTAINER}(/{KEY})?$", times=None)
    with pytest.raises(errors.StoreUnavailable):
        read(driver)
    with pytest.raises(errors.StoreUnavailable):
        list(driver.objects())


def test_an_info_that_stalls_queues_nobody(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy, read_timeout=BRIEF, max_attempts=2, check_quota=False)
    proxy.on(STALL, path="^/info$", times=None)

    def begin(number: int) -> None:
        with pytest.raises(errors.StoreUnavailable):
            driver.open_writer(f"{KEY}-{number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(begin, range(8)))
    assert proxy.count(path="^/info$") < 8


@pytest.mark.parametrize(("fault", "patience", "tries"), [(STALL, BRIEF, 1), (Respond(503), PATIENCE, 2)])
def test_a_stall_is_left_early_where_the_object_is_elsewhere_too(
    world: World, proxy: FaultProxy, fault: Fault, patience: float, tries: int
) -> None:
    driver = world.through(proxy, read_timeout=patience, max_attempts=9)
    proxy.on(fault, method="GET", path=OBJECT, times=None)
    with in_haste(), pytest.raises(errors.StoreUnavailable):
        driver.open_reader(KEY)
    assert proxy.count(method="GET", path=OBJECT) == tries


def test_an_abort_waits_for_no_answer_that_does_not_come(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy, max_attempts=9)
    proxy.on(STALL, method="PUT", path=FIRST, times=None)
    writer = driver.open_writer(KEY)
    writer.write(body(3 * SEGMENT))
    proxy.wait_until(3, method="PUT", path=f"/{SEGMENTS}/{KEY}/")
    until(lambda: [seen.path[-8:] for seen in proxy.in_flight] == ["00000001"])
    writer.abort()
    assert [seen.path[-8:] for seen in proxy.in_flight] == ["00000001"]
    assert proxy.count(method="PUT", path=FIRST) == 1
    assert world.segments() == set()


def test_what_an_abort_cannot_remove_in_a_moment_is_told_and_found(
    world: World, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = world.through(proxy, max_attempts=1)
    proxy.on(STALL, method="DELETE", times=None)
    writer = driver.open_writer(KEY)
    writer.write(body(2 * SEGMENT))
    proxy.wait_until(2, method="PUT", path=f"/{SEGMENTS}/{KEY}/")
    monkeypatch.setattr(background, "MOMENT", 0.0)
    with pytest.raises(errors.StoreUnavailable, match="this goes on"):
        writer.abort()
    assert writer.left_behind
    proxy.wait_until(2, method="DELETE")
    direct = world.driver()
    for left in list(direct.leftovers()):
        direct.remove_leftover(left)
    assert world.segments() == set()


@pytest.mark.parametrize(("fault", "told"), [(Reset(), True), (Respond(503), False)])
def test_an_object_that_may_arrive_late_is_told(
    proxy: FaultProxy, proxied: SwiftDriver, fault: Fault, told: bool
) -> None:
    proxy.on(fault, method="PUT", path=OBJECT, times=None)
    writer = proxied.open_writer(KEY)
    writer.write(b"x")
    with pytest.raises(errors.StoreUnavailable):
        writer.commit()
    assert writer.left_behind is told


def test_a_close_waits_for_no_answer_that_does_not_come(world: World, proxy: FaultProxy) -> None:
    put(world.driver(large_object_threshold=MIB), body(300_000), step=100_000)
    driver = world.through(proxy, read_concurrency=2, read_block_size=64 * 1024)
    proxy.on(STALL, method="GET", path=OBJECT, skip=1, times=None)
    with contextlib.closing(driver.open_reader(KEY)) as reader:
        reader.read(10)
        proxy.wait_until(3, method="GET", path=OBJECT)
    assert len(proxy.in_flight) == 2
    assert proxy.count(method="GET", path=OBJECT) == 3


def test_a_body_that_stalls_is_read_on_over_another_connection(world: World, proxy: FaultProxy) -> None:
    put(world.driver(), body(SEGMENT))
    driver = world.through(proxy, read_timeout=1.0)
    proxy.on(StallAnswer(10, 2 * PATIENCE), method="GET", path=OBJECT)
    assert read(driver) == body(SEGMENT)
    assert proxy.count(method="GET", path=OBJECT) == 2
