"""The tables of the SQL catalog. `imgstore/sql/migrations/catalog` makes them; a test compares the two.

`images` keeps the rows of deleted images, so that no identifier is used twice. `uploading` is set while an attempt is
under way: an upload, or a copy of an active image. `upload_store` then names the stores that it writes to, separated by
commas; `lease_until` (milliseconds since the epoch, by the database's clock) is set as well, and `lease_holder` is for
people. `copy_failed` names the stores that the last copy did not reach; it is NULL if there never was a copy.

`image_locations` has the data of images (`live`) and the objects that are still to be removed from their store
(`removing`). The latter have no `url` if their attempt died or left them out.

`image_members` has the projects with which images are shared; those of a deleted image are deleted.

`image_words` has tags and properties as rows with an index (`imgstore.sql.words`). `created_at` is that of the image.

`store_places` has the mark by which each store's place is known again, and whether it was ever written there. Its
`epoch` grows as the service runs, and is noted in the place: a place with a higher one tells a restored database.
`catalog_state` says why nothing may be removed until an operator has looked (`imgstore.sql.restored`).
"""

from __future__ import annotations

import sqlalchemy as sa

from imgstore.sql.types import DOCUMENT, MOMENT, NAMES, TABLE, text

LONGEST_ID = 36
"""Characters of an image's identifier."""

LIVE = "live"
REMOVING = "removing"
WITH_DATA = ("active", "deactivated")
"""The statuses of images that have data."""

METADATA = sa.MetaData()

IMAGES = sa.Table(
    "images",
    METADATA,
    sa.Column("id", text(LONGEST_ID), primary_key=True),
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
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("uploading", sa.Integer),
    sa.Column("upload_store", NAMES),
    sa.Column("copy_failed", sa.Text),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("lease_holder", text(255)),
    sa.Index("images_by_age", "created_at", "id"),
    sa.Index("images_by_owner_and_age", "owner", "created_at", "id"),
    sa.Index("images_by_name_and_age", "name", "created_at", "id"),
    sa.Index("images_by_status_and_age", "status", "created_at", "id"),
    sa.Index("images_by_visibility_and_age", "visibility", "created_at", "id"),
    sa.Index("images_by_checksum", "checksum"),
    sa.Index("images_by_lease", "lease_until"),
    **TABLE,
)

LOCATIONS = sa.Table(
    "image_locations",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("image_id", text(LONGEST_ID), sa.ForeignKey("images.id", name="image_locations_image"), nullable=False),
    sa.Column("store", text(255), nullable=False),
    sa.Column("key", text(255), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("state", text(16), nullable=False),
    sa.Index("image_locations_by_image", "image_id"),
    sa.UniqueConstraint("store", "key", name="image_locations_place"),
    sa.Index(
        "image_locations_removing", "state", "store", sqlite_where=sa.text("state = 'removing'"),
        postgresql_where=sa.text("state = 'removing'"),
    ),
    **TABLE,
)  # fmt: skip
IS_REMOVING = LOCATIONS.c.state == sa.literal_column(f"'{REMOVING}'")
"""For all that is to be removed: few rows, which have an index where the query says so in words."""

MEMBERS = sa.Table(
    "image_members",
    METADATA,
    sa.Column("image_id", text(LONGEST_ID), sa.ForeignKey("images.id", name="image_members_image"), primary_key=True),
    sa.Column("member", text(255), primary_key=True),
    sa.Column("status", text(20), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Index("image_members_by_member", "member"),
    **TABLE,
)

WORDS = sa.Table(
    "image_words",
    METADATA,
    sa.Column("word", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("created_at", MOMENT, primary_key=True),
    sa.Column("image_id", text(LONGEST_ID), sa.ForeignKey("images.id", name="image_words_image"), primary_key=True),
    sa.Index("image_words_by_image", "image_id"),
    **TABLE,
)

PLACES = sa.Table(
    "store_places",
    METADATA,
    sa.Column("store", text(255), primary_key=True),
    sa.Column("mark", text(64), nullable=False),
    sa.Column("written", sa.Boolean, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),
    **TABLE,
)

STATE = sa.Table(
    "catalog_state",
    METADATA,
    sa.Column("name", text(64), primary_key=True),
    sa.Column("value", text(255), nullable=False),
    **TABLE,
)
