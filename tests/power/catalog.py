"""A service's catalog, quota and filesystem store, recorded together; and the same after a power cut.

The catalog is on SQLite, which makes each commit durable before it returns (`tests/sql/test_durable.py`). So at any
point the catalog is what its last commit made of it, beside whatever the disk has of the store.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import pytest

from imgstore import errors
from imgstore.driver.place import NOTES
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.hosting import LeasedCatalog
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.purge import Purge
from imgstore.hosting.records import HostRecords
from imgstore.hosting.recovery import RecoveryLoop
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import UploadRequest
from imgstore.sql import Caller, Database, LedgerHooks, NewImage, SqlCatalog, SqlLedger
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService
from tests.filesystem.support import get
from tests.power.disk import Call, Disk, Layout
from tests.power.questions import lay_out
from tests.power.recorder import Event, Recorder
from tests.power.scenarios import DATADIR, MARK, WAYS, failing, small_blocks

T = TypeVar("T")

IMAGE = "5d2c6f6e-37b3-4e1c-8d07-6a2f0c9f1b11"
OWNER = Caller("project")
PATIENCE = 3600.0
"""Seconds in which no thread of a catalog or a ledger changes anything by itself."""


class Told(enum.Enum):
    """What the client knows for certain."""

    NOTHING = "nothing"
    STORED = "the upload was answered with 204"
    DELETED = "the deletion was answered with 204"


@dataclass(frozen=True, slots=True)
class Commit:
    """The catalog committed; `copy` is the database as it was then."""

    copy: Path


class House:
    """Everything that a service has between its clients, its database and its store."""

    def __init__(self, database: Database, driver: FilesystemDriver) -> None:
        self.store = Store("fast", driver)
        stores = StoreSet([self.store], default="fast")
        self.ledger = SqlLedger(database, tick=PATIENCE)
        self.catalog = SqlCatalog(database, quota_hooks=LedgerHooks(self.ledger), lease=PATIENCE)
        self._leased = LeasedCatalog(self.catalog)
        self.uploads = UploadService(stores, catalog=self._leased, quota=self.ledger)
        self.records = HostRecords(self.catalog, self.ledger)
        self.removals = RemovalQueue(stores, self.records)
        self.purge = Purge(self.records, stores, [self.store])
        self.holds = OrphanedHolds(stores, self.records)
        self.recovery = RecoveryLoop(self.records, self.removals, self.holds)

    def upload(self, content: bytes, size: int | None = None) -> None:
        """An upload that ends well, or raises."""
        with self.uploads.begin(UploadRequest(IMAGE, context=OWNER, size=size)) as session:
            session.write(content)
            session.finish()

    def delete(self) -> None:
        """A deletion, as the service does it: the catalog first."""
        self.catalog.delete(IMAGE, OWNER)

    def start(self) -> None:
        """What a service does at its start, alone with its database, and then a purge of everything."""
        self.catalog.abandon_uploads()
        self.holds.end(self.ledger.held())
        self.recovery.recover(at_once=True)
        for found in (
            self.purge.removals(),
            self.purge.leftovers(self.store, older_than=0),
            self.purge.objects(self.store),
        ):
            for leftover in list(found):
                leftover.remove()

    def close(self) -> None:
        """Ends its threads and connections."""
        self._leased.close()
        self.ledger.close()
        self.catalog.close()


Action: TypeAlias = "Callable[[House, Recorder, bytes, int | None], None]"


def store(house: House, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An upload that ends well."""
    house.upload(content, size)
    recorder.events.append(Told.STORED)


