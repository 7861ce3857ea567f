"""An attempt may write to several stores, and a copy may fail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import NAMES, text

revision = "c0002"
down_revision = "c0001"


def upgrade() -> None:
    """Room for as many names of stores as there are."""
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("images", "upload_store", type_=NAMES, existing_type=text(255), existing_nullable=True)
    op.add_column("images", sa.Column("copy_failed", sa.Text))
