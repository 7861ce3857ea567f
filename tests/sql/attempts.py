"""Attempts at images of OWNER, and what they leave to be removed."""

from __future__ import annotations

from imgstore.model import Attempt
from imgstore.sql import SqlCatalog
from tests.sql.conftest import OWNER, queued_image, request


def begun(catalog: SqlCatalog, *stores: str) -> Attempt:
    """An upload of a new image to these stores, or to `fast`."""
    return catalog.begin(request(queued_image(catalog)), stores or ["fast"])


def begin_copy(catalog: SqlCatalog, image_id: str, *stores: str) -> Attempt:
    """A copy to these stores, or to `slow`."""
    return catalog.begin_copy(image_id, stores or ["slow"], OWNER)[0]


def to_remove(catalog: SqlCatalog, image_id: str | None = None) -> list[tuple[str, str]]:
    """Stores and keys of the removals."""
    return sorted((removal.store, removal.key) for removal in catalog.removals(image_id))