def abort(house: House, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An upload whose client goes away."""
    with house.uploads.begin(UploadRequest(IMAGE, context=OWNER, size=size)) as session:
        session.write(content)


def refuse(house: House, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An upload whose commit fails when the directory is synced."""
    assert failing(recorder, partial(house.upload, content, size))


def delete(house: House, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An image that is stored and deleted; its removal fails at first when the directory is synced."""
    store(house, recorder, content, size)
    recorder.events.append(Told.NOTHING)
    house.delete()
    recorder.events.append(Told.DELETED)
    recorder.fail_directory_syncs = 1
    for _ in range(2):
        house.removals.attempt(house.catalog.removals(), at_once=True)
    assert not house.catalog.removals()


ACTIONS: Sequence[Action] = (store, abort, refuse, delete)


class _Recorded(Database):
    """Copies itself after each commit."""

    copies: Path
    recorder: Recorder

    def change(self, work: Callable[..., T]) -> T:
        result = super().change(work)
        copy = self.copies / str(len(self.recorder.events))
        copy_database(Path(str(self.address.file)), copy)
        self.recorder.events.append(Commit(copy))
        return result


def record(
    kind: type[FilesystemDriver], way: str, action: Action, memory: Path, *, content: bytes, size: int | None
) -> list[Event]:
    """What was asked of the system, and every commit of the catalog between."""
    root = memory / "store"
    root.mkdir(parents=True)
    address = f"sqlite:///{memory}/catalog.db"
    _make_tables(address)
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, kind)
        recorder = Recorder(patch, root)
        driver = kind(datadir=str(root / DATADIR), **WAYS[way])
        driver.write_mark(MARK)
        driver.check()
        database = _Recorded(address)
        database.copies, database.recorder = memory, recorder
        with contextlib.closing(House(database, driver)) as house:
            house.catalog.create(NewImage(IMAGE, "project", disk_format="raw", container_format="bare"))
            recorder.events.append(Told.NOTHING)
            action(house, recorder, content, size)
    recorder.expect_seen()
    return recorder.events


def found_after_cuts(events: Iterable[Event]) -> Iterator[tuple[Told, Path, Layout]]:
    """Everything that may be found if the power goes after any of the events, each once."""
    disk, copy = Disk(), Path()
    told: Told | None = None
    seen: set[tuple[Told, Path, Layout]] = set()
    for event in events:
        if isinstance(event, Told):
            told = event
        elif isinstance(event, Commit):
            copy = event.copy
        elif isinstance(event, Call):
            disk.apply(event)
        if told is not None:
            new = dict.fromkeys((told, copy, layout) for layout in disk.layouts() if (told, copy, layout) not in seen)
            seen.update(new)
            yield from new


class RestartedHouse:
    """The house after a power cut. One database and one directory serve for all."""

    def __init__(self, memory: Path, kind: type[FilesystemDriver], content: bytes) -> None:
        memory.mkdir()
        self._root = memory / "store"
        self._datadir = self._root / DATADIR
        self._file = memory / "catalog.db"
        self._content = content
        address = f"sqlite:///{self._file}"
        _make_tables(address)
        self._house = House(Database(address), kind(datadir=str(self._datadir), fsync=False))
        self.close = self._house.close

    def faults(self, told: Told, copy: Path, layout: Layout) -> Iterator[str]:
        """What is wrong with this catalog and this store."""
        lay_out(self._root, layout)
        copy_database(copy, self._file)
        self._house.start()
        status = self._status()
        if status not in {Told.STORED: ("active",), Told.DELETED: ("deleted",)}.get(
            told, ("active", "queued", "deleted")
        ):
            yield f"an image of which {told.value} is {status}"
        yield from self._of_data(active=status == "active")
        if status == "queued":
            yield from self._of_retry()

    def _status(self) -> str:
        try:
            return self._house.catalog.get(IMAGE, OWNER).status
        except errors.ImageNotFound:
            return "deleted"

    def _of_data(self, *, active: bool) -> Iterator[str]:
        keys = {location.key for location in self._house.catalog.find(IMAGE, OWNER).locations} if active else set()
        if set(os.listdir(self._datadir)) - {*NOTES} != keys:
            yield "the store has not what the catalog has"
        elif any(get(self._driver, key) != self._content for key in keys):
            yield "an active image is partial"
        account = self._house.ledger.account("project")
        if (account.used, account.held) != (len(self._content) * active, 0):
            yield "the quota is wrong"

    def _of_retry(self) -> Iterator[str]:
        try:
            self._house.upload(self._content)
        except errors.ImgstoreError as error:
            yield f"a retry is refused: {error}"
        else:
            yield from self._of_data(active=True)

    @property
    def _driver(self) -> FilesystemDriver:
        driver = self._house.store.driver
        assert isinstance(driver, FilesystemDriver)
        return driver


def copy_database(source: Path, target: Path) -> None:
    """Makes `target` what `source` is."""
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _make_tables(address: str) -> None:
    SqlCatalog(address).close()
    SqlLedger(address).close()
