"""The steps of the ledger, each in the caller's transaction: an entry is locked, changed, and the accounts follow.

A step that was taken already is a no-op, so a retry and recovery may take it again.

    reserve   -> held            settle   held -> used           let_go   held, used -> removing
    extend    held grows         release  held -> (gone)         forget   any -> (gone)
    shrink    held shrinks       adopt    any -> used

Held is also what has joined a held entry of the same attempt; where that one is released another is held in its place.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import sqlalchemy as sa

from imgstore import errors
from imgstore.sql.clock import Now
from imgstore.sql.ledger import accounts
from imgstore.sql.ledger.accounts import NO_BOUNDS, Bounds
from imgstore.sql.ledger.charges import Account, Share, Weight, accounts_of, difference
from imgstore.sql.ledger.schema import ENTRIES, GOING, HELD, HOLDING, IMAGE, JOINED, USED


@dataclass(frozen=True, slots=True)
class Place:
    """An object: store and key. An image's own entry has no store, and the image's identifier for a key."""

    store: str
    key: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger. `size` in bytes; `attempt`: the number of the attempt that wrote, or writes, the object."""

    place: Place
    owner: str
    image_id: str
    attempt: int
    state: str
    size: int

    @property
    def share(self) -> Share:
        """What it counts as."""
        return Share(self.state, self.size)


class Gone(Exception):
    """The hold is not there any more: its attempt counted as dead, and it was taken away."""


def image_place(image_id: str) -> Place:
    """The place of an image's own entry."""
    return Place("", image_id)


def reserve(connection: sa.Connection, entry: Entry, bounds: Bounds, *, holder: str, lease: int) -> None:
    """Sets `entry.size` bytes aside; an upload more, if its attempt holds nothing yet. Raises Refused,
    CatalogUnavailable if the place is taken."""
    if _is_held(connection, entry.image_id, entry.attempt):
        entry = replace(entry, state=JOINED)
    held = {"holder": holder, "expires_at": Now() + 1000 * lease}
    _insert(connection, entry, **held)
    _follow(connection, entry, None, entry.share, bounds)


def extend(connection: sa.Connection, place: Place, total: int, slack: int, bounds: Bounds, *, owner: str) -> int:
    """Makes a hold `total` bytes, and `slack` bytes more, unless it is larger; returns what it is then.

    Raises Gone, Refused, OwnerChanged (the bounds are not those of the owner).
    """
    entry = _held(connection, place)
    if entry is None:
        raise Gone
    if entry.owner != owner:
        raise OwnerChanged(entry.owner)
    size = max(entry.size, total + slack)
    _update(connection, place, bytes=size, reported=total, tight=False)
    if size > entry.size:
        _follow(connection, entry, entry.share, Share(entry.state, size), bounds)
    return size


class OwnerChanged(Exception):
    """The image belongs to another project now."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


def shrink(connection: sa.Connection, place: Place, total: int) -> int:
    """Gives back what a hold has beyond `total` bytes; returns what it is then. Raises Gone."""
    entry = _held(connection, place)
    if entry is None:
        raise Gone
    size = min(entry.size, total)
    _update(connection, place, bytes=size, reported=size, tight=False)
    _follow(connection, entry, entry.share, Share(entry.state, size))
    return size


def settle(connection: sa.Connection, place: Place, size: int) -> bool:
    """A hold becomes a usage of `size` bytes. False if there is none (any more)."""
    entry = _held(connection, place)
    if entry is not None:
        _become(connection, entry, Share(USED, size))
    return entry is not None


def release(connection: sa.Connection, place: Place) -> bool:
    """A hold ends without a trace; its upload may go on in other stores. False if there is none (any more)."""
    there = connection.scalar(sa.select(ENTRIES.c.image_id).where(*_is(place)))
    found = {} if there is None else {entry.place: entry for entry in of_image(connection, there)}  # the order of locks
    entry = found.pop(place, None)
    if entry is None or entry.state not in HOLDING:
        return False
    _become(connection, entry, None)
    joined = [other for other in found.values() if other.state == JOINED and other.attempt == entry.attempt]
    if entry.state == HELD and joined:
        _update(connection, joined[0].place, state=HELD)
        _follow(connection, joined[0], joined[0].share, Share(HELD, joined[0].size))
    return True


def adopt(connection: sa.Connection, entry: Entry) -> None:
    """The entry is as given from now on, whatever there was: what the catalog has is the truth. No limit is asked."""
    present = find(connection, entry.place)
    if present is None:
        _insert(connection, entry)
        _follow(connection, entry, None, entry.share)
    elif present != entry:
        _become(connection, present, None)
        adopt(connection, entry)


def let_go(connection: sa.Connection, place: Place) -> None:
    """No image has the object any more, which may still be in its store: it counts for the store alone."""
    entry = find(connection, place)
    if entry is not None and entry.state in (*HOLDING, USED):
        _become(connection, entry, Share(GOING, entry.size))


def forget(connection: sa.Connection, place: Place) -> None:
    """The object, or the image, is gone."""
    entry = find(connection, place)
    if entry is not None:
        _become(connection, entry, None)


def add_image(connection: sa.Connection, image_id: str, owner: str, bounds: Bounds) -> None:
    """An image more. Raises Refused."""
    entry = Entry(image_place(image_id), owner, image_id, 0, IMAGE, 0)
    if find(connection, entry.place) is None:
        _insert(connection, entry)
        _follow(connection, entry, None, entry.share, bounds)


def remove_image(connection: sa.Connection, image_id: str) -> None:
    """The image is deleted: its objects are let go of; what an attempt is still writing is that attempt's matter."""
    for entry in of_image(connection, image_id):
        if entry.state == IMAGE:
            _become(connection, entry, None)
        elif entry.state == USED:
            _become(connection, entry, Share(GOING, entry.size))


