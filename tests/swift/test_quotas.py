"""Swift's own quotas, on a real Swift: kept to the byte, where Swift itself lets segments and unknown lengths pass."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.quotas import LAG, Level, Meter, MeterHold
from imgstore.model import Space
from tests.support.faults import FaultProxy, Respond
from tests.support.swift import SwiftServer
from tests.support.waiting import until
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.test_reading import containers
from tests.swift.world import KEY, SEGMENT, World, body, put, read

LIMIT = 5 * SEGMENT

Limited = Callable[[int], None]


@pytest.fixture(params=["container", "segments", "account", "account by its new name"])
def limited(request: pytest.FixtureRequest, world: World, swift: SwiftServer) -> Limited:
    """Sets a quota of one kind, to so many bytes."""
    containers(world)

    def set_quota(size: int) -> None:
        if request.param == "container":
            world.account.set_container_quota(CONTAINER, size)
        elif request.param == "segments":
            world.account.set_container_quota(SEGMENTS, size)
        elif request.param == "account":
            swift.set_account_quota(world.account, size)
        else:
            headers = {"X-Account-Quota-Bytes": str(size)}
            answer = swift._admin().post("", headers=headers, url=world.account.storage_url)
            assert answer.status == 204, answer

    return set_quota


def test_swift_itself_lets_segments_pass_a_containers_quota(world: World) -> None:
    """What this driver's quotas are for: should Swift learn it, they can go."""
    containers(world)
    world.account.set_container_quota(CONTAINER, LIMIT)
    driver = world.driver(check_quota=False)
    put(driver, body(3 * LIMIT))
    assert driver.stat(KEY).size == 3 * LIMIT
    driver.delete(KEY)


def test_a_declared_size_above_the_quota_is_refused_before_a_byte(
    world: World, proxy: FaultProxy, limited: Limited
) -> None:
    limited(LIMIT)
    driver = world.through(proxy)
    with pytest.raises(errors.StoreFull, match=f"the quota is {LIMIT} bytes") as caught:
        driver.open_writer(KEY, size=LIMIT + 1)
    assert caught.value.status == 413
    assert proxy.count(method="PUT") == 0
    put(driver, body(LIMIT))
    assert read(driver) == body(LIMIT)
    driver.delete(KEY)


def test_an_unknown_length_is_stopped_at_the_byte_that_exceeds(world: World, limited: Limited) -> None:
    limited(LIMIT)
    driver = world.driver()
    with driver.open_writer(KEY) as writer:
        writer.write(body(LIMIT))
        with pytest.raises(errors.StoreFull):
            writer.write(b"x")
        assert writer.total == LIMIT
    assert world.account.everything() == set()
    world.account.wait_until_used(0)
    put(driver, body(LIMIT), declared=False)
    driver.delete(KEY)


def test_what_is_there_already_counts(world: World, limited: Limited) -> None:
    first = world.driver()
    put(first, body(3 * SEGMENT), "first")
    until(lambda: world.account.used() >= 3 * SEGMENT)
    limited(LIMIT)
    driver = world.driver()
    with pytest.raises(errors.StoreFull):
        driver.open_writer(KEY, size=LIMIT)
    put(driver, body(SEGMENT))
    for key in ("first", KEY):
        driver.delete(key)


def test_uploads_side_by_side_cannot_pass_the_quota(world: World, limited: Limited) -> None:
    limited(LIMIT)
    driver = world.driver()
    driver.check()
    results: list[object] = []

    def upload(number: int) -> None:
        try:
            results.append(put(driver, body(2 * SEGMENT), f"{KEY}-{number}", declared=number % 2 == 0))
        except errors.StoreFull as error:
            results.append(error)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [result for result in results if not isinstance(result, errors.StoreFull)]
    assert len(results) == 5
    assert len(stored) <= 2
    assert len(world.account.objects(CONTAINER)) == len(stored)
    for key in world.account.objects(CONTAINER):
        driver.delete(key)


