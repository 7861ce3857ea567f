"""A fresh place for every test, on every server; after the test the server holds nothing that the test did not keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeVar

import pytest

from imgstore.driver import background, ranged
from imgstore.driver.place import NOTES
from imgstore.drivers.s3 import tries, uploads
from imgstore.testing.faults import FaultProxy
from tests.s3.places import SMALL_PART, MotoPlace, NamedPlace, Place, SwiftPlace
from tests.support.fixtures import SwiftFactory
from tests.support.moto import MotoServer
from tests.support.swift import SwiftSettings

AnyPlace = TypeVar("AnyPlace", bound=Place)

SERVERS = ["endpoint"] if "IMGSTORE_S3_ENDPOINT" in os.environ else ["swift", "moto"]
SWIFT = SwiftSettings(s3_min_part=SMALL_PART, async_delete=False, remembers=True)


@pytest.fixture(scope="session")
def small_moto() -> Iterator[MotoServer]:
    """A moto that takes small parts."""
    with MotoServer(smallest_part=SMALL_PART) as server:
        yield server


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, swift_with: SwiftFactory) -> Iterator[Place]:
    """An empty bucket on each of the servers. At the end it holds what the test said that it keeps, and no more."""
    if request.param == "endpoint":
        yield from used(NamedPlace())
    elif request.param == "swift":
        yield from used(SwiftPlace(swift_with(SWIFT)))
    else:
        yield from used(MotoPlace(request.getfixturevalue("small_moto")))


@pytest.fixture
def first_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty bucket on one server: the one that was named, or else moto."""
    named = SERVERS == ["endpoint"]
    yield from used(NamedPlace() if named else MotoPlace(request.getfixturevalue("small_moto")))


@pytest.fixture
def swift_place(swift_with: SwiftFactory) -> Iterator[SwiftPlace]:
    """An empty bucket on the server that compares signatures and checksums."""
    yield from used(SwiftPlace(swift_with(SWIFT)))


@pytest.fixture
def moto_place(small_moto: MotoServer) -> Iterator[MotoPlace]:
    """An empty bucket on the server that returns checksums."""
    yield from used(MotoPlace(small_moto))


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
    """Stands before the server of the test's place, whose drivers go through it from now on."""
    name = next(name for name in ("place", "swift_place", "moto_place") if name in request.fixturenames)
    place: Place = request.getfixturevalue(name)
    with FaultProxy(place.endpoint) as proxy:
        place.entrance = proxy.url
        yield proxy
        proxy.wait_until_idle()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are repeated at once, reads resumed at once, and a second look is taken at once."""
    monkeypatch.setattr(tries, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(ranged, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(background, "LOOKS", (0.0,) * len(background.LOOKS))
    monkeypatch.setattr(background, "look_again", lambda what, look: None)
    monkeypatch.setattr(uploads, "PAUSES", (0.0,) * len(uploads.PAUSES))


def used(place: AnyPlace) -> Iterator[AnyPlace]:
    """The place for a test, looked at afterwards."""
    try:
        yield place
        if place.watched:
            found = {name for name in place.names() if not name.endswith(NOTES)}
            assert found == place.kept, "the server holds something else than what the test kept"
    finally:
        place.clear()
