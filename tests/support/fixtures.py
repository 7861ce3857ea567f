"""Fixtures for several test packages: servers that start when a test first asks for them, and serve the whole run."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgstore.distribution import NAME
from imgstore.driver import background
from tests.support.client import Client, new_id
from tests.support.environments import GENERATED, ROOT, sdist_of, wheel_of
from tests.support.keystone import Keystone
from tests.support.moto import MotoServer
from tests.support.rgw import RgwServer
from tests.support.service import ServiceProcess
from tests.support.swift import SwiftServer, SwiftSettings
from tests.support.swift.on_keystone import KeystoneSwift

SwiftFactory = Callable[[SwiftSettings], SwiftServer]


@pytest.fixture(scope="session", autouse=True)
def _whole_undos() -> Iterator[None]:
    """An abort is looked at when it is done: on a busy machine it may take longer than its caller waits for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "MOMENT", 60.0)
        yield


@pytest.fixture(scope="session")
def swift_with() -> Iterator[SwiftFactory]:
    """A Swift of these settings: the same one each time they are asked for."""
    with contextlib.ExitStack() as running:
        servers: dict[SwiftSettings, SwiftServer] = {}

        def serve(settings: SwiftSettings) -> SwiftServer:
            if settings not in servers:
                servers[settings] = running.enter_context(SwiftServer(settings))
            return servers[settings]

        yield serve


@pytest.fixture
def swift(swift_with: SwiftFactory) -> SwiftServer:
    """A Swift with the limits that Swift has by default."""
    return swift_with(SwiftSettings())


@pytest.fixture
def quick_swift(swift_with: SwiftFactory) -> SwiftServer:
    """The same, whose proxy remembers accounts and containers as with memcached: a request costs half as much, quotas
    and access rules lag."""
    return swift_with(SwiftSettings(remembers=True))


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """An imitation of Amazon's S3."""
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def rgw() -> Iterator[RgwServer]:
    """A Ceph with its gateway."""
    with RgwServer() as server:
        yield server


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a checkout has. A developer's tree also has earlier builds' lists of files, which setuptools takes over."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("tree") / NAME, ignore=shutil.ignore_patterns(*GENERATED))


@pytest.fixture(scope="session")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our sdist."""
    return sdist_of(checkout, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, made from the sdist, as whoever packages it for a distribution does."""
    return wheel_of(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def new_keystone(tmp_path_factory: pytest.TempPathFactory) -> Keystone:
    """A Keystone to be copied: it takes ten seconds to make."""
    return Keystone.made(tmp_path_factory.mktemp("new-keystone"))


@pytest.fixture(scope="session")
def keystone_swift(new_keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneSwift]:
    """A Swift before a real Keystone; for tests that `make test-long` runs."""
    with KeystoneSwift(new_keystone.copy(tmp_path_factory.mktemp("keystone-swift"))) as both:
        yield both


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The service as a process, with the filesystem stores `fast` and `slow`. Use images and projects of your own."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(shared_service: ServiceProcess) -> Client:
    """A project of its own, without images, for every test."""
    return shared_service.client.of(new_id())
