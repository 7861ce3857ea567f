"""Compares the ledger with the catalog, and corrects the ledger.

The catalog knows the images and their objects; the ledger knows what uploads under way hold. `put_right` corrects one
image after the other, each in a transaction that locks the image, and then the accounts. Services go on meanwhile. If
an object counts but no image has it, it becomes a removal of the catalog's, and the service removes it from its store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from imgstore.model import Location, ObjectId, attempt_of
from imgstore.sql import attempts, schema
from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.ledger import accounts, entries
from imgstore.sql.ledger.charges import NOTHING, Charge, EntryState, LedgerAccount, accounts_of, charge
from imgstore.sql.ledger.entries import LedgerEntry
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, HOLDING, IMAGE, REMOVING, USED
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS

Truth = dict[ObjectId, LedgerEntry]


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
    present = {entry.object_id: entry for entry in map(entries.entry_of, connection.execute(sa.select(ENTRIES)))}
    true = _truth(connection, present.values())
    wrong = [object_id for object_id in {*present, *true} if present.get(object_id) != true.get(object_id)]
    images = {(true.get(object_id) or present[object_id]).image_id for object_id in wrong}
    rows = connection.execute(sa.select(ACCOUNTS))
    counted = {LedgerAccount(row.owner, row.store): accounts.charge_of(row) for row in rows}
    return Audit(_audited(counted, _sums(true.values())), tuple(sorted(images)))


def _audited(
    counted: Mapping[LedgerAccount, Charge], true: Mapping[LedgerAccount, Charge]
) -> tuple[AuditedAccount, ...]:
    everyone = sorted({*counted, *true}, key=lambda account: (account.owner, account.store))
    audited = (AuditedAccount(each, counted.get(each, NOTHING), true.get(each, NOTHING)) for each in everyone)
    return tuple(account for account in audited if (account.counted, account.true) != (NOTHING, NOTHING))


def _truth(connection: sa.Connection, present: Iterable[LedgerEntry], image_id: str | None = None) -> Truth:
    """What the entries should be: of all images, or of one."""
    one = sa.true() if image_id is None else IMAGES.c.id == image_id
    known = {entry.object_id: entry for entry in present}
    expired = set(_expired(connection))
    true = {entry.object_id: entry for entry in present if entry.state in HOLDING and entry.object_id not in expired}
    for row in connection.execute(sa.select(IMAGES.c.id, IMAGES.c.owner).where(IMAGES.c.deleted_at.is_(None), one)):
        object_id = entries.image_object_id(row.id)
        true[object_id] = LedgerEntry(object_id, row.owner, row.id, 0, IMAGE, 0)
    query = sa.select(LOCATIONS, IMAGES.c.owner, IMAGES.c.size).join(IMAGES, IMAGES.c.id == LOCATIONS.c.image_id)
    for row in connection.execute(query.where(one)):
        object_id = ObjectId(row.store, row.key)
        if object_id in known or row.state == LIVE or row.url:  # else an attempt may have left it, and never held it
            true[object_id] = _entry_of(row, known.get(object_id))
    return true


def _entry_of(row: Any, present: LedgerEntry | None) -> LedgerEntry:
    """What the entry of a location should be. Only the ledger knows how much a dead attempt may have left."""
    object_id, live = ObjectId(row.store, row.key), row.state == LIVE
    _, number = attempt_of(row.key)
    if live or present is None or present.state in HOLDING:
        return LedgerEntry(object_id, row.owner, row.image_id, number, USED if live else REMOVING, row.size or 0)
    return LedgerEntry(object_id, row.owner, row.image_id, number, REMOVING, present.size)


def _expired(connection: sa.Connection) -> list[ObjectId]:
    """Holds that recovery would end, too: the hold has expired, and the catalog has ended the attempt."""
    owned = sa.exists().where(IMAGES.c.id == ENTRIES.c.image_id, IMAGES.c.uploading == ENTRIES.c.attempt)
    ended = (ENTRIES.c.state.in_(HOLDING), ENTRIES.c.expires_at < Now(), sa.not_(owned))
    query = sa.select(ENTRIES.c.store, ENTRIES.c.key).where(*ended)
    return [ObjectId(row.store, row.key) for row in connection.execute(query)]


def _sums(found: Iterable[LedgerEntry]) -> Mapping[LedgerAccount, Charge]:
    sums: defaultdict[LedgerAccount, Charge] = defaultdict(Charge)
    for entry in found:
        for account in accounts_of(entry.owner, entry.object_id.store):
            sums[account] += charge(entry.counted, account)
    return sums


def _fix_image(connection: sa.Connection, image_id: str) -> None:
    connection.execute(sa.select(IMAGES.c.id).where(IMAGES.c.id == image_id).with_for_update()).all()
    present = {entry.object_id: entry for entry in entries.of_image(connection, image_id)}
    true = _truth(connection, present.values(), image_id)
    for object_id in sorted({*present, *true}, key=lambda each: (each.store, each.key)):
        if object_id in true:
            if true[object_id].state not in HOLDING:
                entries.adopt(connection, true[object_id])
        elif present[object_id].state in (*HOLDING, USED):
            _hand_over(connection, present[object_id])
        else:
            entries.forget(connection, object_id)


def _hand_over(connection: sa.Connection, entry: LedgerEntry) -> None:
    """The service is to remove the object, if its image is one of the catalog's; else the entry is forgotten."""
    if connection.scalar(sa.select(IMAGES.c.id).where(IMAGES.c.id == entry.image_id)) is None:
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
    rows = connection.execute(sa.select(ENTRIES.c.state, ENTRIES.c.bytes).where(*entries.counting_for(account)))
    total = sum((charge(EntryState(row.state, row.bytes), account) for row in rows), NOTHING)
    connection.execute(sa.update(ACCOUNTS).where(*accounts.same(account)).values(**accounts.columns_of(total)))
