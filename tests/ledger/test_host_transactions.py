"""A host's own table beside the ledger: one transaction for both, and none of a request around them.

The class `Pictures` is the one of doc/hosting.md.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.catalog import image_gone, require_queued
from imgstore.drivers.memory import MemoryDriver
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt, UploadRequest, UploadResult
from imgstore.sql import LEDGER, Charge, Database, LedgerHooks, SqlLedger, borrowed
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService
from tests.ledger.conftest import OWNER, STORE, assert_sums
from tests.support.client import new_id
from tests.support.database_fixtures import Servers

GUIDE = Path(__file__).parents[2] / "doc" / "hosting.md"
BODY = b"x" * 40


def documented() -> ModuleType:
    """The host of the guide."""
    text = re.search(r"^```python\n(# host_transactions.py\n.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert text is not None
    module = ModuleType("host_transactions")
    exec(text[1], module.__dict__)
    return module


GUIDED: Any = documented()
TABLE = "CREATE TABLE pictures (id VARCHAR(36) PRIMARY KEY, status VARCHAR(9), attempts INTEGER, size INTEGER)"


class Pictures(GUIDED.Pictures):  # type: ignore[misc]  # its base is read from the guide
    """The rest of a catalog. `connect` gives the connection of one method, which commits at its end."""

    def __init__(self, engine: sa.Engine, ledger: SqlLedger) -> None:
        super().__init__(engine, ledger)
        self.connect: Callable[[], contextlib.AbstractContextManager[sa.Connection]] = engine.begin

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        with self.connect() as connection:
            status, attempts = connection.execute(
                sa.text("SELECT status, attempts FROM pictures WHERE id = :id"), {"id": request.image_id}
            ).one()
            require_queued(request.image_id, status)
            self._set(connection, request.image_id, "saving", attempts + 1)
        return Attempt(request.image_id, attempts + 1, OWNER, "raw", "bare", stores=stores)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        if certain and self.row(attempt.image_id)[:2] != ("saving", attempt.number):
            raise image_gone(attempt.image_id)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        with self.connect() as connection:
            owned = self.row(attempt.image_id)[:2] == ("saving", attempt.number)
            if owned:
                self._set(connection, attempt.image_id, "queued", attempt.number)
            return owned

    def create(self) -> str:
        image_id = new_id()
        with self.connect() as connection:
            connection.execute(sa.text("INSERT INTO pictures VALUES (:id, 'queued', 0, 0)"), {"id": image_id})
        return image_id

    def row(self, image_id: str) -> tuple[str, int, int]:
        with self.connect() as connection:
            query = sa.text("SELECT status, attempts, size FROM pictures WHERE id = :id")
            status, attempts, size = connection.execute(query, {"id": image_id}).one()
            return status, attempts, size

    @staticmethod
    def _set(connection: sa.Connection, image_id: str, status: str, attempts: int) -> None:
        change = sa.text("UPDATE pictures SET status = :status, attempts = :attempts WHERE id = :id")
        connection.execute(change, {"id": image_id, "status": status, "attempts": attempts})


class Host:
    """A host with its table and the ledger in one database."""

    def __init__(self, database: Database) -> None:
        level: Any = {} if database.address.embedded else {"isolation_level": "READ COMMITTED"}
        self.engine = sa.create_engine(database.address.url, poolclass=sa.NullPool, **level)
        self.ledger = SqlLedger(database, FixedLimits(Allowance(size=100)))
        self.pictures = Pictures(self.engine, self.ledger)
        self.driver = MemoryDriver()
        stores = StoreSet([Store(STORE, self.driver)], default=STORE)
        self.uploads = UploadService(stores, catalog=self.pictures, quota=self.ledger)

    def upload(self, image_id: str) -> UploadResult:
        with self.uploads.begin(UploadRequest(image_id)) as session:
            session.write(BODY)
            return session.finish()

    @property
    def keys(self) -> list[str]:
        return [found.key for found in self.driver.objects()]


@pytest.fixture
def host(servers: Servers, database_kind: str) -> Iterator[Host]:
    with contextlib.closing(Database(servers.tables(database_kind, [LEDGER]))) as database:
        host = Host(database)
        with host.engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS pictures"))
            connection.execute(sa.text(TABLE))
        yield host
        assert_sums(database)
        host.ledger.close()


class Crash(BaseException):
    """The process dies."""


def test_activation_and_settlement_are_one_transaction_of_the_host(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = host.pictures.create()
    attempt = host.pictures.begin(UploadRequest(image_id), [STORE])
    host.ledger.reserve(attempt, STORE, 40)
    result = UploadResult(image_id, [Store(STORE, host.driver).location(attempt.key)], 40, "sha512", "ab")
    stored = LedgerHooks.objects_stored

    def dies(*args: Any) -> None:
        stored(*args)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(LedgerHooks, "objects_stored", dies)
        with pytest.raises(Crash):
            host.pictures.activate(attempt, result)
    assert (host.pictures.row(image_id)[0], host.ledger.account(OWNER)) == ("saving", Charge(held=40, uploads=1))
    host.pictures.activate(attempt, result)
    assert (host.pictures.row(image_id)[0], host.ledger.account(OWNER)) == ("active", Charge(used=40))
    host.pictures.delete(image_id)
    assert host.ledger.account(OWNER) == Charge()


def test_upload_in_a_hosts_own_transactions_counts_once(host: Host) -> None:
    image_id = host.pictures.create()
    host.upload(image_id)
    assert host.pictures.row(image_id) == ("active", 1, len(BODY))
    assert (host.ledger.account(OWNER), host.ledger.held()) == (Charge(used=len(BODY)), [])
    with pytest.raises(errors.ImageConflict):
        host.upload(image_id)
    with pytest.raises(errors.QuotaExceeded):
        host.uploads.begin(UploadRequest(host.pictures.create(), size=61))


def test_request_that_is_rolled_back_takes_nothing_of_an_upload_with_it(host: Host) -> None:
    """Since each method has a transaction of its own."""
    image_id = host.pictures.create()
    with host.engine.connect() as request:
        request.execute(sa.text("SELECT * FROM pictures")).all()
        host.upload(image_id)
        request.rollback()
    assert host.pictures.row(image_id) == ("active", 1, len(BODY))
    assert host.ledger.account(OWNER) == Charge(used=len(BODY))


def test_catalog_in_the_transaction_of_a_request_repeats_numbers_and_harms_no_data(host: Host) -> None:
    """What happens under ATOMIC_REQUESTS: the guide tells why not. An object that is there is never overwritten."""
    image_id = host.pictures.create()
    own = host.pictures.connect
    with host.engine.connect() as request:
        host.pictures.connect = lambda: contextlib.nullcontext(request)
        attempt = host.pictures.begin(UploadRequest(image_id), [STORE])
        request.rollback()
    with host.driver.open_writer(attempt.key) as writer:
        writer.write(b"of the attempt whose number was forgotten")
        writer.commit()
    host.pictures.connect = own
    with pytest.raises(errors.StoreUnavailable, match="another object under the key"):
        host.upload(image_id)
    assert host.keys == [image_id]
    assert host.ledger.account(OWNER) == Charge()


def test_ledger_is_changed_on_a_connection_that_the_host_lends(host: Host) -> None:
    """A driver's connection, as Django has one; the host commits or rolls back."""
    attempt = Attempt(new_id(), 1, OWNER, "raw", "bare")
    host.ledger.reserve(attempt, STORE, 40)
    location = Store(STORE, host.driver).location(attempt.key)
    dialect = host.engine.dialect
    for ending, expected in (("rollback", Charge(held=40, uploads=1)), ("commit", Charge(used=40))):
        raw = host.engine.raw_connection()
        with borrowed(raw.driver_connection, f"{dialect.name}+{dialect.driver}") as connection:
            LedgerHooks(host.ledger).objects_stored(connection, attempt, [location], 40)
        getattr(raw, ending)()
        raw.close()
        assert host.ledger.account(OWNER) == expected