def test_what_was_stored_and_removed_here_a_moment_ago_is_known_before_swift_counts_it(
    world: World, limited: Limited
) -> None:
    limited(LIMIT)
    driver = world.driver()
    put(driver, body(3 * SEGMENT), "first")
    with pytest.raises(errors.StoreFull):
        driver.open_writer(KEY, size=2 * SEGMENT + 1)
    driver.delete("first")
    world.account.wait_until_used(0)
    put(driver, body(LIMIT))
    driver.delete(KEY)


def test_the_quota_is_the_space_of_the_store(world: World, limited: Limited) -> None:
    driver = world.driver()
    assert driver.space() == Space(total=None, free=None)
    limited(LIMIT)
    assert driver.space() == Space(total=LIMIT, free=LIMIT)


def test_that_there_is_no_quota_is_remembered_for_a_while(world: World, proxy: FaultProxy, limited: Limited) -> None:
    def asked() -> int:
        return proxy.count(method="HEAD")

    remembering, forgetting = world.through(proxy), world.through(proxy, quota_age=0.0)
    for driver in (remembering, forgetting):
        put(driver, body(10))
        driver.delete(KEY)
    before = asked()
    put(remembering, body(10))
    assert asked() == before
    remembering.delete(KEY)
    before = asked()
    put(forgetting, body(10))
    assert asked() == before + 3
    limited(5)
    remembering.open_writer(f"{KEY}.2", size=10).abort()
    with pytest.raises(errors.StoreFull):
        forgetting.open_writer(f"{KEY}.2", size=10)
    forgetting.delete(KEY)


def test_a_user_who_may_not_look_at_the_account_uploads_all_the_same(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    driver = world.through(proxy)
    rule = proxy.on(Respond(403), method="HEAD", path="/AUTH_[^/]*$", times=None)
    put(driver, body(10))
    assert rule.hits == 1
    driver.delete(KEY)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> Meter:
    meter = Meter("a container", clock)
    meter.seen(Level(100, 20))
    return meter


def held(meter: Meter, size: int) -> MeterHold:
    hold = MeterHold([meter])
    hold.extend_to(size)
    return hold


def test_a_hold_is_room_until_it_ends(meter: Meter) -> None:
    hold = held(meter, 50)
    with pytest.raises(errors.StoreFull, match="70 are in use or being uploaded, and 31 more"):
        held(meter, 31)
    held(meter, 30).release()
    hold.release()
    held(meter, 80)


def test_a_hold_that_is_refused_by_one_quota_takes_nothing_of_the_others(clock: Clock, meter: Meter) -> None:
    tight = Meter("the account", clock)
    tight.seen(Level(10, 0))
    hold = MeterHold([meter, tight])
    with pytest.raises(errors.StoreFull):
        hold.extend_to(11)
    held(meter, 80)


def test_what_was_stored_counts_though_swift_does_not_say_so_yet(clock: Clock, meter: Meter) -> None:
    held(meter, 50).settle(40)
    assert meter.used() == 60
    meter.seen(Level(100, 20))
    assert meter.used() == 60
    held(meter, 10).settle(10)
    assert meter.used() == 70
    clock.now += LAG
    assert meter.used() == 20


def test_the_segments_of_an_upload_are_not_counted_twice_when_it_ends(meter: Meter) -> None:
    hold = held(meter, 50)
    meter.seen(Level(100, 60))  # 40 of them
    with pytest.raises(errors.StoreFull):
        held(meter, 1)
    hold.settle(50)
    assert meter.used() == 70
    held(meter, 30)


def test_what_was_removed_here_is_free_at_once(meter: Meter) -> None:
    held(meter, 50).settle(50)
    meter.give_back(50)
    assert meter.used() == 20
    meter.give_back(1000)
    assert meter.used() == 0


def test_a_quota_that_was_taken_away_limits_nothing(meter: Meter) -> None:
    meter.seen(Level(None, 20))
    held(meter, 10**12)


def test_an_ended_hold_is_ended(meter: Meter) -> None:
    hold = held(meter, 50)
    hold.settle(50)
    hold.settle(50)
    hold.release()
    hold.extend_to(1000)
    assert meter.used() == 70
