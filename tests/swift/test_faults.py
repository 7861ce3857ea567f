"""Whatever breaks in an upload: the right error, another try where that helps, and nothing left of a failure (undone).

Between driver and server there is a proxy that breaks things; what is left is asked of the server itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver import ObjectWriter, background, deadline, multipart
from imgstore.driver.place import MARK_NAME
from imgstore.drivers.swift import SwiftDriver, requests
from imgstore.model import ObjectInfo
from imgstore.testing.faults import (
    ChangeHeaders,
    Corrupt,
    CutRequest,
    Delay,
    DelayAnswer,
    DropAnswer,
    Fault,
    FaultProxy,
    Reset,
    Respond,
    Seen,
)
from tests.support.failed_undo import recovers_what_stayed
from tests.support.waiting import PATIENCE
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, SEGMENT, World, body, put, read

SMALL = f"/{CONTAINER}/{KEY}$"
ONE = f"/{SEGMENTS}/{KEY}/.*/00000002$"
LARGE = 4 * SEGMENT
WHERE: dict[str, tuple[int, dict[str, Any]]] = {
    "small": (SEGMENT, {"path": SMALL, "query": "^$"}),
    "segment": (LARGE, {"path": ONE}),
    "manifest": (LARGE, {"path": SMALL, "query": "multipart-manifest=put"}),
}
everywhere = pytest.mark.parametrize("where", WHERE)
REFUSED: dict[int, type[errors.StoreError]] = {413: errors.StoreFull, 422: errors.IntegrityError}
OTHERS: dict[int, type[errors.StoreError]] = {
    507: errors.StoreFull,
    **dict.fromkeys((503, 401, 500, 429, 498, 408, 403, 409, 405), errors.StoreUnavailable),
}  # fmt: skip
"""What becomes of a status is decided in one place, so one kind of request is enough for these."""
PASSING: dict[str, list[Fault]] = {
    "small": [
        Respond(503), Respond(401), Respond(500), Respond(498), Respond(408),
        Respond(429, headers={"Retry-After": "0"}), Reset(), Reset(early=True), DropAnswer(), CutRequest(10),
        Corrupt(5, request=True),
    ],
    "segment": [Respond(401), DropAnswer(), CutRequest(10), Corrupt(5, request=True)],
    "manifest": [Respond(503), Reset(early=True), DropAnswer()],
}  # fmt: skip
"""All are tried again in one place. A manifest with a flipped bit is not JSON any more: that is for good."""


def write_and_commit(writer: ObjectWriter, data: bytes) -> None:
    """Either may be where the failure is noticed."""
    writer.write(data)
    writer.commit()


@pytest.mark.parametrize("where", ["small", "manifest"])
def test_an_object_that_appears_at_the_last_look_is_removed(world: World, proxy: FaultProxy, where: str) -> None:
    size, request = WHERE[where]
    driver = world.through(proxy)
    driver.check()
    proxy.on(DropAnswer(), method="PUT", **request, times=3)
    looks = proxy.on(Respond(404), method="HEAD", path=SMALL, times=len(background.LOOKS))
    with pytest.raises(errors.StoreUnavailable):
        put(driver, body(size))
    assert looks.hits == len(background.LOOKS), "one more before it is undone"


def unanswered(proxy: FaultProxy) -> list[Seen]:
    """Requests for segments that are still under way."""
    return [seen for seen in proxy.in_flight if seen.method == "PUT" and seen.status is None]


def whole(driver: SwiftDriver, size: int, info: ObjectInfo) -> bool:
    """Whether the object is there as it was written; it is removed."""
    same = info.etag == driver.stat(KEY).etag and read(driver) == body(size)
    driver.delete(KEY)
    return same


@everywhere
def test_a_refusal_that_lasts_is_the_right_error_and_leaves_nothing(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, where: str
) -> None:
    size, requests = WHERE[where]
    for status, kind in {**REFUSED, **(OTHERS if where == "small" else {})}.items():
        proxy.on(Respond(status, b"<p>no</p>"), method="PUT", **requests, times=None)
        with pytest.raises(kind) as caught:
            put(proxied, body(size))
        proxy.heal()
        assert caught.value.status == kind.status
        assert not isinstance(caught.value, errors.ObjectExists)
        assert str(status) in f"{caught.value} {caught.value.detail}"
        assert world.account.everything() == set()
    assert whole(proxied, size, put(proxied, body(size)))


@everywhere
def test_what_passes_costs_another_try_and_nothing_else(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, where: str
) -> None:
    size, requests = WHERE[where]
    for fault in PASSING[where]:
        rule = proxy.on(fault, method="PUT", **requests)
        info = put(proxied, body(size))
        assert rule.hits == 1, fault
        assert len(world.segments()) == size // SEGMENT * (size > SEGMENT)
        assert whole(proxied, size, info), fault


def test_segments_whose_answer_is_always_lost_leave_nothing(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    proxy.on(DropAnswer(), method="PUT", path=ONE, times=None)
    with pytest.raises(errors.StoreUnavailable):
        put(proxied, body(LARGE))
    assert world.account.everything() == set()


visible = pytest.mark.parametrize("where", ["small", "manifest"])


@visible
def test_an_object_whose_answer_is_always_lost_is_looked_up_and_found(
    proxy: FaultProxy, proxied: SwiftDriver, where: str
) -> None:
    size, requests = WHERE[where]
    proxy.on(DropAnswer(), method="PUT", **requests, times=None)
    assert whole(proxied, size, put(proxied, body(size)))


@visible
def test_an_object_that_was_stored_unnoticed_is_removed_when_nobody_could_be_asked(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, where: str
) -> None:
    size, requests = WHERE[where]
    proxy.on(DropAnswer(), method="PUT", **requests, times=None)
    proxy.on(Respond(503), method="HEAD", path=SMALL, times=3)
    with pytest.raises(errors.StoreUnavailable):
        put(proxied, body(size))
    assert proxy.count(method="DELETE", path=SMALL) == 1
    assert world.account.everything() == set()


@everywhere
def test_another_etag_than_that_of_what_was_sent_is_never_believed(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, where: str
) -> None:
    size, requests = WHERE[where]
    for etag in ("0" * 32, None) if where == "small" else ("0" * 32,):
        proxy.on(ChangeHeaders({"etag": etag}), method="PUT", **requests, times=None)
        with pytest.raises(errors.IntegrityError):
            put(proxied, body(size))
        proxy.heal()
        assert world.account.everything() == set()


@pytest.mark.parametrize(("where", "status"), [("small", 422), ("segment", 201)])
def test_bytes_that_always_arrive_broken_are_refused(
    proxy: FaultProxy, proxied: SwiftDriver, where: str, status: int
) -> None:
    """By the server, for what would be visible at once; a segment's md5 is known when all of it was sent."""
    size, requests = WHERE[where]
    rule = proxy.on(Corrupt(5, request=True), method="PUT", **requests, times=None)
    with pytest.raises(errors.IntegrityError):
        put(proxied, body(size))
    assert rule.hits == 3
    assert {seen.status for seen in proxy.seen(method="PUT", **requests)} == {status}


