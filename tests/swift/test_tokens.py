"""Tokens: renewed before they end and when Swift refuses them, in the middle of an upload too, on a real Swift."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from keystoneauth1 import exceptions as keystone

from imgstore import errors
from imgstore.driver import shared
from imgstore.driver.shared import LONGEST_PAUSE, Kept
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.auth import Access, StoreToken
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.testing.faults import Delay, FaultProxy, Respond
from tests.support.swift import SwiftSettings
from tests.support.waiting import PATIENCE, until
from tests.swift.conftest import Clock
from tests.swift.subject import SEGMENTS
from tests.swift.world import KEY, SEGMENT, World, Worlds, body, put, read

LIFE = 3


def test_a_token_is_renewed_before_it_ends_in_a_long_upload(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(token_life=LIFE))
    proxy = world.proxy()
    driver = world.through(proxy)
    data = body(3 * SEGMENT)
    with driver.open_writer(KEY) as writer:
        writer.write(data[:SEGMENT])
        time.sleep(0.82 * LIFE)
        writer.write(data[SEGMENT : 2 * SEGMENT])
        proxy.wait_until(2, path="/auth/")
        writer.write(data[2 * SEGMENT :])
        writer.commit()
    assert [seen for seen in proxy.requests if seen.status == 401] == []
    assert read(driver) == data
    driver.delete(KEY)
    world.account.new_token()


def spoil(driver: SwiftDriver) -> None:
    """From now on Swift refuses the driver's token, as one that has ended; the driver does not know."""
    token = driver._own_token
    token._shared._kept = Kept(replace(token.access(), token="gAAAA-no-token"))


