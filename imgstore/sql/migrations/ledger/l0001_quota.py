"""Entries and accounts of the quota; filled from the catalog where that is in the same database."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from alembic import op

from imgstore.sql.types import TABLE, text

revision = "l0001"
down_revision = None

IMAGES = sa.table("images", *map(sa.column, ("id", "owner", "size", "deleted_at")))
LOCATIONS = sa.table("image_locations", *map(sa.column, ("image_id", "store", "key", "state")))


def upgrade() -> None:
    """Makes the tables."""
    entries = op.create_table(
        "quota_entries",
        sa.Column("store", text(255), primary_key=True),
        sa.Column("key", text(255), primary_key=True),
        sa.Column("owner", text(255), nullable=False),
        sa.Column("image_id", text(255), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", text(8), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("reported", sa.BigInteger, nullable=False),
        sa.Column("tight", sa.Boolean, nullable=False),
        sa.Column("holder", text(32)),
        sa.Column("expires_at", sa.BigInteger),
        **TABLE,
    )
    op.create_index("quota_entries_by_image", "quota_entries", ["image_id"])
    op.create_index("quota_entries_by_state", "quota_entries", ["state", "store"])
    op.create_index("quota_entries_by_holder", "quota_entries", ["holder"])
    accounts = op.create_table(
        "quota_accounts",
        sa.Column("owner", text(255), primary_key=True),
        sa.Column("store", text(255), primary_key=True),
        sa.Column("used_bytes", sa.BigInteger, nullable=False),
        sa.Column("held_bytes", sa.BigInteger, nullable=False),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Column("uploads", sa.Integer, nullable=False),
        **TABLE,
    )
    if entries is not None and accounts is not None and sa.inspect(op.get_bind()).has_table("image_locations"):
        _fill(op.get_bind(), entries, accounts)


def _fill(connection: sa.Connection, entries: sa.Table, accounts: sa.Table) -> None:
    used: Counter[tuple[str, str]] = Counter()
    images: Counter[tuple[str, str]] = Counter()
    rows: list[dict[str, object]] = []
    for image in connection.execute(sa.select(IMAGES.c.id, IMAGES.c.owner).where(IMAGES.c.deleted_at.is_(None))):
        images[image.owner, ""] += 1
        rows.append(_entry("", image.id, image.owner, image.id, "image", 0))
    found = sa.select(LOCATIONS, IMAGES.c.owner, IMAGES.c.size).join(IMAGES, IMAGES.c.id == LOCATIONS.c.image_id)
    for place in connection.execute(found):
        size, live = place.size or 0, place.state == "live"
        state = "used" if live else "removing"
        rows.append(_entry(place.store, place.key, place.owner, place.image_id, state, size))
        for account in [("", place.store)] + ([(place.owner, place.store)] if live else []):
            used[account] += size
            images[account] += 1
        if live:
            used[place.owner, ""] += size
    if rows:
        connection.execute(sa.insert(entries), rows)
    for owner, store in used.keys() | images.keys():
        row = {"owner": owner, "store": store, "used_bytes": used[owner, store], "images": images[owner, store]}
        connection.execute(sa.insert(accounts).values(**row, held_bytes=0, uploads=0))


def _entry(store: str, key: str, owner: str, image_id: str, state: str, size: int) -> dict[str, object]:
    number = key.removeprefix(image_id).removeprefix(".")
    attempt = 0 if not store else int(number) if number.isdigit() else 1
    return {
        "store": store, "key": key, "owner": owner, "image_id": image_id, "attempt": attempt, "state": state,
        "bytes": size, "reported": size, "tight": False,
    }  # fmt: skip
