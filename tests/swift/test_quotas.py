"""Swift's own quotas, on a real Swift: kept to the byte, where Swift itself lets segments and unknown lengths pass."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.quotas import LAG, MANY, Level, Meter, MeterHold, Meters
from imgstore.model import Space
from imgstore.testing.faults import ChangeHeaders, Delay, FaultProxy, Respond
from tests.support.race import together
from tests.support.swift import SwiftServer
from tests.support.waiting import until
from tests.swift.conftest import Clock
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.test_callers import House, house
from tests.swift.world import KEY, SEGMENT, World, body, put, world_on

__all__ = ["house"]

LIMIT = 5 * SEGMENT


@pytest.fixture
def world(quick_swift: SwiftServer) -> Iterator[World]:
    """Without a mark, whose bytes would count."""
    with world_on(quick_swift, marked=False) as world:
        yield world


KINDS = ("container", "segments", "account", "account by its new name")


def limit(world: World, size: int, kind: str = "container") -> None:
    """Sets a quota of that kind."""
    if kind in ("container", "segments"):
        world.account.set_container_quota(CONTAINER if kind == "container" else SEGMENTS, size)
    elif kind == "account":
        world.server.set_account_quota(world.account, size)
    else:
        headers = {"X-Account-Quota-Bytes": str(size)}
        answer = world.server._admin().post("", headers=headers, url=world.account.storage_url)
        assert answer.status == 204, answer


def test_swift_itself_lets_segments_pass_a_containers_quota(world: World) -> None:
    """What this driver's quotas are for: should Swift learn it, they can go."""
    limit(world, LIMIT)
    driver = world.driver(check_quota=False)
    put(driver, body(2 * LIMIT))
    assert driver.stat(KEY).size == 2 * LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_no_length_known_or_unknown_passes_a_quota(world: World, proxy: FaultProxy, kind: str) -> None:
    """A declared size is refused before a byte, an unknown one at the byte that exceeds."""
    driver = world.through(proxy)
    assert driver.space() == Space(total=None, free=None)
    limit(world, LIMIT, kind)
    assert driver.space() == Space(total=LIMIT, free=LIMIT)
    with pytest.raises(errors.StoreFull, match=f"the quota is {LIMIT} bytes") as caught:
        driver.open_writer(KEY, size=LIMIT + 1)
    assert caught.value.status == 413
    assert proxy.count(method="PUT") == 0
    with driver.open_writer(KEY) as writer:
        writer.write(body(LIMIT))
        with pytest.raises(errors.StoreFull):
            writer.write(b"x")
        assert writer.total == LIMIT
    for declared in (True, False):
        world.account.wait_until_used(0)
        put(driver, body(LIMIT), declared=declared)
        driver.delete(KEY)


@pytest.mark.parametrize("kind", ["container", "account"])
def test_what_is_there_already_counts(world: World, kind: str) -> None:
    put(world.driver(), body(3 * SEGMENT), "first")
    until(lambda: world.account.used() >= 3 * SEGMENT)
    limit(world, LIMIT, kind)
    driver = world.driver()
    with pytest.raises(errors.StoreFull):
        driver.open_writer(KEY, size=LIMIT)
    put(driver, body(SEGMENT))


def test_uploads_side_by_side_cannot_pass_the_quota(world: World, driver: SwiftDriver) -> None:
    driver.check()
    limit(world, LIMIT)

    def upload(number: int) -> bool:
        try:
            put(driver, body(2 * SEGMENT), f"{KEY}-{number}", declared=number % 2 == 0)
        except errors.StoreFull:
            return False
        return True

    with ThreadPoolExecutor(5) as threads:
        stored = list(threads.map(upload, range(5)))
    assert sum(stored) <= 2
    assert len(world.account.objects(CONTAINER)) == sum(stored)


def test_what_was_stored_and_removed_here_is_known_before_swift_counts_it(world: World, driver: SwiftDriver) -> None:
    driver.check()
    limit(world, LIMIT)
    put(driver, body(3 * SEGMENT), "first")
    with pytest.raises(errors.StoreFull):
        driver.open_writer(KEY, size=2 * SEGMENT + 1)
    driver.delete("first")
    world.account.wait_until_used(0)
    put(driver, body(LIMIT))


