"""Leases of the attempts under way. Attempts of the release before have none: their processes were stopped for the
upgrade, so that theirs ran out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import text

revision = "c0003"
down_revision = "c0002"


def upgrade() -> None:
    """Adds the columns."""
    op.add_column("images", sa.Column("lease_until", sa.BigInteger))
    op.add_column("images", sa.Column("lease_holder", text(255)))
    op.create_index("images_by_lease", "images", ["lease_until"])
    op.execute("UPDATE images SET lease_until = 0, lease_holder = '' WHERE uploading IS NOT NULL")
