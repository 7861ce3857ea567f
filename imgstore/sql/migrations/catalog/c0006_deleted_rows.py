"""Rows of images that earlier releases deleted keep nothing that their owners wrote."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import DOCUMENT

revision = "c0006"
down_revision = "c0005"

IMAGES = sa.table(
    "images", sa.column("name"), sa.column("tags", DOCUMENT), sa.column("properties", DOCUMENT), sa.column("deleted_at")
)


def upgrade() -> None:
    """Clears them, as a deletion does now."""
    deleted = sa.update(IMAGES).where(IMAGES.c.deleted_at.is_not(None))
    op.execute(deleted.values(name=None, tags=[], properties={}))
