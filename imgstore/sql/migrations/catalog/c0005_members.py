"""Members of shared images."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import MOMENT, TABLE, text

revision = "c0005"
down_revision = "c0004"


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "image_members",
        sa.Column("image_id", text(36), sa.ForeignKey("images.id", name="image_members_image"), primary_key=True),
        sa.Column("member", text(255), primary_key=True),
        sa.Column("status", text(20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        **TABLE,
    )
    op.create_index("image_members_by_member", "image_members", ["member"])
