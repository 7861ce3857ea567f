"""The tables of the quota ledger, and what they mean. `imgstore/sql/migrations/ledger` makes them.

`quota_entries` is the ledger. It has one row for each thing that counts, from before the first byte until the thing is
gone. The accounts are the sums of the entries, and can be computed again at any time.

    state     is                                      counts for
    image     an image, whether it has data or not    its owner's number of images
    held      an object that an attempt is writing    owner, owner in store, store: held bytes, an upload, an object
    joined    another object of the same attempt      the same, but no upload of its owner
    used      an object that an image has             owner, owner in store, store: used bytes, an object
    removing  an object that no image has any more    the store: used bytes, an object

An entry is known by its object's store and key, and no two attempts write under one key. So a step that comes twice,
from whoever finds that it was not taken, changes nothing the second time. The entry of an image has the empty store,
and the image's identifier for a key.

An upload to several stores is one upload of its project: one of its entries is `held`, the others have `joined` it. If
the held one is released, because its store is left out, a joined one becomes held in the same transaction. In each
store the upload counts as one anyway, because it has one object there.

`bytes` of a held or joined entry is what is set aside; `reported` is what the attempt had written, or was about to, at
the last extension. The difference is spare and can be returned; `tight` asks for it. `holder` is the process. It keeps
`expires_at` (milliseconds by the database's clock) in the future. If a hold has expired, its process is dead or cut
off; whoever takes the hold away asks the catalog first (see `SqlLedger.expired`).

`quota_accounts` has a row for each limit that there may be: (owner, ""), (owner, store) and ("", store). A reservation
is an UPDATE of the three rows, locked in this order, with the limits in its condition. So two reservations at once wait
for each other, and neither passes the limit. Everything takes its locks in this order: the row of the image, entries,
accounts of projects, accounts of projects in stores, accounts of stores.
"""

from __future__ import annotations

import sqlalchemy as sa

from imgstore.sql.types import TABLE, text

IMAGE, HELD, JOINED, USED, REMOVING = "image", "held", "joined", "used", "removing"
HOLDING = (HELD, JOINED)
"""The states of a hold: an object is being written, and bytes are set aside for it."""

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
