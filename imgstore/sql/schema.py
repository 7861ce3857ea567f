"""The tables of the SQL catalog, and the version of their layout.

`images` keeps the rows of deleted images, so that an identifier is never used twice. A row with `uploading` set has an
attempt that has not ended, `upload_store` is where it writes. `image_locations` has an image's data (`live`) and the
objects that are still to be removed from their store (`removing`).
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 2

LIVE = "live"
REMOVING = "removing"

METADATA = sa.MetaData()

SCHEMA = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, primary_key=True))

IMAGES = sa.Table(
    "images",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("protected", sa.Boolean, nullable=False),
    sa.Column("min_disk", sa.Integer, nullable=False),
    sa.Column("min_ram", sa.Integer, nullable=False),
    sa.Column("os_hidden", sa.Boolean, nullable=False),
    sa.Column("disk_format", sa.String(20)),
    sa.Column("container_format", sa.String(20)),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("virtual_size", sa.BigInteger),
    sa.Column("checksum", sa.String(32)),
    sa.Column("os_hash_algo", sa.String(64)),
    sa.Column("os_hash_value", sa.String(128)),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("properties", sa.JSON, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Column("deleted_at", sa.DateTime),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("uploading", sa.Integer),
    sa.Column("upload_store", sa.String(255)),
    sa.Index("images_by_age", "created_at", "id"),
    sa.Index("images_by_owner", "owner"),
)

LOCATIONS = sa.Table(
    "image_locations",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("image_id", sa.String(36), sa.ForeignKey("images.id"), nullable=False, index=True),
    sa.Column("store", sa.String(255), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.UniqueConstraint("store", "key"),
)
