"""A catalog on each kind of database, with images in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from imgstore.sql import Caller, NewImage, SqlCatalog
from tests.support.client import new_id

OWNER = Caller("project")


@pytest.fixture
def catalog(tables: str) -> Iterator[SqlCatalog]:
    """A catalog that waits briefly for a lock."""
    opened = SqlCatalog(tables, busy_timeout=10)
    yield opened
    opened.close()


@pytest.fixture
def other(tables: str) -> Iterator[SqlCatalog]:
    """The catalog as another process has it."""
    opened = SqlCatalog(tables, busy_timeout=60)
    yield opened
    opened.close()


def queued_image(catalog: SqlCatalog, **fields: object) -> str:
    """A new image of OWNER that can take data; its identifier."""
    values: dict[str, object] = {"disk_format": "raw", "container_format": "bare", **fields}
    return catalog.create(NewImage(new_id(), "project", **values)).id  # type: ignore[arg-type]  # checked by the tests


def request(image_id: str, caller: Caller = OWNER) -> UploadRequest:
    """An upload of `image_id`."""
    return UploadRequest(image_id, context=caller)


def locations(attempt: Attempt, *stores: str) -> list[Location]:
    """What the attempt wrote to these stores."""
    return [Location(store, attempt.key, f"memory:///{attempt.key}") for store in stores]


def result(attempt: Attempt, *stores: str, size: int = 5) -> UploadResult:
    """What an upload of `size` bytes to these stores, or to `fast`, ends with."""
    found = locations(attempt, *(stores or ["fast"]))
    return UploadResult(attempt.image_id, found, size, "sha512", "ab" * 64, checksum="cd" * 16, virtual_size=size)


def active_image(catalog: SqlCatalog, size: int = 5) -> str:
    """An image of OWNER with data."""
    attempt = catalog.begin(request(queued_image(catalog)), ["fast"])
    catalog.activate(attempt, result(attempt, size=size))
    return attempt.image_id
