"""A Glance from the index whose stores are imgstore's, for the whole run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.testing.faults import FaultProxy
from tests.glance.house import House, Objects, filesystem_backends, object_backends
from tests.support.fixtures import SwiftFactory
from tests.support.glance import GlanceServer, prepared
from tests.support.moto import MotoServer
from tests.support.swift import SwiftSettings


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new Glance's database and policy, to be copied."""
    return prepared(tmp_path_factory.mktemp("glance"))


@pytest.fixture(scope="session")
def objects(moto: MotoServer, swift_with: SwiftFactory) -> Iterator[Objects]:
    """A bucket and an account, behind proxies."""
    swift = swift_with(SwiftSettings())
    with contextlib.ExitStack() as stack:
        proxies = {
            "cold": stack.enter_context(FaultProxy(moto.url)),
            "vault": stack.enter_context(FaultProxy(swift.url)),
        }
        yield Objects(moto.bucket(), swift.account(), proxies)


@pytest.fixture(scope="session")
def whole_house(tmp_path_factory: pytest.TempPathFactory, database: Path, objects: Objects) -> Iterator[House]:
    """Glance under uwsgi, with stores of every kind."""
    root = tmp_path_factory.mktemp("house")
    (root / "closed").mkdir()  # it is only read, so Glance does not make it
    with GlanceServer(root, database, {**filesystem_backends(root), **object_backends(root, objects)}) as glance:
        yield House(glance)


@pytest.fixture
def house(whole_house: House, objects: Objects) -> Iterator[House]:
    """The same; no test leaves a fault behind."""
    yield whole_house
    objects.heal()
