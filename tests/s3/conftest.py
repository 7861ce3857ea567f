"""A fresh place for every test, on every server; after the test the server holds nothing that the test did not keep."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.s3.places import SMALL_PART, MotoPlace, NamedPlace, Place, SwiftPlace
from tests.support.fixtures import SwiftFactory
from tests.support.moto import MotoServer
from tests.support.swift import SwiftSettings

SERVERS = ["endpoint"] if "IMGSTORE_S3_ENDPOINT" in os.environ else ["swift", "moto"]


@pytest.fixture(scope="session")
def small_moto() -> Iterator[MotoServer]:
    """A moto that takes small parts."""
    with MotoServer(smallest_part=SMALL_PART) as server:
        yield server


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, swift_with: SwiftFactory) -> Iterator[Place]:
    """An empty bucket on each of the servers."""
    if request.param == "endpoint":
        found: Place = NamedPlace()
    elif request.param == "swift":
        found = SwiftPlace(swift_with(SwiftSettings(s3_min_part=SMALL_PART, async_delete=False)))
    else:
        found = MotoPlace(request.getfixturevalue("small_moto"))
    yield found
    found.clear()
