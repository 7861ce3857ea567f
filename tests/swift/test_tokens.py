"""Tokens: renewed before they end and when Swift refuses them, in the middle of an upload too, on a real Swift."""

from __future__ import annotations

import datetime
import logging
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.auth import StoreToken
from imgstore.drivers.swift.options import SwiftOptions
from tests.support.faults import FaultProxy, Respond
from tests.support.swift import SwiftSettings
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
        writer.write(data[SEGMENT:])
        writer.commit()
    assert proxy.count(path="/auth/") >= 2
    assert [seen for seen in proxy.requests if seen.status == 401] == []
    assert read(driver) == data
    driver.delete(KEY)
    world.account.new_token()


def spoil(driver: SwiftDriver) -> None:
    """From now on Swift refuses the driver's token, as one that has ended; the driver does not know."""
    token = driver._own_token
    token._current = replace(token.access(), token="gAAAA-no-token")


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
        self.given = 0
        self.life: float | None = 100.0
        self.failure: Exception | None = None

    def invalidate(self) -> None:
        """Nothing is kept."""

    def get_access(self, session: object) -> Any:
        if self.failure is not None:
            raise self.failure
        self.given += 1
        issued = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
        expires = None if self.life is None else issued + datetime.timedelta(seconds=self.life)
        catalog = SimpleNamespace(url_for=lambda **_: "http://swift.invalid/v1/AUTH_a/")
        token = f"token-{self.given}"
        return SimpleNamespace(auth_token=token, issued=issued, expires=expires, service_catalog=catalog)


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
        token.refused(token.access())
        first, begun = token.access(), clock.now
        clock.now = begun + good_until - 0.1
        assert token.access() is first
        clock.now = begun + good_until
        assert token.access() is not first


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
    assert plugin.given == 2
    assert second.url == "http://swift.invalid/v1/AUTH_a"
    assert "token-2" not in repr(second)


def test_a_renewal_that_fails_is_no_failure_while_the_token_is_good(
    token: StoreToken, plugin: Plugin, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = token.access()
    plugin.failure = swift_errors.Passing("no", detail="down")
    clock.now += 90
    with caplog.at_level(logging.WARNING):
        assert token.access() is first
    assert "could not be renewed yet" in caplog.text
    clock.now += 10
    with pytest.raises(errors.StoreUnavailable):
        token.access()


def test_a_keystone_or_tempauth_that_fails_for_a_moment_is_asked_again(world: World, proxy: FaultProxy) -> None:
    rule = proxy.on(Respond(503), path="/auth/v1.0", times=2)
    driver = world.through(proxy)
    put(driver, body(10))
    assert rule.hits == 2
