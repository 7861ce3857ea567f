"""A ledger on each kind of database."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt
from imgstore.sql import LEDGER, Charge, Database, LedgerAccount, SqlLedger, upgrade
from imgstore.sql.ledger.charges import NOTHING, accounts_of, charge
from imgstore.sql.ledger.entries import entry_of
from imgstore.sql.ledger.schema import ENTRIES

OWNER, STORE = "project", "fast"
LIMIT = 1000

_numbers = itertools.count(1)


@pytest.fixture
def ledger_url(database_url: str) -> str:
    """A database with the ledger's tables, and nothing else; its URL."""
    with contextlib.closing(Database(database_url)) as database:
        upgrade(database, [LEDGER])
    return database_url


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """A connection of its own, to look at the tables. After the test the accounts are what the entries add up to."""
    with contextlib.closing(Database(ledger_url)) as opened:
        yield opened
        assert_sums(opened)


@pytest.fixture
def ledger(ledger_url: str, database: Database) -> Iterator[SqlLedger]:
    """A ledger with a limit of LIMIT bytes a project."""
    with contextlib.closing(ledger_with(ledger_url, Allowance(size=LIMIT))) as opened:
        yield opened


def ledger_with(
    url: str,
    default: Allowance,
    *,
    in_store: Allowance | None = None,
    capacity: int | None = None,
    patience: float = 5.0,
) -> SqlLedger:
    """A ledger with limits for every project, for every project in STORE, and for STORE."""
    limits = FixedLimits(
        default,
        in_stores={STORE: in_store or Allowance()},
        stores={STORE: Allowance(size=capacity)},
    )
    return SqlLedger(url, limits, tick=0.05, patience=patience)


def new_attempt(owner: str = OWNER) -> Attempt:
    """The first attempt at another image."""
    return Attempt(f"image-{next(_numbers)}", 1, owner, "raw", "bare")


def sums(database: Database) -> dict[LedgerAccount, Charge]:
    """What the accounts should have: what the entries add up to."""

    def work(connection: sa.Connection) -> dict[LedgerAccount, Charge]:
        found: dict[LedgerAccount, Charge] = {}
        for entry in map(entry_of, connection.execute(sa.select(ENTRIES))):
            for account in accounts_of(entry.owner, entry.object_id.store):
                found[account] = found.get(account, NOTHING) + charge(entry.counted, account)
        return {account: has for account, has in found.items() if has != NOTHING}

    return database.read(work)


def assert_sums(database: Database) -> None:
    """The accounts are what the entries add up to."""
    looking = SqlLedger(database)
    assert looking.accounts() == sums(database)