def give_image(connection: sa.Connection, image_id: str, owner: str, bounds: Bounds) -> None:
    """The image, with all that counts for it, is another project's. Raises Refused."""
    changes: defaultdict[Account, Weight] = defaultdict(Weight)
    for entry in of_image(connection, image_id):
        for mine, sign in ((entry.owner, -1), (owner, 1)):
            for account in accounts_of(mine, entry.place.store):
                part = difference(None, entry.share, account)
                changes[account] += part if sign > 0 else -part
        _update(connection, entry.place, owner=owner)
    allowances = {account: limit for account, limit in bounds.allowances.items() if account.owner == owner}
    accounts.change(connection, changes, Bounds(allowances))


def find(connection: sa.Connection, place: Place) -> Entry | None:
    """The entry of a place, locked."""
    row = connection.execute(sa.select(ENTRIES).where(*_is(place)).with_for_update()).one_or_none()
    return None if row is None else entry_of(row)


def of_image(connection: sa.Connection, image_id: str) -> list[Entry]:
    """The entries of an image, locked; in the order of their stores, as the accounts are."""
    query = sa.select(ENTRIES).where(ENTRIES.c.image_id == image_id).order_by(ENTRIES.c.store, ENTRIES.c.key)
    return [entry_of(row) for row in connection.execute(query.with_for_update())]


def entry_of(row: sa.Row[tuple[object, ...]]) -> Entry:
    """The entry that a row is."""
    return Entry(Place(row.store, row.key), row.owner, row.image_id, row.attempt, row.state, row.bytes)


def _held(connection: sa.Connection, place: Place) -> Entry | None:
    entry = find(connection, place)
    return entry if entry is not None and entry.state in HOLDING else None


def _is_held(connection: sa.Connection, image_id: str, attempt: int) -> bool:
    """Whether an attempt holds something. Not locked: an attempt's own thread reserves for it, and nobody else."""
    held = sa.select(ENTRIES.c.key).where(ENTRIES.c.image_id == image_id, ENTRIES.c.state == HELD)
    return connection.execute(held.where(ENTRIES.c.attempt == attempt)).first() is not None


def _become(connection: sa.Connection, entry: Entry, share: Share | None) -> None:
    if share is None:
        connection.execute(sa.delete(ENTRIES).where(*_is(entry.place)))
    else:
        ended = {"holder": None, "expires_at": None, "tight": False}
        _update(connection, entry.place, state=share.state, bytes=share.size, reported=share.size, **ended)
    _follow(connection, entry, entry.share, share)


def _follow(
    connection: sa.Connection, entry: Entry, before: Share | None, after: Share | None, bounds: Bounds = NO_BOUNDS
) -> None:
    changes = {account: difference(before, after, account) for account in accounts_of(entry.owner, entry.place.store)}
    accounts.change(connection, changes, bounds)


def _insert(connection: sa.Connection, entry: Entry, **more: object) -> None:
    values = {
        "store": entry.place.store, "key": entry.place.key, "owner": entry.owner, "image_id": entry.image_id,
        "attempt": entry.attempt, "state": entry.state, "bytes": entry.size, "reported": entry.size, "tight": False,
    }  # fmt: skip
    try:
        connection.execute(sa.insert(ENTRIES).values(**values, **more))
    except sa.exc.IntegrityError as error:
        raise errors.CatalogUnavailable("An entry of the quota is in the way: try again.", retry_after=1) from error


def _update(connection: sa.Connection, place: Place, **values: object) -> None:
    connection.execute(sa.update(ENTRIES).where(*_is(place)).values(**values))


def _is(place: Place) -> tuple[sa.ColumnElement[bool], ...]:
    return ENTRIES.c.store == place.store, ENTRIES.c.key == place.key
