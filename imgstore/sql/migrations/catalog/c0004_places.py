"""The places of the stores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import TABLE, text

revision = "c0004"
down_revision = "c0003"


def upgrade() -> None:
    """Adds the table, empty: an operator adopts the places of stores that have images already."""
    op.create_table(
        "store_places",
        sa.Column("store", text(255), primary_key=True),
        sa.Column("mark", text(64), nullable=False),
        sa.Column("written", sa.Boolean, nullable=False),
        **TABLE,
    )
