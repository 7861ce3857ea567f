"""Small uploads to a store in memory, so that nearly all of their time is the catalog's and the ledger's.

Every upload is another image of one project, whose account all of them change: the worst case for a ledger. Creating
the images is not measured. `statements` and `transactions` are what SQLAlchemy sends and commits meanwhile, by the
holds' and the leases' own threads too. What only begins a transaction is no statement, on any database.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa

from imgstore.bulkhead import Bulkhead
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.memory import MemoryDriver
from imgstore.hosting import LeasedCatalog
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import MIB, UploadRequest
from imgstore.quota import MemoryQuota
from imgstore.sql import PARTS, Database, LedgerHooks, NewImage, SqlCatalog, SqlLedger, upgrade
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService
from tests.support.client import new_id

PROJECT = "project"
SIZE = 64 * 1024
LIMIT = 1 << 50


@dataclass(frozen=True)
class Measured:
    """`at_once` uploads at a time. `seconds`: of each upload; `elapsed`: of all of them together."""

    at_once: int
    seconds: Sequence[float]
    elapsed: float
    statements: int
    transactions: int


class Counted:
    """What is sent to the database at `url` while it is entered; other databases of the process have their own work."""

    def __init__(self, url: sa.URL | None) -> None:
        self._url = url
        self.statements = 0
        self.transactions = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Counted:
        sa.event.listen(sa.Engine, "before_cursor_execute", self._statement)
        sa.event.listen(sa.Engine, "commit", self._transaction)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(sa.Engine, "before_cursor_execute", self._statement)
        sa.event.remove(sa.Engine, "commit", self._transaction)

    def _statement(self, connection: sa.Connection, cursor: object, statement: str, *_: object) -> None:
        with self._lock:
            self.statements += connection.engine.url == self._url and not statement.startswith("BEGIN")

    def _transaction(self, connection: sa.Connection) -> None:
        with self._lock:
            self.transactions += connection.engine.url == self._url


class World:
    """An upload service, how an image is made for it, and the URL of its database."""

    def __init__(self, uploads: UploadService, create: Callable[[str], object], url: sa.URL | None = None) -> None:
        self._url = url
        self._uploads = uploads
        self._create = create

    def measure(self, at_once: int, count: int, *, known: bool) -> Measured:
        """`count` uploads, `at_once` at a time; `known`: with their size."""
        images = [new_id() for _ in range(count)]
        for image_id in images:
            self._create(image_id)
        body = bytes(SIZE)

        def upload(image_id: str) -> float:
            begin = time.perf_counter()
            with self._uploads.begin(UploadRequest(image_id, size=SIZE if known else None)) as session:
                session.write(body)
                session.finish()
            return time.perf_counter() - begin

        with Counted(self._url) as counted, ThreadPoolExecutor(at_once) as pool:
            begin = time.perf_counter()
            seconds = list(pool.map(upload, images))
            elapsed = time.perf_counter() - begin
        return Measured(at_once, seconds, elapsed, counted.statements, counted.transactions)


@contextlib.contextmanager
def in_memory() -> Iterator[World]:
    """Catalog and quota of one process, without a database: what is not the database's."""
    catalog = MemoryCatalog()
    service = UploadService(_stores(), catalog=catalog, quota=MemoryQuota(lambda owner: LIMIT))
    yield World(service, lambda image_id: catalog.create(image_id, owner=PROJECT))


@contextlib.contextmanager
def on(url: str) -> Iterator[World]:
    """Catalog and ledger on an empty database."""
    with contextlib.closing(Database(url)) as database:
        upgrade(database, PARTS)
        with contextlib.closing(SqlLedger(database, FixedLimits(Allowance(size=LIMIT)))) as ledger:
            catalog = SqlCatalog(database, quota_hooks=LedgerHooks(ledger))
            service = UploadService(_stores(), catalog=LeasedCatalog(catalog), quota=ledger)
            yield World(service, lambda image_id: catalog.create(_new(image_id)), database.address.url)


def _stores() -> StoreSet:
    return StoreSet(
        [Store("memory", MemoryDriver(capacity=4096 * MIB), bulkhead=Bulkhead(max_transfers=64))], default="memory"
    )


def _new(image_id: str) -> NewImage:
    return NewImage(image_id, PROJECT, disk_format="raw", container_format="bare")
