"""The steps of the ledger. Each locks an entry in the caller's transaction, changes it, and changes the accounts.

A step that was taken before does nothing, so a retry and recovery may take it again.

    reserve   -> held            settle   held -> used           mark_removing   held, used -> removing
    extend    held grows         release  held -> (gone)         forget          any -> (gone)
    shrink    held shrinks       adopt    any -> used

An attempt that writes to several stores has one entry `held` and the others `joined`, so that it counts as one upload.
Every step treats a joined entry as a held one. If `release` takes the held entry away, it makes a joined one held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from imgstore import errors
from imgstore.model import ObjectId
from imgstore.sql.clock import Now
from imgstore.sql.ledger import accounts
from imgstore.sql.ledger.accounts import NO_BOUNDS, Bounds
from imgstore.sql.ledger.charges import Charge, EntryState, LedgerAccount, accounts_of, charge, difference
from imgstore.sql.ledger.schema import ENTRIES, HELD, HOLDING, IMAGE, JOINED, REMOVING, USED


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A row of the ledger. `size` in bytes; `attempt`: the number of the attempt that wrote, or writes, the object."""

    object_id: ObjectId
    owner: str
    image_id: str
    attempt: int
    state: str
    size: int

    @property
    def counted(self) -> EntryState:
        """What decides how much the entry counts."""
        return EntryState(self.state, self.size)


_NEW_ENTRY = sa.insert(ENTRIES)
_NEW_HOLD = _NEW_ENTRY.values(expires_at=Now() + sa.bindparam("milliseconds"))
_SETTLED = sa.update(ENTRIES).where(
    ENTRIES.c.store == sa.bindparam("in_store"),
    ENTRIES.c.key == sa.bindparam("under_key"),
    ENTRIES.c.owner == sa.bindparam("of_owner"),
    ENTRIES.c.state == HELD,
    ENTRIES.c.bytes == sa.bindparam("of_bytes"),
)
"""Built once, since that costs more than the database takes for them."""


class HoldGone(Exception):
    """Somebody took the hold away: its attempt counted as dead."""


