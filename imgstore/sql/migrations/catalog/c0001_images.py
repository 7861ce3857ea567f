"""Images, and where their data is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import DOCUMENT, MOMENT, TABLE, text

revision = "c0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "images",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("owner", text(255), nullable=False),
        sa.Column("name", text(255)),
        sa.Column("visibility", text(16), nullable=False),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("min_disk", sa.Integer, nullable=False),
        sa.Column("min_ram", sa.Integer, nullable=False),
        sa.Column("os_hidden", sa.Boolean, nullable=False),
        sa.Column("disk_format", text(20)),
        sa.Column("container_format", text(20)),
        sa.Column("status", text(20), nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("virtual_size", sa.BigInteger),
        sa.Column("checksum", text(32)),
        sa.Column("os_hash_algo", text(64)),
        sa.Column("os_hash_value", text(128)),
        sa.Column("tags", DOCUMENT, nullable=False),
        sa.Column("properties", DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("uploading", sa.Integer),
        sa.Column("upload_store", text(255)),
        **TABLE,
    )
    op.create_index("images_by_age", "images", ["created_at", "id"])
    op.create_index("images_by_owner", "images", ["owner"])
    op.create_table(
        "image_locations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("image_id", text(36), sa.ForeignKey("images.id", name="image_locations_image"), nullable=False),
        sa.Column("store", text(255), nullable=False),
        sa.Column("key", text(255), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("state", text(16), nullable=False),
        sa.UniqueConstraint("store", "key", name="image_locations_place"),
        **TABLE,
    )
    op.create_index("image_locations_by_image", "image_locations", ["image_id"])
