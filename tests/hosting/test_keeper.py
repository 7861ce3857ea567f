"""A host's own tables under a Keeper: what dead processes left ends, what lives goes on, no failure ends the rest."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.hosting import Keeper, LeasedCatalog, ObjectId, TableCatalog, TablePlaces
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.rows import state_of
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt, Leftover, UploadRequest
from imgstore.quota import UNLIMITED, MemoryQuota
from imgstore.sql import LEDGER, Charge, Database, SqlLedger, upgrade
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService
from tests.core.stores import HookedStore
from tests.hosting.tables import DictPlaces, DictTable, Row
from tests.support.forwarding import Forwarding
from tests.support.waiting import until


@dataclass
class Clock:
    """Seconds since the epoch."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Host:
    """What a host has: a table, a store, and in each process a catalog, a keeper and uploads."""

    def __init__(
        self, *, quota: SqlLedger | None = None, lease: float = 60.0, driver: HookedStore | None = None
    ) -> None:
        self.table = DictTable()
        self.clock = Clock()
        self.driver = driver or HookedStore()
        self.stores = StoreSet([Store("fast", self.driver)], default="fast")
        self.quota = quota
        self.catalog = TableCatalog(self.table, lease=lease, sees=lambda context, row: True, clock=self.clock)
        self.leased = LeasedCatalog(self.catalog)
        self.keeper = Keeper(self.leased, self.stores, quota)
        self.uploads = UploadService(self.stores, catalog=self.leased, quota=quota or UNLIMITED)

    def create(self, image_id: str = "image") -> str:
        self.table.add(Row(image_id, "project"))
        return image_id

    def status(self, image_id: str = "image") -> str:
        return self.table.rows[image_id].status

    def upload(self, image_id: str) -> None:
        with self.uploads.begin(UploadRequest(image_id, size=4)) as session:
            session.write(b"data")
            session.finish()

    def died(self, image_id: str = "image") -> Attempt:
        """An upload whose process died after its object was there, a lease ago."""
        attempt = self.catalog.begin(UploadRequest(self.create(image_id)), ["fast"])
        with self.driver.open_writer(attempt.key) as writer:
            writer.write(b"data")
            writer.commit()
        self.clock.now += self.catalog.lease + 1
        return attempt


