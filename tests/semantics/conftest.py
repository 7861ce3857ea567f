"""The services that the rows are tried on, and a project of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.model import MIB
from imgstore.upload import UploadSettings
from tests.semantics.house import PATIENCE, House, Tenant

LIMIT = 8 * MIB
SMALL_LIMIT = 300
SMALL_QUOTA = 500
STALL = 1.0


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
def impatient_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Gives a client up that sends nothing for STALL seconds; and no md5."""
    settings = UploadSettings(checksum=False)
    with House(tmp_path_factory.mktemp("impatient"), settings=settings, read_timeout=STALL).serving() as made:
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
def hurried_tenant(impatient_house: House) -> Iterator[Tenant]:
    """The same where the service is impatient."""
    yield from _tenant(impatient_house)
