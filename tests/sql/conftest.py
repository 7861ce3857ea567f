"""A catalog on each kind of database, with images in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from imgstore.sql import Caller, Database, NewImage, SqlCatalog, upgrade
from tests.support.client import new_id

OWNER = Caller("project")


@pytest.fixture
def tables(database_url: str) -> str:
    """A database with all tables; its URL."""
    database = Database(database_url)
    upgrade(database)
    database.close()
    return database_url


@pytest.fixture
def catalog(tables: str) -> Iterator[SqlCatalog]:
    """A catalog that waits briefly for a lock."""
    opened = SqlCatalog(tables, busy_timeout=10)
    yield opened
    opened.close()


@pytest.fixture
def queued(catalog: SqlCatalog) -> Callable[[], str]:
    """Makes queued images."""
    return lambda: queued_image(catalog)


def queued_image(catalog: SqlCatalog, **fields: object) -> str:
    """A new image of OWNER that can take data; its identifier."""
    values: dict[str, object] = {"disk_format": "raw", "container_format": "bare", **fields}
    return catalog.create(NewImage(new_id(), "project", **values)).id  # type: ignore[arg-type]  # checked by the tests


def request(image_id: str, caller: Caller = OWNER) -> UploadRequest:
    """An upload of `image_id`."""
    return UploadRequest(image_id, context=caller)


def result(attempt: Attempt, size: int = 5) -> UploadResult:
    """What an upload of `size` bytes ends with."""
    location = Location("fast", attempt.key, f"memory:///{attempt.key}")
    return UploadResult(attempt.image_id, [location], size, "sha512", "ab" * 64, checksum="cd" * 16, virtual_size=size)


def active_image(catalog: SqlCatalog, size: int = 5) -> str:
    """An image of OWNER with data."""
    image_id = queued_image(catalog)
    attempt = catalog.begin(request(image_id), ["fast"])
    catalog.activate(attempt, result(attempt, size))
    return image_id
