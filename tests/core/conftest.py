"""Hosts on which the laws of an upload are tested."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from imgstore.transfers.begin import ALL, ANY
from tests.core.world import NAMES, World

Host = Callable[..., World]


@pytest.fixture(params=[((), ALL), (NAMES, ALL), (NAMES, ANY)], ids=["one", "all", "any"])
def host(request: pytest.FixtureRequest) -> Host:
    """Makes worlds: of one store; of several, which must all take the image; of several, of which one must."""
    names, mode = request.param
    return partial(World, *names, mode=mode)


@pytest.fixture
def world(host: Host) -> World:
    """One that is like any other."""
    return host()