class OwnerChanged(Exception):
    """The image belongs to another project now."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


def image_object_id(image_id: str) -> ObjectId:
    """Names the entry of an image."""
    return ObjectId("", image_id)


class AlreadyCounted(errors.CatalogUnavailable):
    """The object has an entry already."""


def reserve(
    connection: sa.Connection, entry: LedgerEntry, bounds: Bounds, *, holder: str, lease: int, first: bool = False
) -> None:
    """Sets `entry.size` bytes aside; counts an upload, unless the attempt holds something already (`first`: it does
    not, as one that begins just now).

    Raises Refused, AlreadyCounted.
    """
    if not first and _is_held(connection, entry.image_id, entry.attempt):
        entry = replace(entry, state=JOINED)
    _insert(connection, entry, _NEW_HOLD, holder=holder, milliseconds=1000 * lease)
    _count(connection, entry, None, entry.counted, bounds)


def extend(
    connection: sa.Connection, object_id: ObjectId, total: int, spare: int, bounds: Bounds, *, owner: str
) -> int:
    """Makes a hold `total + spare` bytes, unless it is larger; returns its size.

    Raises HoldGone, Refused, OwnerChanged (`bounds` are those of another owner).
    """
    entry = _held(connection, object_id)
    if entry.owner != owner:
        raise OwnerChanged(entry.owner)
    size = max(entry.size, total + spare)
    _update(connection, object_id, bytes=size, reported=total, tight=False)
    if size > entry.size:
        _count(connection, entry, entry.counted, EntryState(entry.state, size), bounds)
    return size


def shrink(connection: sa.Connection, object_id: ObjectId, total: int) -> int:
    """Gives back what a hold has beyond `total` bytes; returns its size. Raises HoldGone."""
    entry = _held(connection, object_id)
    size = min(entry.size, total)
    _update(connection, object_id, bytes=size, reported=size, tight=False)
    _count(connection, entry, entry.counted, EntryState(entry.state, size))
    return size


def settle(connection: sa.Connection, object_id: ObjectId, size: int) -> bool:
    """Makes a hold a usage of `size` bytes. False if there is no hold (any more)."""
    entry = find(connection, object_id)
    if entry is None or entry.state not in HOLDING:
        return False
    _become(connection, entry, EntryState(USED, size))
    return True


def settle_expected(connection: sa.Connection, object_id: ObjectId, size: int, *, owner: str) -> bool:
    """As `settle`, without a look at the hold: as that of an upload to one store is when its size was known. False
    if it is another one, or none; then nothing is changed."""
    expected = LedgerEntry(object_id, owner, "", 0, HELD, size)
    after = EntryState(USED, size)
    held = {"in_store": object_id.store, "under_key": object_id.key, "of_owner": owner, "of_bytes": size}
    if connection.execute(_SETTLED, {**held, **_ended(after)}).rowcount != 1:
        return False
    _count(connection, expected, expected.counted, after)
    return True


def release(connection: sa.Connection, object_id: ObjectId) -> bool:
    """Removes a hold; its upload may go on in other stores. False if there is no hold (any more)."""
    image_id = connection.scalar(sa.select(ENTRIES.c.image_id).where(*_is(object_id)))
    found = {} if image_id is None else {entry.object_id: entry for entry in of_image(connection, image_id)}
    entry = found.pop(object_id, None)
    if entry is None or entry.state not in HOLDING:
        return False
    _become(connection, entry, None)
    joined = [other for other in found.values() if other.state == JOINED and other.attempt == entry.attempt]
    if entry.state == HELD and joined:
        _update(connection, joined[0].object_id, state=HELD)
        _count(connection, joined[0], joined[0].counted, EntryState(HELD, joined[0].size))
    return True


def adopt(connection: sa.Connection, entry: LedgerEntry) -> None:
    """Replaces the entry, if any, by this one. Asks no limit: what the catalog has is the truth."""
    present = find(connection, entry.object_id)
    if present == entry:
        return
    if present is not None:
        _become(connection, present, None)
    _insert(connection, entry)
    _count(connection, entry, None, entry.counted)


def mark_removing(connection: sa.Connection, object_id: ObjectId) -> None:
    """No image has the object any more, but it may still be in its store: it counts for the store alone."""
    entry = find(connection, object_id)
    if entry is not None and entry.state in (*HOLDING, USED):
        _become(connection, entry, EntryState(REMOVING, entry.size))


def forget(connection: sa.Connection, object_id: ObjectId) -> None:
    """The object, or the image, is gone."""
    entry = find(connection, object_id)
    if entry is not None:
        _become(connection, entry, None)


def add_image(connection: sa.Connection, image_id: str, owner: str, bounds: Bounds) -> None:
    """Counts an image. Raises Refused."""
    entry = LedgerEntry(image_object_id(image_id), owner, image_id, 0, IMAGE, 0)
    if find(connection, entry.object_id) is None:
        _insert(connection, entry)
        _count(connection, entry, None, entry.counted, bounds)


def remove_image(connection: sa.Connection, image_id: str) -> None:
    """The image is deleted and its objects are to be removed. An attempt under way ends its own holds."""
    for entry in of_image(connection, image_id):
        if entry.state == IMAGE:
            _become(connection, entry, None)
        elif entry.state == USED:
            _become(connection, entry, EntryState(REMOVING, entry.size))


def change_owner(connection: sa.Connection, image_id: str, owner: str, bounds: Bounds) -> None:
    """Moves all entries of the image to another project. Raises Refused."""
    changes: defaultdict[LedgerAccount, Charge] = defaultdict(Charge)
    for entry in of_image(connection, image_id):
        for account in accounts_of(entry.owner, entry.object_id.store):
            changes[account] += -charge(entry.counted, account)
        for account in accounts_of(owner, entry.object_id.store):
            changes[account] += charge(entry.counted, account)
        _update(connection, entry.object_id, owner=owner)
    allowances = {account: limit for account, limit in bounds.allowances.items() if account.owner == owner}
    accounts.change(connection, changes, Bounds(allowances))


def find(connection: sa.Connection, object_id: ObjectId) -> LedgerEntry | None:
    """The entry of an object, locked."""
    row = connection.execute(sa.select(ENTRIES).where(*_is(object_id)).with_for_update()).one_or_none()
    return None if row is None else entry_of(row)


def of_image(connection: sa.Connection, image_id: str) -> list[LedgerEntry]:
    """The entries of an image, locked in the order of their stores, as accounts are."""
    query = sa.select(ENTRIES).where(ENTRIES.c.image_id == image_id).order_by(ENTRIES.c.store, ENTRIES.c.key)
    return [entry_of(row) for row in connection.execute(query.with_for_update())]


def entry_of(row: sa.Row[tuple[object, ...]]) -> LedgerEntry:
    """The entry in a row."""
    return LedgerEntry(ObjectId(row.store, row.key), row.owner, row.image_id, row.attempt, row.state, row.bytes)


def counting_for(account: LedgerAccount) -> list[sa.ColumnElement[bool]]:
    """The condition of the entries that count for an account."""
    columns = ((ENTRIES.c.owner, account.owner), (ENTRIES.c.store, account.store))
    return [column == value for column, value in columns if value]


def _held(connection: sa.Connection, object_id: ObjectId) -> LedgerEntry:
    entry = find(connection, object_id)
    if entry is None or entry.state not in HOLDING:
        raise HoldGone
    return entry


def _is_held(connection: sa.Connection, image_id: str, attempt: int) -> bool:
    """Whether an attempt holds something. It needs no lock: only the attempt's own thread reserves for it."""
    held = sa.select(ENTRIES.c.key).where(ENTRIES.c.image_id == image_id, ENTRIES.c.state == HELD)
    return connection.execute(held.where(ENTRIES.c.attempt == attempt)).first() is not None


