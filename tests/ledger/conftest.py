"""A ledger on each kind of database, alone or with a catalog."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from imgstore.limits import NO_LIMITS, Allowance, FixedLimits, Limits
from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from imgstore.sql import (
    LEDGER,
    Charge,
    Database,
    LedgerAccount,
    LedgerHooks,
    NewImage,
    SqlCatalog,
    SqlLedger,
)  # fmt: skip
from imgstore.sql.ledger.charges import NOTHING, accounts_of, charge
from imgstore.sql.ledger.entries import entry_of
from imgstore.sql.ledger.schema import ENTRIES
from tests.support.client import new_id
from tests.support.database_fixtures import Servers

OWNER, STORE = "project", "fast"
LIMIT = 1000
NONE = Allowance()

_numbers = itertools.count(1)


@pytest.fixture
def database(servers: Servers, database_kind: str) -> Iterator[Database]:
    """A database with the ledger's tables, and nothing else. After the test the accounts are what the entries add up
    to."""
    with contextlib.closing(Database(servers.tables(database_kind, [LEDGER]))) as opened:
        yield opened
        assert_sums(opened)


class Ledgers:
    """Opens ledgers on one database, each as a process of its own has it."""

    def __init__(self, database: Database, stack: contextlib.ExitStack) -> None:
        self._database = database
        self._stack = stack

    def __call__(
        self, default: Allowance = NONE, *, in_store: Allowance = NONE, capacity: int | None = None,
        patience: float = 5.0, lease: int = 120,
    ) -> SqlLedger:  # fmt: skip
        """With limits for every project, for every project in STORE, and for STORE."""
        limits = FixedLimits(default, in_stores={STORE: in_store}, stores={STORE: Allowance(size=capacity)})
        opened = SqlLedger(self._database.address, limits, tick=0.05, patience=patience, lease=lease)
        return self._stack.enter_context(contextlib.closing(opened))


@pytest.fixture
def ledgers(database: Database) -> Iterator[Ledgers]:
    with contextlib.ExitStack() as stack:
        yield Ledgers(database, stack)


@pytest.fixture
def ledger(ledgers: Ledgers) -> SqlLedger:
    """A ledger with a limit of LIMIT bytes a project."""
    return ledgers(Allowance(size=LIMIT))


@dataclasses.dataclass
class House:
    """A catalog and a ledger that share a database."""

    database: Database
    ledger: SqlLedger
    catalog: SqlCatalog

    @classmethod
    def on(cls, database: Database, limits: Limits = NO_LIMITS) -> House:
        """On a database with all tables."""
        ledger = SqlLedger(database, limits)
        return cls(database, ledger, SqlCatalog(database, quota_hooks=LedgerHooks(ledger)))

    def queued(self, owner: str = OWNER) -> str:
        """A new image."""
        return self.catalog.create(NewImage(new_id(), owner, disk_format="raw", container_format="bare")).id

    def begun(self, image_id: str, size: int | None = 5) -> Attempt:
        """An upload with a hold."""
        attempt = self.catalog.begin(UploadRequest(image_id), [STORE])
        self.ledger.reserve(attempt, STORE, size)
        return attempt

    def active(self, size: int = 5) -> str:
        """A new image with data."""
        attempt = self.begun(self.queued(), size)
        self.catalog.activate(attempt, result(attempt, size))
        return attempt.image_id

    def remove_all(self) -> None:
        """As the service does when its stores have deleted the objects."""
        for removal in self.catalog.removals():
            self.catalog.removed(removal)


@pytest.fixture
def house(tables: str) -> Iterator[House]:
    """A limit of 3 images and 100 bytes a project. At the end the accounts are what the entries add up to."""
    with contextlib.closing(Database(tables)) as database:
        house = House.on(database, FixedLimits(Allowance(size=100, images=3)))
        yield house
        assert_sums(database)
        house.ledger.close()


def result(attempt: Attempt, size: int = 5, *stores: str) -> UploadResult:
    """What an upload to these stores, or to STORE, ends with."""
    locations = [Location(store, attempt.key, "") for store in stores or [STORE]]
    return UploadResult(attempt.image_id, locations, size, "sha512", "ab")


def new_attempt(owner: str = OWNER) -> Attempt:
    """The first attempt at another image."""
    return Attempt(f"image-{next(_numbers)}", 1, owner, "raw", "bare")


def assert_sums(database: Database) -> None:
    """The accounts are what the entries add up to."""
    found: dict[LedgerAccount, Charge] = {}
    for entry in map(entry_of, database.read(lambda connection: connection.execute(sa.select(ENTRIES)).all())):
        for account in accounts_of(entry.owner, entry.object_id.store):
            found[account] = found.get(account, NOTHING) + charge(entry.counted, account)
    assert SqlLedger(database).accounts() == {account: has for account, has in found.items() if has != NOTHING}
