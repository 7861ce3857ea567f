"""Fixtures: a world for each test, and the check that whatever a test did is undone at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from imgstore.driver import background, ranged, shared
from imgstore.drivers.swift import SwiftDriver, requests
from imgstore.testing.faults import FaultProxy
from tests.support.fixtures import SwiftFactory
from tests.support.swift import SwiftServer
from tests.swift.world import World, Worlds, world_on


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr(requests, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(background, "LOOKS", (0.0,) * len(background.LOOKS))
    monkeypatch.setattr(shared, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(ranged, "FIRST_PAUSE", 0.01)


@pytest.fixture
def world(quick_swift: SwiftServer) -> Iterator[World]:
    """An account of a Swift with Swift's own limits. After every test it must be empty."""
    with world_on(quick_swift) as world:
        yield world


@pytest.fixture
def world_with(swift_with: SwiftFactory) -> Iterator[Worlds]:
    """The same with other settings of the server."""
    with contextlib.ExitStack() as stack:
        yield lambda settings: stack.enter_context(world_on(swift_with(settings)))


@pytest.fixture
def driver(world: World) -> SwiftDriver:
    """A driver on the account."""
    return world.driver()


class Clock:
    """A test moves it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that stands still."""
    return Clock()


@pytest.fixture
def proxy(world: World) -> FaultProxy:
    """A proxy before the server."""
    return world.proxy()


@pytest.fixture
def proxied(world: World, proxy: FaultProxy) -> SwiftDriver:
    """A driver that reaches the server through the proxy only, and has been checked as at a service's start."""
    driver = world.through(proxy)
    driver.check()
    return driver
