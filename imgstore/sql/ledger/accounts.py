"""Changes accounts: in a fixed order, with the limit in the UPDATE's own condition.

No row is read before it is locked. So nothing comes between the check and the change, at any isolation, on any
database. The three accounts of an entry are changed by one statement (`three_accounts`). Where that changes nothing,
because a row is missing or a limit is reached, one UPDATE for each row makes the row, or finds the limit that refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from imgstore import errors, quota
from imgstore.host_answers import instance
from imgstore.limits import Allowance, Limits
from imgstore.sql.failures import Contention
from imgstore.sql.ledger import three_accounts
from imgstore.sql.ledger.charges import NOTHING, Charge, LedgerAccount, accounts_of
from imgstore.sql.ledger.schema import ACCOUNTS

Changes: TypeAlias = Mapping[LedgerAccount, Charge]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of the accounts that one entry counts for. `headroom`: bytes that must stay free in each of them."""

    allowances: Mapping[LedgerAccount, Allowance]
    headroom: int = 0

    def with_headroom(self, headroom: int) -> Bounds:
        """The same limits with another headroom."""
        return Bounds(self.allowances, headroom)


NO_BOUNDS = Bounds({})
_NO_LIMIT = Allowance()


def bounds_of(limits: Limits, owner: str, store: str = "") -> Bounds:
    """The limits of an entry. Asked for before the transaction, because `limits` may ask another service."""
    return Bounds({account: limit_of(limits, account) for account in accounts_of(owner, store)})


def limit_of(limits: Limits, account: LedgerAccount) -> Allowance:
    """The limit of an account."""
    if not account.owner:
        return instance(Allowance, limits.store, account.store)
    if account.store:
        return instance(Allowance, limits.project_in_store, account.owner, account.store)
    return instance(Allowance, limits.project, account.owner)


class Refused(Exception):
    """A limit forbids a change. `present` is what the account has, `wanted` the change; `of_bytes`: the limit is one of
    bytes, not of a number."""

    def __init__(self, account: LedgerAccount, allowance: Allowance, present: Charge, wanted: Charge) -> None:
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
        figures = (self.allowance.size or 0, self.present.taken, self.wanted.taken)
        if not self.account.owner:
            full = quota.capacity_refusal(*figures)
            if isinstance(full, errors.StoreError):
                full.store = self.account.store
            return full
        if self.account.store:
            return quota.store_quota_refusal(self.account.store, *figures)
        return quota.quota_refusal(*figures)

    def _error_of_number(self) -> errors.ImgstoreError:
        if _passes(self.present.images + self.wanted.images, self.allowance.images):
            return quota.images_refusal(self.allowance.images or 0, self.present.images)
        return quota.uploads_refusal(self.allowance.uploads or 0, self.present.uploads)


def change(connection: sa.Connection, changes: Changes, bounds: Bounds = NO_BOUNDS) -> None:
    """Changes the accounts, in the order of locks. Raises Refused if `bounds` forbid it."""
    each = [
        (account, changes[account], bounds.allowances.get(account, _NO_LIMIT))
        for account in sorted(changes, key=lambda account: account.rank)
        if changes[account] != NOTHING or account in bounds.allowances
    ]
    if _are_of_one_entry(each) and three_accounts.change(connection, each, bounds.headroom):
        return
    for account, wanted, allowance in each:
        _change(connection, account, wanted, allowance, bounds.headroom)


def _are_of_one_entry(changes: Sequence[tuple[LedgerAccount, Charge, Allowance]]) -> bool:
    accounts = tuple(account for account, _, _ in changes)
    return len(accounts) == 3 and accounts == accounts_of(accounts[0].owner, accounts[2].store)


def present(connection: sa.Connection, account: LedgerAccount, *, lock: bool = False) -> Charge | None:
    """What an account has; None if the account does not exist yet."""
    query = sa.select(ACCOUNTS).where(*same(account))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else charge_of(row)


def charge_of(row: sa.Row[tuple[Any, ...]]) -> Charge:
    """What the account in a row has."""
    return Charge(row.used_bytes, row.held_bytes, row.images, row.uploads)


def columns_of(has: Charge) -> dict[str, int]:
    """The columns of an account that has so much."""
    return {"used_bytes": has.used, "held_bytes": has.held, "images": has.images, "uploads": has.uploads}


def open_account(connection: sa.Connection, account: LedgerAccount) -> None:
    """Makes the account's row, unless it exists or somebody else makes it at the same time."""
    values = {"owner": account.owner, "store": account.store, **columns_of(NOTHING)}
    kind = connection.dialect.name
    if kind == "mysql":
        connection.execute(mysql.insert(ACCOUNTS).values(**values).prefix_with("IGNORE"))
    elif kind == "postgresql":
        connection.execute(postgresql.insert(ACCOUNTS).values(**values).on_conflict_do_nothing())
    else:
        connection.execute(sqlite.insert(ACCOUNTS).values(**values).on_conflict_do_nothing())


def _change(
    connection: sa.Connection, account: LedgerAccount, wanted: Charge, allowance: Allowance, headroom: int
) -> None:
    fitting = sa.update(ACCOUNTS).where(*same(account), *_conditions(wanted, allowance, headroom))
    statement = fitting.values({name: ACCOUNTS.c[name] + more for name, more in columns_of(wanted).items()})
    if connection.execute(statement).rowcount == 1:
        return
    found = present(connection, account)
    if found is None:
        open_account(connection, account)
        _change(connection, account, wanted, allowance, headroom)
        return
    _refuse(account, allowance, found, wanted, headroom)


def _conditions(wanted: Charge, allowance: Allowance, headroom: int) -> list[sa.ColumnElement[bool]]:
    columns = ACCOUNTS.c.used_bytes + ACCOUNTS.c.held_bytes, ACCOUNTS.c.images, ACCOUNTS.c.uploads
    limits = three_accounts.most(wanted, allowance, headroom)
    return [column <= limit for column, limit in zip(columns, limits, strict=True) if limit is not None]


def _refuse(account: LedgerAccount, allowance: Allowance, found: Charge, wanted: Charge, headroom: int) -> None:
    after = found + wanted
    numbers = (
        _passes(after.images, allowance.images) and wanted.images > 0,
        _passes(after.uploads, allowance.uploads) and wanted.uploads > 0,
    )
    if _passes(after.taken + headroom, allowance.size) or any(numbers):
        raise Refused(account, allowance, found, wanted)
    raise Contention("The quota changed at the same moment.")  # by somebody between the two statements


def _passes(value: int, limit: int | None) -> bool:
    return limit is not None and value > limit


def same(account: LedgerAccount) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that selects an account's row."""
    return ACCOUNTS.c.owner == account.owner, ACCOUNTS.c.store == account.store
