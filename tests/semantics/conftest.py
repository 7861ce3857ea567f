"""The services that the rows are tried on, and a project of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.model import MIB
from imgstore.preparing import ALL, ANY
from imgstore.upload import UploadSettings
from tests.semantics.house import PATIENCE, House, Tenant

LIMIT = 8 * MIB
SMALL_LIMIT = 300
SMALL_QUOTA = 500
SEVERAL_QUOTA = 2 * LIMIT


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Images of at most LIMIT bytes."""
    made = House(tmp_path_factory.mktemp("house"), settings=UploadSettings(max_image_size=LIMIT))
    with made.serving():
        yield made


@pytest.fixture(scope="session")
def small_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Images of at most SMALL_LIMIT bytes, SMALL_QUOTA bytes a project."""
    settings = UploadSettings(max_image_size=SMALL_LIMIT)
    with House(tmp_path_factory.mktemp("small"), settings=settings, project_quota=SMALL_QUOTA).serving() as made:
        yield made


@pytest.fixture(scope="session")
def house_without_md5(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Computes no checksum."""
    with House(tmp_path_factory.mktemp("no-md5"), settings=UploadSettings(checksum=False)).serving() as made:
        yield made


@pytest.fixture(scope="session")
def all_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An upload may go to several stores, and all must take it; SEVERAL_QUOTA bytes a project."""
    settings = UploadSettings(max_image_size=LIMIT, several_stores=ALL)
    root = tmp_path_factory.mktemp("all")
    with House(root, settings=settings, project_quota=SEVERAL_QUOTA).serving() as made:
        yield made


@pytest.fixture(scope="session")
def any_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The same, and one store is enough."""
    settings = UploadSettings(max_image_size=LIMIT, several_stores=ANY)
    root = tmp_path_factory.mktemp("any")
    with House(root, settings=settings, project_quota=SEVERAL_QUOTA).serving() as made:
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


@pytest.fixture
def tenant_without_md5(house_without_md5: House) -> Iterator[Tenant]:
    """The same where images have no checksum."""
    yield from _tenant(house_without_md5)