class Untidy(HookedStore):
    """Has one old leftover."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        self.happens("looking")
        yield Leftover("part", "of an upload", 1, 1.0, "stranger")

    def remove_leftover(self, leftover: Leftover) -> None:
        self.happens("removing")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    """A quota in another database than the images."""
    url = f"sqlite:///{tmp_path}/quota.sqlite"
    with contextlib.closing(Database(url)) as database:
        upgrade(database, [LEDGER])
    with contextlib.closing(SqlLedger(url, FixedLimits(Allowance(size=100)))) as ledger:
        yield ledger


def test_undone_dead_upload_leaves_nothing_and_its_image_takes_the_retry() -> None:
    host = Host()
    host.died()
    host.keeper.start()
    until(lambda: host.status() == "queued" and not host.catalog.removals())
    assert host.driver.storage.names() == set()
    host.upload("image")
    host.keeper.stop()
    assert host.driver.storage.names() == {"image.2"}
    assert host.catalog.find("image").status == "active"


def test_keeper_starts_again_after_its_stop(caplog: pytest.LogCaptureFixture) -> None:
    """As the lifespan of an application in its tests does."""
    before = set(threading.enumerate())
    host = Host(lease=0.1)
    host.keeper.start()
    host.keeper.start()
    host.keeper.stop()
    host.keeper.start()
    host.died()
    until(lambda: host.status() == "queued" and not host.driver.storage.names())
    attempt = host.leased.begin(UploadRequest("image"), ["fast"])
    host.catalog.release(attempt)
    until(lambda: host.leased.leases.is_lost(attempt))
    host.keeper.stop()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert {"imgstore-recovery", "imgstore-leases"}.isdisjoint(left)


def test_living_upload_keeps_its_image_however_long_it_takes() -> None:
    """Its own process and another one look for dead uploads all the time."""
    host = Host()
    catalog = TableCatalog(host.table, lease=3.0, sees=lambda context, row: True)
    leased = LeasedCatalog(catalog)
    keepers = [Keeper(leased, host.stores, interval=0.02), Keeper(LeasedCatalog(catalog), host.stores, interval=0.02)]
    for keeper in keepers:
        keeper.start()
    host.create()
    with UploadService(host.stores, catalog=leased).begin(UploadRequest("image")) as session:
        begun = state_of(host.table.rows["image"]).lease_until or 0
        until(lambda: (state_of(host.table.rows["image"]).lease_until or 0) > begun + 0.9)
        session.write(b"data")
        session.finish()
    for keeper in keepers:
        keeper.stop()
    assert host.status() == "active"
    assert [keeper.recovery.ended for keeper in keepers] == [0, 0]


def test_held_a_dead_upload_counts_until_its_object_is_gone(ledger: SqlLedger) -> None:
    host = Host(quota=ledger)
    attempt = host.died()
    ledger.reserve(attempt, "fast", 4)
    host.driver.fails("delete", errors.StoreUnavailable("down"))
    host.keeper.recovery.recover()
    assert host.status() == "queued"
    assert ledger.account("project") == Charge(held=4, uploads=1)
    host.driver.hooks.clear()
    host.keeper.recovery.recover(at_once=True)
    assert (ledger.accounts(), host.driver.storage.names()) == ({}, set())


def test_held_a_process_that_died_before_it_settled_is_settled_for_it(ledger: SqlLedger) -> None:
    host = Host(quota=ledger)
    host.create()
    host.upload("image")
    host.catalog.begin(UploadRequest(host.create("saving")), ["fast"])
    host.catalog.release(host.died("failed"))
    ledger.forget(ObjectId("fast", "image"))
    for image_id, size in (("image", 40), ("saving", 9), ("failed", 8), ("nobody", 7)):
        ledger.reserve(Attempt(image_id, 1, "project", "raw", "bare"), "fast", size)
    OrphanedHolds(host.stores, host.keeper.records).end(ledger.held())
    assert ledger.account("project") == Charge(used=4, held=9, uploads=1)
    assert host.driver.storage.names() == {"image"}


def test_deleted_image_is_given_back_when_its_object_is_gone(ledger: SqlLedger) -> None:
    host = Host(quota=ledger)
    host.create()
    host.upload("image")
    host.driver.fails("delete", errors.StoreUnavailable("down"))
    host.catalog.delete("image")
    host.keeper.remove("image")
    assert ledger.account("project").used == 4
    host.driver.hooks.clear()
    host.keeper.recovery.recover(at_once=True)
    assert (ledger.accounts(), host.driver.storage.names(), host.catalog.removals()) == ({}, set(), [])


def test_purge_shows_all_that_may_go_and_each_goes_by_itself() -> None:
    host = Host(driver=Untidy())
    host.create("active")
    host.upload("active")
    host.catalog.release(host.died("released"))
    host.died("dead")
    found = list(host.keeper.purge())
    assert [each.name for each in found] == ["dead", "part", "released"]
    assert host.status("dead") == "saving", "to look changes nothing"
    for each in found:
        each.remove()
    assert host.status("dead") == "queued"
    assert host.driver.storage.names() == {"active"}
    assert list(host.keeper.purge(older_than=2**40)) == []


def test_service_of_one_process_ends_its_uploads_at_the_start(ledger: SqlLedger) -> None:
    host = Host(quota=ledger)
    attempt = host.died()
    host.clock.now = 0.0
    ledger.reserve(attempt, "fast", 4)
    ledger.reserve(Attempt("nobody", 1, "project", "raw", "bare"), "fast", 7)
    keeper = Keeper(LeasedCatalog(Forwarding(host.catalog)), host.stores, ledger)
    assert keeper.end_uploads() == 1
    keeper.start(seconds=60)
    keeper.stop()
    assert host.status() == "queued"
    assert (ledger.accounts(), host.driver.storage.names()) == ({}, set())


def test_table_that_fails_ends_neither_the_start_nor_the_rounds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host(lease=0.02)
    host.died()
    with monkeypatch.context() as away:
        away.setattr(host.table, "unfinished", lambda: 1 / 0)
        host.keeper.start()
        until(lambda: caplog.text.count("Recovery waits for the catalog") > 1)
    until(lambda: not host.driver.storage.names())
    host.keeper.stop()
    assert "ZeroDivisionError" in caplog.text


def test_store_that_is_down_at_the_start_is_cleaned_once_when_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstore.hosting.pauses.FIRST_PAUSE", 0.01)
    host = Host(lease=0.04, driver=Untidy())
    host.driver.fails("looking", errors.StoreUnavailable("down"))
    host.keeper.start()
    until(lambda: host.driver.calls.count("looking") > 2)
    host.driver.hooks.clear()
    until(lambda: "removing" in host.driver.calls)
    looked, rounds = host.driver.calls.count("looking"), [1.0]
    monkeypatch.setattr(host.keeper.recovery, "recover", lambda: rounds.append(1.0))
    until(lambda: len(rounds) > 4)
    host.keeper.stop()
    assert host.driver.calls.count("looking") == looked


def test_known_by_its_place_a_disk_that_is_not_mounted_comes_in_by_itself(tmp_path: Path) -> None:
    datadir = tmp_path / "images"
    datadir.mkdir()
    table = DictPlaces()
    first = _keeper_with_places(datadir, table)
    first.start()
    datadir.rename(tmp_path / "disk")
    datadir.mkdir()
    keeper = _keeper_with_places(datadir, table)
    keeper.start()
    (store,) = keeper._stores
    with pytest.raises(errors.StoreUnavailable):
        store.driver.open_writer("key")
    datadir.rmdir()
    (tmp_path / "disk").rename(datadir)
    until(lambda: _takes(store))
    for each in (first, keeper):
        each.stop()


def test_known_by_its_place_another_disk_is_taken_on_the_operators_word(tmp_path: Path) -> None:
    table = DictPlaces()
    for name in ("disk", "restored"):
        (tmp_path / name).mkdir()
        keeper = _keeper_with_places(tmp_path / name, table)
        keeper.start()
        keeper.stop()
    (store,) = keeper._stores
    assert not _takes(store)
    assert keeper.adopt_place("fast") == "is marked now"
    assert _takes(store)
    assert keeper.adopt_place("fast") == "has its mark already"
    with pytest.raises(errors.UsageError, match="remembers no places"):
        Host().keeper.adopt_place("fast")


def _keeper_with_places(datadir: Path, table: DictPlaces) -> Keeper:
    stores = StoreSet([Store("fast", FilesystemDriver(datadir=str(datadir)))], default="fast")
    return Keeper(LeasedCatalog(TableCatalog(table.images)), stores, places=TablePlaces(table), interval=0.02)


def _takes(store: Store) -> bool:
    try:
        with store.driver.open_writer("key"):
            return True
    except errors.StoreUnavailable:
        return False


def test_mistakes_are_told_when_the_keeper_is_made() -> None:
    host = Host()
    bare: Any = host.catalog
    quota: Any = MemoryQuota(lambda owner: None)
    catalog: Any = MemoryCatalog()
    with pytest.raises(errors.UsageError, match=r"LeasedCatalog\(\.\.\.\) around a TableCatalog"):
        Keeper(bare, host.stores)
    with pytest.raises(errors.UsageError, match="a MemoryQuota is no KeptQuota: it has no method"):
        Keeper(host.leased, host.stores, quota)
    with pytest.raises(errors.UsageError, match="a MemoryCatalog is no HostCatalog: it has no method"):
        LeasedCatalog(catalog)
    with pytest.raises(errors.UsageError, match=r"TableCatalog\.lease is not the seconds of a lease"):
        LeasedCatalog(TableCatalog(host.table, lease=0))


def test_answer_that_is_none_is_told_by_the_name_of_its_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an ORM's method whose result was not returned; the rounds go on, and the thread tells what is wrong."""
    host = Host(lease=0.04)
    host.died()
    monkeypatch.setattr(TableCatalog, "take_back", lambda self, dead: None)
    host.keeper.recovery.start()
    until(lambda: host.keeper.recovery.supervised.failing)
    assert "TableCatalog.take_back returned None" in host.keeper.recovery.supervised.failing
    monkeypatch.undo()
    until(lambda: host.status() == "queued")
    host.keeper.stop()


def test_loser_learns_it_from_the_last_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(lease=0.1)
    attempt = host.leased.begin(UploadRequest(host.create()), ["fast"])
    host.leased.confirm(attempt, certain=False)
    assert host.catalog.release(attempt), "somebody ended it"
    until(lambda: host.leased.leases.is_lost(attempt))
    monkeypatch.setattr(host.table, "get", lambda image_id: 1 / 0)
    with pytest.raises(errors.ImageGone):
        host.leased.confirm(attempt, certain=False)
    host.leased.close()
