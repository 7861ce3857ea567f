"""The services that the rows are tried on, and a project of its own for every test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

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


KINDS = ("filesystem", "s3")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test runs on the filesystem; with `each_storage` on each kind of storage."""
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
    def made(*, project_quota: int | None = None, **settings: object) -> Iterator[House]:
        root = tmp_path_factory.mktemp("house")
        with new_storage(root) as storage:
            given = UploadSettings(**settings)  # type: ignore[arg-type]  # by name from the fixtures below
            house = House(root, storage, settings=given, project_quota=project_quota)
            with house.serving():
                yield house

    return made


@pytest.fixture(scope="session")
def house(new_house: NewHouse) -> Iterator[House]:
    """Images of at most LIMIT bytes."""
    with new_house(max_image_size=LIMIT) as made:
        yield made


@pytest.fixture(scope="session")
def small_house(new_house: NewHouse) -> Iterator[House]:
    """Images of at most SMALL_LIMIT bytes, SMALL_QUOTA bytes a project."""
    with new_house(max_image_size=SMALL_LIMIT, project_quota=SMALL_QUOTA) as made:
        yield made


@pytest.fixture(scope="session")
def all_house(new_house: NewHouse) -> Iterator[House]:
    """An upload may go to several stores, and all must take it; SEVERAL_QUOTA bytes a project."""
    with new_house(max_image_size=LIMIT, several_stores=ALL, project_quota=SEVERAL_QUOTA) as made:
        yield made


@pytest.fixture(scope="session")
def any_house(new_house: NewHouse) -> Iterator[House]:
    """The same, and one store is enough."""
    with new_house(max_image_size=LIMIT, several_stores=ANY, project_quota=SEVERAL_QUOTA) as made:
        yield made


def _tenant(house: House) -> Iterator[Tenant]:
    tenant = Tenant(house)
    yield tenant
    assert house.leftovers() == set()
    assert tenant.quota[1] == 0
    assert house.faulty.all_closed(PATIENCE)


@pytest.fixture
def tenant(house: House) -> Iterator[Tenant]:
    """A project; after the test nothing is staged, held or open."""
    yield from _tenant(house)


@pytest.fixture
def small_tenant(small_house: House) -> Iterator[Tenant]:
    """The same where there are small limits."""
    yield from _tenant(small_house)


@pytest.fixture
def all_tenant(all_house: House) -> Iterator[Tenant]:
    """The same where an upload may go to several stores, and to all or none of them."""
    yield from _tenant(all_house)


@pytest.fixture
def any_tenant(any_house: House) -> Iterator[Tenant]:
    """The same where one of them is enough."""
    yield from _tenant(any_house)
