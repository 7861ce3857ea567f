"""Compares the ledger with the catalog, and corrects the ledger.

The catalog knows the images and their objects; the ledger knows what uploads under way hold. `put_right` corrects one
image after the other, each in a transaction that locks the image, and then the accounts. Services go on meanwhile. If
an object counts but no image has it, it becomes a removal of the catalog's, and the service removes it from its store.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from imgstore.model import Location, ObjectId, attempt_of
from imgstore.sql import attempts, schema
from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.ledger import accounts, entries
from imgstore.sql.ledger.charges import NOTHING, Charge, LedgerAccount, accounts_of, charge_of_all
from imgstore.sql.ledger.entries import LedgerEntry
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, HOLDING, IMAGE, REMOVING, USED
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS

Item: TypeAlias = tuple[ObjectId, LedgerEntry | None, Any]
"""An object, its entry, and what the catalog has of it."""
PAGE = 1000
"""Rows that are read by one statement."""

_IMAGES = sa.select(IMAGES.c.id.label("key"), IMAGES.c.owner).where(IMAGES.c.deleted_at.is_(None))
_LOCATIONS = sa.select(LOCATIONS, IMAGES.c.owner, IMAGES.c.size).join(IMAGES, IMAGES.c.id == LOCATIONS.c.image_id)


@dataclass(frozen=True, slots=True)
class AuditedAccount:
    """An account: what the ledger says it has, and what it should have."""

    account: LedgerAccount
    counted: Charge
    true: Charge


@dataclass(frozen=True, slots=True)
class Audit:
    """Every account that has something, and the images whose entries are wrong."""

    accounts: tuple[AuditedAccount, ...]
    images: tuple[str, ...]

    @property
    def wrong(self) -> tuple[AuditedAccount, ...]:
        """The accounts that are wrong."""
        return tuple(account for account in self.accounts if account.counted != account.true)


def compare(database: Database) -> Audit:
    """What the ledger counts and what it should count, as of one moment. Raises CatalogUnavailable."""
    return database.read(_compare)


def put_right(database: Database, audit: Audit) -> None:
    """Corrects entries and accounts. Raises CatalogUnavailable, OutcomeUnknown."""
    for image_id in audit.images:
        database.change(partial(_fix_image, image_id=image_id))
    for wrong in compare(database).wrong:
        database.change(partial(_fix_account, account=wrong.account))


def _compare(connection: sa.Connection) -> Audit:
    expired, images, sums = _expired(connection), set[str](), _Sums()
    for object_id, present, row in _everything(connection):
        true = _true_entry(object_id, present, row, expired)
        if true is not None:
            sums.add(true)
        if true != present:
            images.update(each.image_id for each in (true or present,) if each is not None)
    rows = connection.execute(sa.select(ACCOUNTS))
    counted = {LedgerAccount(row.owner, row.store): accounts.charge_of(row) for row in rows}
    return Audit(_audited(counted, sums.charges()), tuple(sorted(images)))


def _everything(connection: sa.Connection) -> Iterator[Item]:
    """All that counts or should, page by page in the order of objects, so that it need not fit into memory."""
    yield from _side_by_side("", _entries_in(connection, ""), _paged(connection, _IMAGES, IMAGES.c.id))
    both = sa.union(sa.select(LOCATIONS.c.store), sa.select(ENTRIES.c.store).where(ENTRIES.c.store != ""))
    for store in sorted(connection.scalars(both)):
        located = _paged(connection, _LOCATIONS.where(LOCATIONS.c.store == store), LOCATIONS.c.key)
        yield from _side_by_side(store, _entries_in(connection, store), located)


def _entries_in(connection: sa.Connection, store: str) -> Iterator[Any]:
    return _paged(connection, sa.select(ENTRIES).where(ENTRIES.c.store == store), ENTRIES.c.key)


def _paged(connection: sa.Connection, query: sa.Select[Any], column: sa.Column[str]) -> Iterator[Any]:
    """The rows in the order of a column with no value twice; each has it as `key`."""
    after = ""
    while page := connection.execute(query.where(column > after).order_by(column).limit(PAGE)).all():
        yield from page
        after = page[-1].key


def _side_by_side(store: str, found: Iterator[Any], rows: Iterator[Any]) -> Iterator[Item]:
    both = heapq.merge(((row.key, 0, row) for row in found), ((row.key, 1, row) for row in rows), key=itemgetter(0, 1))
    for key, same in itertools.groupby(both, key=itemgetter(0)):
        parts = {number: row for _, number, row in same}
        yield ObjectId(store, key), entries.entry_of(parts[0]) if 0 in parts else None, parts.get(1)


def _audited(
    counted: Mapping[LedgerAccount, Charge], true: Mapping[LedgerAccount, Charge]
) -> tuple[AuditedAccount, ...]:
    everyone = sorted({*counted, *true}, key=lambda account: (account.owner, account.store))
    audited = (AuditedAccount(each, counted.get(each, NOTHING), true.get(each, NOTHING)) for each in everyone)
    return tuple(account for account in audited if (account.counted, account.true) != (NOTHING, NOTHING))


def _true_entry(
    object_id: ObjectId, present: LedgerEntry | None, row: Any, expired: Collection[ObjectId]
) -> LedgerEntry | None:
    """What the entry of an object should be; `row`: what the catalog has of it, if anything."""
    if row is None:
        holds = present is not None and present.state in HOLDING and object_id not in expired
        return present if holds else None
    if not object_id.store:
        return LedgerEntry(object_id, row.owner, row.key, 0, IMAGE, 0)
    if present is not None or row.state == LIVE or row.url:  # else an attempt may have left it, and never held it
        return _entry_of(row, present)
    return None


def _entry_of(row: Any, present: LedgerEntry | None) -> LedgerEntry:
    """What the entry of a location should be. Only the ledger knows how much a dead attempt may have left."""
    object_id, live = ObjectId(row.store, row.key), row.state == LIVE
    _, number = attempt_of(row.key)
    if live or present is None or present.state in HOLDING:
        return LedgerEntry(object_id, row.owner, row.image_id, number, USED if live else REMOVING, row.size or 0)
    return LedgerEntry(object_id, row.owner, row.image_id, number, REMOVING, present.size)


def _expired(connection: sa.Connection) -> set[ObjectId]:
    """Holds that recovery would end, too: the hold has expired, and the catalog has ended the attempt."""
    owned = sa.exists().where(IMAGES.c.id == ENTRIES.c.image_id, IMAGES.c.uploading == ENTRIES.c.attempt)
    ended = (ENTRIES.c.state.in_(HOLDING), ENTRIES.c.expires_at < Now(), sa.not_(owned))
    query = sa.select(ENTRIES.c.store, ENTRIES.c.key).where(*ended)
    return {ObjectId(row.store, row.key) for row in connection.execute(query)}


class _Sums:
    """Adds entries up: of each owner, store and state their number and their bytes."""

    def __init__(self) -> None:
        self._numbers: Counter[tuple[str, str, str]] = Counter()
        self._bytes: Counter[tuple[str, str, str]] = Counter()

    def add(self, entry: LedgerEntry) -> None:
        kind = entry.owner, entry.object_id.store, entry.state
        self._numbers[kind] += 1
        self._bytes[kind] += entry.size

    def charges(self) -> Mapping[LedgerAccount, Charge]:
        sums: defaultdict[LedgerAccount, Charge] = defaultdict(Charge)
        for (owner, store, state), number in self._numbers.items():
            for account in accounts_of(owner, store):
                sums[account] += charge_of_all(state, number, self._bytes[owner, store, state], account)
        return sums


def _fix_image(connection: sa.Connection, image_id: str) -> None:
    connection.execute(sa.select(IMAGES.c.id).where(IMAGES.c.id == image_id).with_for_update()).all()
    present = {entry.object_id: entry for entry in entries.of_image(connection, image_id)}
    rows = {entries.image_object_id(row.key): row for row in connection.execute(_IMAGES.where(IMAGES.c.id == image_id))}
    located = connection.execute(_LOCATIONS.where(LOCATIONS.c.image_id == image_id))
    rows |= {ObjectId(row.store, row.key): row for row in located}
    expired = _expired(connection)
    for object_id in sorted({*present, *rows}, key=lambda each: (each.store, each.key)):
        entry = present.get(object_id)
        _fix_entry(connection, object_id, entry, _true_entry(object_id, entry, rows.get(object_id), expired))


def _fix_entry(
    connection: sa.Connection, object_id: ObjectId, present: LedgerEntry | None, true: LedgerEntry | None
) -> None:
    if true is not None:
        if true.state not in HOLDING:
            entries.adopt(connection, true)
    elif present is not None and present.state in (*HOLDING, USED):
        _hand_over(connection, present)
    else:
        entries.forget(connection, object_id)


def _hand_over(connection: sa.Connection, entry: LedgerEntry) -> None:
    """The service is to remove the object, if its image is one of the catalog's; else the entry is forgotten. So it is
    where the image should have data and has no location: the object may be all that is left of it."""
    located = sa.exists().where(LOCATIONS.c.image_id == IMAGES.c.id, LOCATIONS.c.state == LIVE)
    whole = (IMAGES.c.id == entry.image_id, sa.or_(IMAGES.c.status.not_in(schema.WITH_DATA), located))
    if connection.scalar(sa.select(IMAGES.c.id).where(*whole)) is None:
        entries.forget(connection, entry.object_id)
        return
    left_over = Location(entry.object_id.store, entry.object_id.key, "")
    attempts.add_location(connection, entry.image_id, left_over, schema.REMOVING)
    entries.mark_removing(connection, entry.object_id)


def _fix_account(connection: sa.Connection, account: LedgerAccount) -> None:
    """Locks the account: so it waits for those who have changed an entry and not yet the account, and they wait for
    it."""
    accounts.open_account(connection, account)
    accounts.present(connection, account, lock=True)
    columns = (ENTRIES.c.state, sa.func.count().label("number"), sa.func.sum(ENTRIES.c.bytes).label("size"))
    query = sa.select(*columns).where(*entries.counting_for(account)).group_by(ENTRIES.c.state)
    rows = connection.execute(query).all()
    total = sum((charge_of_all(row.state, row.number, int(row.size), account) for row in rows), NOTHING)
    connection.execute(sa.update(ACCOUNTS).where(*accounts.same(account)).values(**accounts.columns_of(total)))
