"""Changing accounts: one UPDATE on each row, in a fixed order, with the limit in its condition where there is one.

No row is read before it is changed, so nothing comes between looking and changing, at any isolation, on any database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from imgstore import errors, quota
from imgstore.limits import Allowance, Limits
from imgstore.sql.failures import Contention
from imgstore.sql.ledger.charges import NOTHING, Account, Weight, accounts_of
from imgstore.sql.ledger.schema import ACCOUNTS

Changes: TypeAlias = Mapping[Account, Weight]

LARGEST = 2**60
"""Bytes of one object, and of a limit, that fit into a column with room to add."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of the accounts that one entry counts for. `spare`: bytes that must be left in each of them."""

    allowances: Mapping[Account, Allowance]
    spare: int = 0

    def with_spare(self, spare: int) -> Bounds:
        """The same, with bytes to be left."""
        return Bounds(self.allowances, spare)


NO_BOUNDS = Bounds({})


def bounds_of(limits: Limits, owner: str, store: str = "") -> Bounds:
    """The limits of an entry, asked for before the transaction."""
    found: dict[Account, Allowance] = {}
    for account in accounts_of(owner, store):
        if not account.owner:
            found[account] = limits.store(store)
        else:
            found[account] = limits.project_in_store(owner, store) if account.store else limits.project(owner)
    return Bounds(found)


class Refused(Exception):
    """A limit does not allow a change: of which account, what it has, what was wanted. `of_bytes`: the size's limit."""

    def __init__(self, account: Account, allowance: Allowance, present: Weight, wanted: Weight) -> None:
        super().__init__(account)
        self.account = account
        self.allowance = allowance
        self.present = present
        self.wanted = wanted
        self.of_bytes = _passes(present.taken + wanted.taken, allowance.size)

    def error(self) -> errors.ImgstoreError:
        """The error for the client, with limit and figures."""
        if not self.of_bytes:
            return self._error_of_number()
        limit, taken, wanted = self.allowance.size or 0, self.present.taken, self.wanted.taken
        if self.account.owner and self.account.store:
            return quota.store_quota_refusal(self.account.store, limit, taken, wanted)
        refusal = quota.quota_refusal if self.account.owner else quota.capacity_refusal
        return self._named(refusal(limit, taken, wanted))

    def _error_of_number(self) -> errors.ImgstoreError:
        if _passes(self.present.images + self.wanted.images, self.allowance.images):
            return quota.images_refusal(self.allowance.images or 0, self.present.images)
        return quota.uploads_refusal(self.allowance.uploads or 0, self.present.uploads)

    def _named(self, error: errors.ImgstoreError) -> errors.ImgstoreError:
        if isinstance(error, errors.StoreError):
            error.store = self.account.store
        return error


def change(connection: sa.Connection, changes: Changes, bounds: Bounds = NO_BOUNDS) -> None:
    """Changes the accounts, in the order of locks. Raises Refused where `bounds` do not allow it."""
    for account in sorted(changes, key=lambda each: each.rank):
        if changes[account] != NOTHING or account in bounds.allowances:
            _change(connection, account, changes[account], bounds.allowances.get(account), bounds.spare)


def present(connection: sa.Connection, account: Account, *, lock: bool = False) -> Weight | None:
    """What an account has; None if there is none yet."""
    query = sa.select(ACCOUNTS).where(*same(account))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else weight_of(row)


def weight_of(row: sa.Row[tuple[Any, ...]]) -> Weight:
    """What a row of the table has."""
    return Weight(row.used_bytes, row.held_bytes, row.images, row.uploads)


def open_account(connection: sa.Connection, account: Account) -> None:
    """Makes the row where it is missing; a no-op if somebody else does at the same time."""
    values = {
        "owner": account.owner,
        "store": account.store,
        "used_bytes": 0,
        "held_bytes": 0,
        "images": 0,
        "uploads": 0,
    }
    kind = connection.dialect.name
    if kind == "mysql":
        connection.execute(mysql.insert(ACCOUNTS).values(**values).prefix_with("IGNORE"))
    elif kind == "postgresql":
        connection.execute(postgresql.insert(ACCOUNTS).values(**values).on_conflict_do_nothing())
    else:
        connection.execute(sqlite.insert(ACCOUNTS).values(**values).on_conflict_do_nothing())


def _change(
    connection: sa.Connection, account: Account, wanted: Weight, allowance: Allowance | None, spare: int
) -> None:
    statement = (
        sa.update(ACCOUNTS)
        .where(*same(account), *_conditions(wanted, allowance or Allowance(), spare))
        .values(
            used_bytes=ACCOUNTS.c.used_bytes + wanted.used,
            held_bytes=ACCOUNTS.c.held_bytes + wanted.held,
            images=ACCOUNTS.c.images + wanted.images,
            uploads=ACCOUNTS.c.uploads + wanted.uploads,
        )
    )
    if connection.execute(statement).rowcount == 1:
        return
    found = present(connection, account)
    if found is None:
        open_account(connection, account)
        _change(connection, account, wanted, allowance, spare)
        return
    _refuse(account, allowance or Allowance(), found, wanted, spare)


def _conditions(wanted: Weight, allowance: Allowance, spare: int) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if allowance.size is not None:
        taken = ACCOUNTS.c.used_bytes + ACCOUNTS.c.held_bytes
        conditions.append(taken <= min(allowance.size, LARGEST) - spare - wanted.taken)
    if allowance.images is not None and wanted.images > 0:
        conditions.append(ACCOUNTS.c.images <= allowance.images - wanted.images)
    if allowance.uploads is not None and wanted.uploads > 0:
        conditions.append(ACCOUNTS.c.uploads <= allowance.uploads - wanted.uploads)
    return conditions


def _refuse(account: Account, allowance: Allowance, found: Weight, wanted: Weight, spare: int) -> None:
    after = found + wanted
    numbers = (
        _passes(after.images, allowance.images) and wanted.images > 0,
        _passes(after.uploads, allowance.uploads) and wanted.uploads > 0,
    )
    if _passes(after.taken + spare, allowance.size) or any(numbers):
        raise Refused(account, allowance, found, wanted)
    raise Contention("The quota changed at the same moment.")  # room was made between the two statements


def _passes(value: int, limit: int | None) -> bool:
    return limit is not None and value > limit


def same(account: Account) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition of an account's row."""
    return ACCOUNTS.c.owner == account.owner, ACCOUNTS.c.store == account.store
