"""The tables of the quota ledger, and what they mean. `imgstore/sql/migrations/ledger` makes them.

`quota_entries` is the ledger: one row for each thing that counts, from before its first byte until it is gone. What the
accounts say can be added up from it at any time.

    state     is                                      counts for
    image     an image, whether it has data or not    its owner's number of images
    held      an object that an attempt is writing    owner, owner in store, store: held bytes, an upload, an object
    joined    one more object of the same attempt     the same, but for its owner no upload
    used      an object that an image has             owner, owner in store, store: used bytes, an object
    removing  an object that no image has any more    the store: used bytes, an object

An object's entry has the object's place (store, key), which no other attempt ever has; so each step can be taken twice
without harm, by whoever finds that it was not taken: an entry is held once, settled once, given back once. An image's
own entry has the empty store and the image's identifier.

An upload to several stores is one upload of its project, so one of its entries is `held` and the others have `joined`
it. If that one is released, since its store is left out, another takes its place in the same transaction. In a store it
is one upload in any case, as it has one object there.

`bytes` of a held or joined entry is what is set aside, `reported` what the attempt had written, or was about to, when
the two were last made equal: the difference is slack that can be given back. `tight` asks for it. `holder` is the
process, which keeps `expires_at` (milliseconds by the database's clock) in the future; an attempt whose hold has
expired is dead or cut off, and who takes the hold away asks the catalog first (see `SqlLedger.expired`).

`quota_accounts` has a row for each limit that there may be: (owner, ""), (owner, store) and ("", store). It is what
all processes go through: a reservation is an UPDATE on each of the three rows, in this order, with the limit in its
condition, so two at once wait for each other and neither passes the limit. The order of locks is, everywhere: the row
of the image, entries, accounts of projects, accounts of projects in stores, accounts of stores.
"""

from __future__ import annotations

import sqlalchemy as sa

from imgstore.sql.types import TABLE, text

IMAGE, HELD, JOINED, USED, GOING = "image", "held", "joined", "used", "removing"
HOLDING = (HELD, JOINED)
"""Something is being written, and room set aside for it."""

METADATA = sa.MetaData()

ENTRIES = sa.Table(
    "quota_entries",
    METADATA,
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
    sa.Index("quota_entries_by_image", "image_id"),
    sa.Index("quota_entries_by_state", "state", "store"),
    sa.Index("quota_entries_by_holder", "holder"),
    **TABLE,
)

ACCOUNTS = sa.Table(
    "quota_accounts",
    METADATA,
    sa.Column("owner", text(255), primary_key=True),
    sa.Column("store", text(255), primary_key=True),
    sa.Column("used_bytes", sa.BigInteger, nullable=False),
    sa.Column("held_bytes", sa.BigInteger, nullable=False),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("uploads", sa.Integer, nullable=False),
    **TABLE,
)
