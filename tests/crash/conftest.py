"""The stores of a service that dies or freezes: on each kind of storage that a test's `storage` names."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.crash.places import S3, Filesystem, Named, Place, Swift
from tests.s3.conftest import small_moto
from tests.s3.places import MotoPlace
from tests.support.service import STORES
from tests.swift.world import World

__all__ = ["small_moto"]


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> str:
    """Which kind of storage the stores are on."""
    return str(request.param)


@pytest.fixture
def place(storage: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """The stores of the service. One more kind of storage is one more name of `storage`, and its class here."""
    if storage == "moto":
        imitation = request.getfixturevalue("small_moto")
        return S3({store: MotoPlace(imitation) for store in STORES})
    if storage == "swift":
        server = request.getfixturevalue("quick_swift")
        return Swift({store: World(server, contextlib.ExitStack()) for store in STORES})
    return {"filesystem": Filesystem, "named": Named}[storage](tmp_path)
