"""Fixtures: a world for each test, and the check that whatever a test did is undone at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from imgstore.drivers.swift import SwiftDriver
from tests.support.faults import FaultProxy
from tests.support.fixtures import SwiftFactory
from tests.support.swift import SwiftServer, SwiftSettings
from tests.swift.world import World, world_on


@pytest.fixture
def world(swift: SwiftServer) -> Iterator[World]:
    """An account of a Swift with its own limits. After every test it must be empty."""
    with world_on(swift) as world:
        yield world


@pytest.fixture
def world_with(swift_with: SwiftFactory) -> Iterator[Callable[[SwiftSettings], World]]:
    """The same with other settings of the server."""
    with contextlib.ExitStack() as stack:
        yield lambda settings: stack.enter_context(world_on(swift_with(settings)))


@pytest.fixture
def driver(world: World) -> SwiftDriver:
    """A driver on the account."""
    return world.driver()


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
