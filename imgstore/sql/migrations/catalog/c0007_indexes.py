"""Indexes for what images are listed by, also by tag and property, and for what is to be removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql import words
from imgstore.sql.types import DOCUMENT, MOMENT, TABLE, text

revision = "c0007"
down_revision = "c0006"

IMAGES = sa.table(
    "images", sa.column("id"), sa.column("owner"), sa.column("visibility"), sa.column("tags", DOCUMENT),
    sa.column("properties", DOCUMENT), sa.column("created_at", MOMENT), sa.column("deleted_at"),
)  # fmt: skip
PAGE = 1000


def upgrade() -> None:
    """Makes them. At a million images it takes minutes."""
    op.create_table(
        "image_words",
        sa.Column("word", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created_at", MOMENT, primary_key=True),
        sa.Column("image_id", text(36), sa.ForeignKey("images.id", name="image_words_image"), primary_key=True),
        **TABLE,
    )
    op.create_index("image_words_by_image", "image_words", ["image_id"])
    for column in ("owner", "name", "status", "visibility"):
        op.create_index(f"images_by_{column}_and_age", "images", [column, "created_at", "id"])
    op.drop_index("images_by_owner", "images")
    op.create_index("images_by_checksum", "images", ["checksum"])
    removing = sa.text("state = 'removing'")
    op.create_index(
        "image_locations_removing", "image_locations", ["state", "store"], sqlite_where=removing,
        postgresql_where=removing,
    )  # fmt: skip
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """From the images that there are."""
    query = sa.select(IMAGES).where(IMAGES.c.deleted_at.is_(None)).order_by(IMAGES.c.id).limit(PAGE)
    after = ""
    while page := connection.execute(query.where(IMAGES.c.id > after)).all():
        for row in page:
            found = words.of_image(row.owner, row.visibility, row.tags, row.properties)
            words.add(connection, row.id, row.created_at, found)
        after = page[-1].id
