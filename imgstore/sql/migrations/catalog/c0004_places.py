"""The places of the stores, and the state of the catalog itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import TABLE, text

revision = "c0004"
down_revision = "c0003"


def upgrade() -> None:
    """Adds the tables, empty: an operator adopts the places of stores that have images already."""
    op.create_table(
        "store_places",
        sa.Column("store", text(255), primary_key=True),
        sa.Column("mark", text(64), nullable=False),
        sa.Column("written", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        **TABLE,
    )
    op.create_table(
        "catalog_state",
        sa.Column("name", text(64), primary_key=True),
        sa.Column("value", text(255), nullable=False),
        **TABLE,
    )