def test_a_segment_that_vanishes_before_the_manifest_is_noticed(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    with proxied.open_writer(KEY) as writer:
        writer.write(body(LARGE))
        proxy.wait_until(4, method="PUT", path=f"/{SEGMENTS}/{KEY}/")
        proxy.wait_until_idle()
        gone = sorted(world.segments())[1]
        world.account.delete(f"{SEGMENTS}/{gone}")
        with pytest.raises(errors.IntegrityError):
            writer.commit()


def test_a_failure_waits_for_what_is_in_flight_and_removes_that_too(
    proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "GRACE", PATIENCE)
    proxy.on(DelayAnswer(0.5), method="PUT", path=f"/{SEGMENTS}/{KEY}/.*/00000001$")
    proxy.on(Respond(413), method="PUT", path=ONE)
    with pytest.raises(errors.StoreFull):
        put(proxied, body(6 * SEGMENT), step=6 * SEGMENT)
    assert unanswered(proxy) == []


def test_an_abort_waits_for_what_is_in_flight_and_removes_that_too(
    proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "GRACE", PATIENCE)
    proxy.on(DelayAnswer(0.5), method="PUT", path=f"/{SEGMENTS}/{KEY}/", times=None)
    writer = proxied.open_writer(KEY)
    writer.write(body(3 * SEGMENT))
    proxy.wait_until(1, method="PUT", path=f"/{SEGMENTS}/{KEY}/")
    writer.abort()
    assert unanswered(proxy) == []


def test_when_an_upload_has_failed_other_segments_are_not_tried_again(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy, max_attempts=20)
    driver.check()
    stuck = proxy.on(Respond(503, headers={"Retry-After": "20"}), method="PUT", path=f"{KEY}/.*/00000001$", times=None)
    proxy.on(Respond(413), method="PUT", path=ONE)
    with pytest.raises(errors.StoreFull):
        put(driver, body(3 * SEGMENT))
    assert stuck.hits <= 2


def test_many_threads_that_are_refused_the_same_token_cost_one_new_one(proxy: FaultProxy, proxied: SwiftDriver) -> None:
    before = proxy.count(path="/auth/v1.0")
    proxy.on(Delay(0.3), method="PUT", path=f"/{SEGMENTS}/{KEY}/", times=3)
    proxy.on(Respond(401), method="PUT", path=f"/{SEGMENTS}/{KEY}/", times=3)
    put(proxied, body(3 * SEGMENT))
    assert proxy.count(path="/auth/v1.0") - before == 1
    assert {seen.status for seen in proxy.seen(method="PUT", path=SEGMENTS)} >= {401, 201}


def test_a_failing_abort_does_not_hide_the_cause_and_purge_removes_what_it_left(
    world: World, proxy: FaultProxy, proxied: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.on(Respond(507), method="PUT", path=SMALL, query="manifest")
    proxy.on(Respond(503), method="DELETE", times=None)
    with pytest.raises(errors.StoreFull):
        put(proxied, body(3 * SEGMENT))
    assert any("Could not remove what was written" in message for message in caplog.messages)
    assert len(world.segments()) == 3
    proxy.heal()
    (left,) = proxied.leftovers()
    proxied.remove_leftover(left)


def test_a_store_that_goes_away_in_the_middle_is_unavailable(world: World) -> None:
    with FaultProxy(world.server.url) as proxy:
        driver = world.through(proxy)
        driver.check()
        writer = driver.open_writer(KEY)
        writer.write(body(2 * SEGMENT))
        proxy.wait_until(2, method="PUT", path=f"/{SEGMENTS}/{KEY}/")
        proxy.wait_until_idle()
    with pytest.raises(errors.StoreUnavailable) as caught:
        write_and_commit(writer, body(8 * SEGMENT))
    assert (caught.value.status, caught.value.retry_after) == (503, 10)
    left = world.driver()
    for leftover in list(left.leftovers()):
        left.remove_leftover(leftover)


def test_undone_by_recovery_where_the_abort_failed(world: World, proxy: FaultProxy, tmp_path: Path) -> None:
    def fail() -> None:
        proxy.on(Respond(503), method="PUT", path="00000002$", times=None)
        proxy.on(Respond(503), method="DELETE", times=None)
        proxy.on(Respond(503), method="POST", times=None)

    world.account.delete(f"{CONTAINER}/{MARK_NAME}")
    driver = world.through(proxy, max_attempts=1)
    recovers_what_stayed(tmp_path, driver, body(LARGE), fail=fail, heal=proxy.heal, names=world.account.everything)


def test_a_pause_that_swift_wants_is_kept_within_reason(
    proxy: FaultProxy, proxied: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(deadline, "pause", slept.append)
    for wanted, pause in (("7", 7.0), ("3600", requests.LONGEST_PAUSE_WANTED), ("soon", 0.0)):
        proxy.on(Respond(503, headers={"Retry-After": wanted}), method="HEAD", path=f"{KEY}$")
        with pytest.raises(errors.ObjectNotFound):
            proxied.stat(KEY)
        assert pause <= slept.pop() <= pause + requests.FIRST_PAUSE
        assert slept == []
