"""The services that the rows are tried on, and a project of its own for every test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from imgstore.model import MIB
from imgstore.transfers.begin import ALL, ANY
from imgstore.transfers.upload import UploadSettings
from tests.s3.conftest import SWIFT
from tests.s3.storage import BucketStorage
from tests.semantics.house import PATIENCE, House, Tenant
from tests.semantics.storage import DirectoryStorage, StorageFactory
from tests.support.fixtures import SwiftFactory

NewHouse = Callable[..., AbstractContextManager[House]]

LIMIT = 8 * MIB
SMALL_LIMIT = 300
SMALL_QUOTA = 500
SEVERAL_QUOTA = 2 * LIMIT


KINDS = (pytest.param("filesystem"), pytest.param("s3", marks=pytest.mark.long))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test runs on the filesystem; with `each_storage` in the long form on S3, too."""
    if "new_storage" in metafunc.fixturenames:
        kinds = KINDS if "each_storage" in metafunc.fixturenames else KINDS[:1]
        metafunc.parametrize("new_storage", kinds, indirect=True, scope="session")


@pytest.fixture
def each_storage() -> None:
    """For the laws that a store has a part in; what is refused before a store is touched needs one kind only."""


@pytest.fixture(scope="session")
def new_storage(request: pytest.FixtureRequest) -> StorageFactory:
    """Of the kind that is the parameter."""
    if request.param == "filesystem":
        return DirectoryStorage.opened
    swift_with: SwiftFactory = request.getfixturevalue("swift_with")
    return lambda root: BucketStorage.opened(swift_with(SWIFT))


@pytest.fixture(scope="session")
def new_house(tmp_path_factory: pytest.TempPathFactory, new_storage: StorageFactory) -> NewHouse:
    """Serves inside."""

    @contextlib.contextmanager
    def made(*, project_quota: int | None = None, **settings: Any) -> Iterator[House]:
        root = tmp_path_factory.mktemp("house")
        with new_storage(root) as storage:
            house = House(root, storage, settings=UploadSettings(**settings), project_quota=project_quota)
            with house.serving():
                yield house

    return made


def serving(**settings: Any) -> Any:
    """A fixture: a house that serves with these settings, for the whole session."""

    @pytest.fixture(scope="session")
    def made(new_house: NewHouse) -> Iterator[House]:
        with new_house(**settings) as house:
            yield house

    return made


def project_of(name: str) -> Any:
    """A fixture: a project in the house of this name. After the test nothing is staged, held or open."""

    @pytest.fixture
    def made(request: pytest.FixtureRequest, new_storage: StorageFactory) -> Iterator[Tenant]:
        house: House = request.getfixturevalue(name)
        tenant = Tenant(house)
        yield tenant
        assert house.leftovers() == set()
        assert tenant.quota[1] == 0
        assert house.faulty.all_closed(PATIENCE)

    return made


house, tenant = serving(max_image_size=LIMIT), project_of("house")
small_house, small_tenant = serving(max_image_size=SMALL_LIMIT, project_quota=SMALL_QUOTA), project_of("small_house")

# An upload may go to several stores: to all of them or none, or to one at least.
several = {"max_image_size": LIMIT, "project_quota": SEVERAL_QUOTA}
all_house, all_tenant = serving(**several, several_stores=ALL), project_of("all_house")
any_house, any_tenant = serving(**several, several_stores=ANY), project_of("any_house")