def test_a_token_that_swift_refuses_in_mid_upload_is_renewed_and_the_part_sent_again(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    data = body(4 * SEGMENT)
    with proxied.open_writer(KEY) as writer:
        writer.write(data[: 2 * SEGMENT])
        proxy.wait_until(2, method="PUT", path=f"/{SEGMENTS}/{KEY}/")
        proxy.wait_until_idle()
        spoil(proxied)
        writer.write(data[2 * SEGMENT :])
        writer.commit()
    refused = [seen for seen in proxy.requests if seen.status == 401]
    assert refused
    assert {seen.received for seen in refused if seen.method == "PUT"} <= {SEGMENT, 0}
    assert read(proxied) == data
    assert len(world.segments()) == 4
    proxied.delete(KEY)


@pytest.mark.parametrize("status", [301, 307])
def test_no_token_follows_a_redirect(world: World, proxy: FaultProxy, proxied: SwiftDriver, status: int) -> None:
    elsewhere = world.proxy()
    proxy.on(Respond(status, headers={"Location": f"{elsewhere.url}/v1/stolen"}), path="/v1/", times=None)
    actions = (lambda: proxied.stat(KEY), lambda: read(proxied), lambda: put(proxied, b"x"), proxied.space)
    for action in actions:
        with pytest.raises(errors.StoreUnavailable) as caught:
            action()
        assert "endpoint" in (caught.value.detail or "")
    assert elsewhere.requests == []


@pytest.mark.parametrize("who", [{"auth_version": "1"}, {"auth_version": "3", "project_name": "images"}])
def test_no_password_follows_a_redirect(world: World, proxy: FaultProxy, who: dict[str, str]) -> None:
    elsewhere = world.proxy()
    proxy.on(Respond(302, headers={"Location": f"{elsewhere.url}/v3/auth/tokens"}), times=None)
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.through(proxy, max_attempts=1, **who).stat(KEY)
    assert "auth_url" in (caught.value.detail or "")
    assert elsewhere.requests == []


def test_a_token_that_ends_during_a_download_does_not_end_the_download(world: World) -> None:
    driver = world.driver(read_concurrency=2, read_block_size=64 * 1024, segment_size=128 * 1024)
    data = body(256 * 1024)
    put(driver, data, step=64 * 1024)
    with driver.open_reader(KEY) as reader:
        got = reader.read(10)
        spoil(driver)
        got += b"".join(reader)
    assert got == data


class Plugin:
    """As keystoneauth's plugins are; what it gives, and when it fails, is up to the test."""

    def __init__(self) -> None:
        self.asked = 0
        self.life: float | None = 100.0
        self.failure: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()

    def get_access(self, session: object) -> Any:
        self.asked += 1
        number = self.asked
        assert self.answers.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure
        issued = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
        expires = None if self.life is None else issued + datetime.timedelta(seconds=self.life)
        catalog = SimpleNamespace(url_for=lambda **_: "http://swift.invalid/v1/AUTH_a/")
        return SimpleNamespace(auth_token=f"token-{number}", issued=issued, expires=expires, service_catalog=catalog)


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


@pytest.fixture
def token(plugin: Plugin, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> StoreToken:
    monkeypatch.setattr("imgstore.drivers.swift.auth._plugin", lambda _: plugin)
    options = SwiftOptions(auth_version="1", auth_url="http://swift.invalid", username="a:b", password="c")
    return StoreToken(options, lambda: options, clock=clock)


def test_a_token_is_used_until_a_fifth_of_its_life_or_two_minutes_are_left(
    token: StoreToken, plugin: Plugin, clock: Clock
) -> None:
    lives = ((100.0, 80.0), (10.0, 8.0), (600.0, 480.0), (3600.0, 3480.0), (86400.0, 86280.0))
    for life, good_until in lives:
        plugin.life = life
        token._shared._kept = None
        first, begun = token.access(), clock.now
        clock.now = begun + good_until - 0.1
        assert token.access() is first
        clock.now = begun + good_until
        assert _renewed(token, first)


def _renewed(token: StoreToken, first: Access) -> bool:
    """Whether there will be another in a moment; the renewal begins now."""
    return until(lambda: token.access() is not first)


def test_a_token_of_which_no_end_is_told_is_used_until_it_is_refused(
    token: StoreToken, plugin: Plugin, clock: Clock
) -> None:
    plugin.life = None
    first = token.access()
    clock.now += 1e9
    assert token.access() is first
    token.refused(first)
    second = token.access()
    token.refused(first)
    assert token.access() is second
    assert plugin.asked == 2
    assert second.url == "http://swift.invalid/v1/AUTH_a"
    assert "token-2" not in repr(second)


def test_while_one_token_is_renewed_all_go_on_with_the_old_one(token: StoreToken, plugin: Plugin, clock: Clock) -> None:
    first = token.access()
    plugin.answers.clear()
    clock.now += 90
    assert [token.access() for _ in range(5)] == [first] * 5
    assert until(lambda: plugin.asked) == 2
    plugin.answers.set()
    assert _renewed(token, first)
    assert plugin.asked == 2


def test_who_has_no_token_waits_for_the_one_that_is_asked_for_and_not_for_ever(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch, token: StoreToken
) -> None:
    plugin.answers.clear()
    monkeypatch.setattr(token._shared, "_patience", 0.01)
    for _ in range(3):
        with pytest.raises(errors.StoreUnavailable, match="no token in time"):
            token.access()
    monkeypatch.setattr(token._shared, "_patience", PATIENCE)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(token.access) for _ in range(3)]
        plugin.answers.set()
        assert {each.result().token for each in waiting} == {"token-1"}
    assert plugin.asked == 1


@pytest.mark.parametrize("failure", [keystone.ConnectFailure("down"), keystone.Unauthorized("wrong")])
def test_a_keystone_that_fails_is_asked_once_in_a_pause_that_grows(
    token: StoreToken, plugin: Plugin, clock: Clock, failure: Exception
) -> None:
    plugin.failure = failure
    for asked, pause in enumerate((shared.FIRST_PAUSE, 2 * shared.FIRST_PAUSE, 4 * shared.FIRST_PAUSE), start=1):
        told = {_refusal(token) for _ in range(5)}
        assert (plugin.asked, len(told)) == (asked, 1)
        clock.now += pause
    plugin.failure = None
    assert token.access().token == "token-4"


def _refusal(token: StoreToken) -> tuple[str, str | None]:
    with pytest.raises(errors.StoreUnavailable) as caught:
        token.access()
    return str(caught.value), caught.value.detail


def test_a_storage_that_refuses_each_new_token_costs_one_in_a_pause_too(
    token: StoreToken, plugin: Plugin, clock: Clock
) -> None:
    for _ in range(2):  # the first is replaced at once
        token.refused(token.access())
    for _ in range(5):
        with pytest.raises(errors.StoreUnavailable, match="401"):
            token.access()
    assert plugin.asked == 2
    clock.now += LONGEST_PAUSE
    assert token.access().token == "token-3"


def test_a_renewal_that_fails_is_no_failure_while_the_token_is_good(
    token: StoreToken, plugin: Plugin, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = token.access()
    plugin.failure = keystone.ConnectFailure("down")
    clock.now += 90
    with caplog.at_level(logging.WARNING):
        assert token.access() is first
        until(lambda: "could not be renewed yet" in caplog.text)
    clock.now += 10
    with pytest.raises(errors.StoreUnavailable):
        token.access()


def test_a_keystone_that_stalls_stops_nobody_who_has_a_good_token(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    shared = proxied._own_token._shared
    shared._kept = Kept(proxied._own_token.access(), fresh=0.0)
    asked = proxy.count(path="/auth/v1.0")
    proxy.on(Delay(PATIENCE), path="/auth/v1.0", times=None)
    put(proxied, body(3 * SEGMENT))
    proxied.delete(KEY)
    until(lambda: [seen.path for seen in proxy.in_flight] == ["/auth/v1.0"])  # an answer is noted after it was sent
    assert proxy.count(path="/auth/v1.0") == asked + 1


def test_a_keystone_or_tempauth_that_fails_for_a_moment_is_asked_again(world: World, proxy: FaultProxy) -> None:
    rule = proxy.on(Respond(503), path="/auth/v1.0", times=2)
    driver = world.through(proxy)
    put(driver, body(10))
    assert rule.hits == 2


def test_where_no_thread_can_be_started_a_good_value_serves_and_the_store_is_unavailable_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def ask() -> Kept[str]:
        return Kept("never")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    token = shared.Shared[str]("token", patience=PATIENCE)
    with pytest.raises(errors.StoreUnavailable):
        token.get(ask)
    kept = shared.Shared[str]("token", patience=PATIENCE)
    kept._kept = Kept("good", fresh=float("-inf"))
    assert kept.get(ask) == "good"