def _become(connection: sa.Connection, entry: LedgerEntry, after: EntryState | None) -> None:
    if after is None:
        connection.execute(sa.delete(ENTRIES).where(*_is(entry.object_id)))
    else:
        _update(connection, entry.object_id, **_ended(after))
    _count(connection, entry, entry.counted, after)


def _ended(after: EntryState) -> dict[str, object]:
    """The columns of a hold that ended so."""
    size = after.size
    return {"state": after.state, "bytes": size, "reported": size, "holder": None, "expires_at": None, "tight": False}


def _count(
    connection: sa.Connection,
    entry: LedgerEntry,
    before: EntryState | None,
    after: EntryState | None,
    bounds: Bounds = NO_BOUNDS,
) -> None:
    counting = accounts_of(entry.owner, entry.object_id.store)
    changes: Mapping[LedgerAccount, Charge] = {account: difference(before, after, account) for account in counting}
    accounts.change(connection, changes, bounds)


def _insert(connection: sa.Connection, entry: LedgerEntry, statement: sa.Insert = _NEW_ENTRY, **more: object) -> None:
    values = {
        "store": entry.object_id.store, "key": entry.object_id.key, "owner": entry.owner, "image_id": entry.image_id,
        "attempt": entry.attempt, "state": entry.state, "bytes": entry.size, "reported": entry.size, "tight": False,
    }  # fmt: skip
    try:
        connection.execute(statement, {**values, **more})
    except sa.exc.IntegrityError as error:
        raise AlreadyCounted("The quota counts this object already: try again.", retry_after=1) from error


def _update(connection: sa.Connection, object_id: ObjectId, **values: object) -> None:
    connection.execute(sa.update(ENTRIES).where(*_is(object_id)).values(**values))


def _is(object_id: ObjectId) -> tuple[sa.ColumnElement[bool], ...]:
    return ENTRIES.c.store == object_id.store, ENTRIES.c.key == object_id.key