def test_that_there_is_no_quota_is_remembered_for_a_while(world: World, proxy: FaultProxy) -> None:
    remembering, forgetting = world.through(proxy), world.through(proxy, quota_age=0.0)
    for driver, requests in ((remembering, 0), (forgetting, 3)):
        put(driver, body(10))
        driver.delete(KEY)
        before = proxy.count(method="HEAD")
        put(driver, body(10))
        assert proxy.count(method="HEAD") - before == requests
        driver.delete(KEY)
    limit(world, 5)
    remembering.open_writer(KEY, size=10).abort()
    with pytest.raises(errors.StoreFull):
        forgetting.open_writer(KEY, size=10)


def test_a_user_who_may_not_look_at_the_account_uploads_all_the_same(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy)
    rule = proxy.on(Respond(403), method="HEAD", path="/AUTH_[^/]*$", times=None)
    put(driver, body(10))
    assert rule.hits == 1


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
    hold.settle(50)
    hold.release()
    hold.extend_to(1000)
    assert meter.used() == 70
    meter.seen(Level(None, 20))
    held(meter, 10**12)


def test_a_hold_that_is_refused_by_one_quota_takes_nothing_of_the_others(clock: Clock, meter: Meter) -> None:
    tight = Meter("the account", clock)
    tight.seen(Level(10, 0))
    with pytest.raises(errors.StoreFull):
        MeterHold([meter, tight]).extend_to(11)
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


def test_two_deletions_at_once_give_back_once(world: World, proxy: FaultProxy) -> None:
    """Swift does not know yet what is gone: it is what the process itself gives back that counts."""
    limit(world, LIMIT)
    driver = world.through(proxy)
    for key in (KEY, "second"):
        put(driver, body(2 * SEGMENT), key)
    proxy.on(Delay(0.5), method="DELETE", path=f"/{KEY}$", times=2)
    assert sorted(map(str, together(*[partial(driver.delete, KEY)] * 2))) == sorted(
        ("None", str(errors.ObjectNotFound))
    )
    proxy.on(ChangeHeaders({"x-container-bytes-used": "0"}), method="HEAD", times=None)
    with pytest.raises(errors.StoreFull):
        driver.open_writer("third", size=3 * SEGMENT + 1)
    proxy.heal()
    driver.delete("second")


def test_uploads_of_one_caller_cannot_pass_the_quota_together(house: House) -> None:
    house.owner.delete(house.owner.container())  # an account in which there never was anything tells no quota
    house.server.set_account_quota(house.owner, LIMIT)
    with house.of(house.owner).open_writer("first", size=3 * SEGMENT), pytest.raises(errors.StoreFull):
        house.of(house.owner).open_writer("second", size=3 * SEGMENT)
    house.of(house.owner).open_writer("second", size=3 * SEGMENT).abort()


def test_that_an_account_has_no_quota_is_remembered_for_all_of_its_callers(house: House) -> None:
    with FaultProxy(house.server.url) as proxy:
        store = house.driver(url=proxy.url)
        for key in ("first", "second"):
            for account in (house.owner, house.reader):
                store.for_context(house.context(account)).open_writer(key).abort()
        assert [proxy.count(method="HEAD", path=f"{each.name}$") for each in (house.owner, house.reader)] == [1, 1]


def test_what_was_seen_too_long_ago_to_count_is_forgotten(clock: Clock) -> None:
    meters = Meters(age=10.0, clock=clock)
    for number in range(3 * MANY):
        meters.seen(("account", f"images_{number}"), Level(None, 0))
        clock.now += 1.0
    assert len(meters._none_until) <= MANY
    assert meters.none(("account", f"images_{3 * MANY - 1}"))


def test_bounded_memory_of_many_quotas_those_without_an_upload_are_forgotten(clock: Clock) -> None:
    meters = Meters(age=10.0, clock=clock)
    held = meters.seen(("account", "held"), Level(5, 0))
    assert held is not None
    held.take(5)
    for number in range(3 * MANY):
        meters.seen((f"account_{number}", ""), Level(5, 0))
        clock.now += LAG / 10
    assert len(meters._meters) <= MANY
    assert meters.seen(("account", "held"), Level(5, 0)) is held, "what is held counts on"
