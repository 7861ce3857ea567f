"""The ledger against the catalog: what the quota should have counted, the difference, and putting it right.

The catalog is the truth of images and their objects, the ledger of what uploads under way hold. Putting right goes
image by image, each in a transaction that has the image locked, and then account by account; services go on meanwhile.
An object that counts and that no image has is handed to the service, which removes it from its store. What this module
refuses to do: look into a store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from imgstore.model import Location
from imgstore.sql import attempts
from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.ledger import accounts, entries
from imgstore.sql.ledger.charges import NOTHING, Account, Share, Weight, accounts_of, weight
from imgstore.sql.ledger.entries import Entry, Place
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, GOING, HOLDING, IMAGE, USED
from imgstore.sql.recovery import attempt_of
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, REMOVING

Truth = dict[Place, Entry]


@dataclass(frozen=True, slots=True)
class Finding:
    """An account: what the ledger says it has, and what it should have."""

    account: Account
    counted: Weight
    true: Weight


@dataclass(frozen=True, slots=True)
class Audit:
    """Every account that has something, and the images whose entries are wrong."""

    findings: tuple[Finding, ...]
    images: tuple[str, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The accounts that are off."""
        return tuple(finding for finding in self.findings if finding.counted != finding.true)


def compare(database: Database) -> Audit:
    """What the ledger counts, and what it should, as of one moment. Raises CatalogUnavailable."""
    return database.read(_compare)


def put_right(database: Database, audit: Audit) -> None:
    """Makes entries and accounts what they should be now. Raises CatalogUnavailable, OutcomeUnknown."""
    for image_id in audit.images:
        database.change(partial(_fix_image, image_id=image_id))
    for finding in compare(database).wrong:
        database.change(partial(_fix_account, account=finding.account))


def _compare(connection: sa.Connection) -> Audit:
    present = {entry.place: entry for entry in map(entries.entry_of, connection.execute(sa.select(ENTRIES)))}
    true = _truth(connection, present.values())
    counted = {
        Account(row.owner, row.store): accounts.weight_of(row) for row in connection.execute(sa.select(ACCOUNTS))
    }
    should = _sums(true.values())
    findings = (
        Finding(account, counted.get(account, NOTHING), should.get(account, NOTHING))
        for account in sorted({*counted, *should}, key=lambda each: (each.owner, each.store))
    )
    wrong = [place for place in {*present, *true} if present.get(place) != true.get(place)]
    images = {(true.get(place) or present[place]).image_id for place in wrong}
    some = tuple(finding for finding in findings if (finding.counted, finding.true) != (NOTHING, NOTHING))
    return Audit(some, tuple(sorted(images)))


def _truth(connection: sa.Connection, present: Iterable[Entry], image_id: str | None = None) -> Truth:
    """What the entries should be: of all images, or of one."""
    one = sa.true() if image_id is None else IMAGES.c.id == image_id
    true: Truth = {}
    for row in connection.execute(sa.select(IMAGES.c.id, IMAGES.c.owner).where(IMAGES.c.deleted_at.is_(None), one)):
        place = entries.image_place(row.id)
        true[place] = Entry(place, row.owner, row.id, 0, IMAGE, 0)
    known = {entry.place: entry for entry in present}
    query = sa.select(LOCATIONS, IMAGES.c.owner, IMAGES.c.size).join(IMAGES, IMAGES.c.id == LOCATIONS.c.image_id)
    for row in connection.execute(query.where(one)):
        present_one = known.get(Place(row.store, row.key))
        if present_one is not None or row.state == LIVE or row.url:  # else an attempt may have left it: never held
            true[Place(row.store, row.key)] = _entry_of(row, present_one)
    expired = set(_expired(connection))
    for entry in known.values():
        if entry.state in HOLDING and entry.place not in expired:
            true.setdefault(entry.place, entry)
    return true


def _entry_of(row: Any, present: Entry | None) -> Entry:
    """The size of what a dead attempt may have left nobody knows but the ledger."""
    place, live = Place(row.store, row.key), row.state == LIVE
    _, number = attempt_of(row.key)
    if live or present is None or present.state in HOLDING:
        return Entry(place, row.owner, row.image_id, number, USED if live else GOING, row.size or 0)
    return Entry(place, row.owner, row.image_id, number, GOING, present.size)


def _expired(connection: sa.Connection) -> list[Place]:
    """Holds that recovery, too, would end: the clock has run out, and the catalog has ended the attempt."""
    owned = sa.exists().where(IMAGES.c.id == ENTRIES.c.image_id, IMAGES.c.uploading == ENTRIES.c.attempt)
    ended = (ENTRIES.c.state.in_(HOLDING), ENTRIES.c.expires_at < Now(), sa.not_(owned))
    query = sa.select(ENTRIES.c.store, ENTRIES.c.key).where(*ended)
    return [Place(row.store, row.key) for row in connection.execute(query)]


def _sums(found: Iterable[Entry]) -> Mapping[Account, Weight]:
    sums: defaultdict[Account, Weight] = defaultdict(Weight)
    for entry in found:
        for account in accounts_of(entry.owner, entry.place.store):
            sums[account] += weight(entry.share, account)
    return sums


def _fix_image(connection: sa.Connection, image_id: str) -> None:
    connection.execute(sa.select(IMAGES.c.id).where(IMAGES.c.id == image_id).with_for_update()).all()
    present = {entry.place: entry for entry in entries.of_image(connection, image_id)}
    true = _truth(connection, present.values(), image_id)
    for place in sorted({*present, *true}, key=lambda each: (each.store, each.key)):
        if place in true:
            entries.adopt(connection, true[place]) if true[place].state not in HOLDING else None
        elif present[place].state in (*HOLDING, USED):
            _hand_over(connection, present[place])
        else:
            entries.forget(connection, place)


def _hand_over(connection: sa.Connection, entry: Entry) -> None:
    """The object is to be removed by the service, if its image is one of the catalog's; else it is forgotten."""
    if connection.scalar(sa.select(IMAGES.c.id).where(IMAGES.c.id == entry.image_id)) is None:
        entries.forget(connection, entry.place)
        return
    place = entry.place
    attempts.add_location(connection, entry.image_id, Location(place.store, place.key, ""), REMOVING)
    entries.let_go(connection, place)


def _fix_account(connection: sa.Connection, account: Account) -> None:
    """Locked, the account waits for those who have changed an entry and not yet the account, and they for it."""
    accounts.open_account(connection, account)
    accounts.present(connection, account, lock=True)
    rows = sa.select(ENTRIES.c.state, sa.func.sum(ENTRIES.c.bytes), sa.func.count()).group_by(ENTRIES.c.state)
    if account.owner:
        rows = rows.where(ENTRIES.c.owner == account.owner)
    if account.store:
        rows = rows.where(ENTRIES.c.store == account.store)
    total = NOTHING
    for state, size, count in connection.execute(rows):
        one = weight(Share(state, 0), account)
        total += weight(Share(state, int(size)), account) + Weight(
            images=one.images * (count - 1), uploads=one.uploads * (count - 1)
        )
    values = {"used_bytes": total.used, "held_bytes": total.held, "images": total.images, "uploads": total.uploads}
    connection.execute(sa.update(ACCOUNTS).where(*accounts.same(account)).values(**values))
