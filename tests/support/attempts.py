"""Uploads under way in a SQL catalog, and those whose process died."""

from __future__ import annotations

import sqlalchemy as sa

from imgstore.model import Attempt, UploadRequest
from imgstore.sql import NewImage, SqlCatalog
from imgstore.sql.clock import Now
from imgstore.sql.schema import IMAGES
from tests.support.client import new_id


def begun(catalog: SqlCatalog, store: str = "fast") -> Attempt:
    """An upload of a new image."""
    image = catalog.create(NewImage(new_id(), "default", disk_format="raw", container_format="bare"))
    return catalog.begin(UploadRequest(image.id), [store])


def dead(catalog: SqlCatalog, store: str = "fast") -> Attempt:
    """One whose process died."""
    return die(catalog, begun(catalog, store))


def die(catalog: SqlCatalog, attempt: Attempt) -> Attempt:
    """As if the attempt's process had been silent for a minute more than its lease."""
    ran_out = sa.update(IMAGES).where(IMAGES.c.id == attempt.image_id).values(lease_until=Now() - 61_000)
    catalog._database.change(lambda connection: connection.execute(ran_out))
    return attempt
