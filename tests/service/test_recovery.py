"""Recovery by the service: dead uploads end and leave nothing, pending removals are tried again."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.staging import hidden_name
from imgstore.drivers.memory import MemoryDriver, MemoryStorage
from imgstore.hosting.first_cleaning import purge
from imgstore.hosting.leftovers import dead_objects, leftovers
from imgstore.hosting.pauses import FIRST_PAUSE, LONGEST_PAUSE
from imgstore.hosting.records import HostRecords
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import Leftover, UploadRequest
from imgstore.sql import SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.leftovers import leftovers as transfers_leftovers
from imgstore.transfers.leftovers import remove_data
from tests.core.stores import HookedStore
from tests.sql.conftest import active_image
from tests.support.attempts import begun, dead, die
from tests.support.service import LocalService
from tests.support.waiting import until


@pytest.fixture
def driver() -> HookedStore:
    return HookedStore()


@pytest.fixture
def stores(driver: HookedStore) -> StoreSet:
    return StoreSet([Store("fast", driver)], default="fast")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/imgstore.sqlite", lease=1000)) as catalog:
        yield catalog


def put(driver: MemoryDriver, key: str) -> None:
    with driver.open_writer(key) as writer:
        writer.write(b"data")
        writer.commit()


def test_dead_upload_ends_in_the_background_and_leaves_nothing(
    tmp_path: Path, stores: StoreSet, driver: HookedStore, catalog: SqlCatalog
) -> None:
    with LocalService(tmp_path, stores, recovery_interval=0.05).running() as local:
        died, living = begun(catalog), begun(catalog)
        put(driver, died.key)
        put(driver, living.key)
        die(catalog, died)
        until(lambda: local.catalog.status(died.image_id) == "queued" and not local.catalog.removals())
        assert driver.storage.names() == {living.key}
        assert local.catalog.status(living.image_id) == "saving"
        assert local.client.upload(died.image_id, b"retry").status == 204


def test_restored_database_ends_no_upload_and_removes_nothing_before_it_is_resumed(
    tmp_path: Path, stores: StoreSet, driver: HookedStore, catalog: SqlCatalog
) -> None:
    with LocalService(tmp_path, stores).running() as local:
        client, service = local.client, local.service
        deleted = client.create()
        assert client.upload(deleted, b"data").status == 204
        attempt = dead(catalog)
        put(driver, attempt.key)
        service.catalog.restored.declare("a test says so")
        assert client.delete(deleted).status == 204
        service.end_dead_uploads()
        assert service.keeper.recovery.recover(at_once=True) == 0
        assert driver.storage.names() == {deleted, attempt.key}
        assert local.catalog.status(attempt.image_id) == "saving"
        assert service.catalog.restored.resume({})
        assert service.keeper.recovery.recover(at_once=True) == 1
        service.keeper.recovery.recover(at_once=True)
        assert driver.storage.names() == set()
    catalog.close()


def test_several_services_on_one_catalog_recover_each_upload_once(
    tmp_path: Path, stores: StoreSet, catalog: SqlCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    services = [LocalService(tmp_path, stores, recovery_interval=0.02) for _ in range(3)]
    for local in services:
        local.service.start()
    lost = [dead(catalog) for _ in range(10)]
    until(lambda: services[0].catalog.uploads() == 0 and not services[0].catalog.removals())
    assert {services[0].catalog.status(attempt.image_id) for attempt in lost} == {"queued"}
    told = [record.getMessage() for record in caplog.records if " died; " in record.getMessage()]
    assert sorted(line.split()[1].rstrip(":") for line in told) == sorted(attempt.image_id for attempt in lost)
    for local in services:
        local.server.stop()
        local.service.close()


def test_data_that_a_store_did_not_let_go_is_removed_in_the_background(
    tmp_path: Path, stores: StoreSet, driver: HookedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgstore.hosting.pauses.FIRST_PAUSE", 0.05)
    with LocalService(tmp_path, stores, recovery_interval=0.02).running() as local:
        image_id = local.client.create()
        assert local.client.upload(image_id, b"data").status == 204
        driver.fails("delete", errors.StoreUnavailable("down"))
        assert local.client.delete(image_id).status == 204
        assert local.catalog.removals() == [image_id]
        assert local.service.quota.account("default").used == 0, "given back at once"
        until(lambda: driver.calls.count("delete") >= 3)
        driver.hooks.clear()
        until(lambda: not local.catalog.removals())
        assert driver.storage.names() == set()
        assert local.service.quota.account("default").used == 0, "and only once"


def test_store_that_works_again_is_asked_in_the_next_round(
    tmp_path: Path, stores: StoreSet, driver: HookedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgstore.hosting.pauses.FIRST_PAUSE", LONGEST_PAUSE)

    def down(key: object = None) -> None:
        raise errors.StoreUnavailable("down")

    with LocalService(tmp_path, stores, recovery_interval=LONGEST_PAUSE).running() as local:
        image_id = local.client.create()
        assert local.client.upload(image_id, b"data").status == 204
        with monkeypatch.context() as patch:
            patch.setattr(driver, "_delete", down)
            patch.setattr(driver, "check", down)
            assert local.client.delete(image_id).status == 204
            local.service.health.check("fast")
        local.service.keeper.recovery.recover()
        assert local.catalog.removals() == [image_id], "left alone"
        local.service.health.check("fast")
        local.service.keeper.recovery.recover()
        assert local.catalog.removals() == []


def test_store_that_fails_is_left_alone_longer_each_time(
    stores: StoreSet, driver: HookedStore, catalog: SqlCatalog
) -> None:
    now = [0.0]
    removals = RemovalQueue(stores, HostRecords(catalog), clock=lambda: now[0])
    attempt = dead(catalog)
    assert catalog.abandon_uploads() == 1
    driver.fails("delete", errors.StoreUnavailable("down"))
    pending = catalog.removals()
    removals.attempt(pending)
    for number in range(14):
        most = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        asked, begin, step = driver.calls.count("delete"), now[0], most / 20
        while driver.calls.count("delete") == asked:
            now[0] += step
            removals.attempt(pending)
        assert most / 2 <= now[0] - begin <= most + step
    driver.hooks.clear()
    removals.attempt(catalog.removals())
    assert [removal.key for removal in catalog.removals()] == [attempt.key], "it is left alone"
    removals.attempt(catalog.removals(), at_once=True)
    assert catalog.removals() == []


def test_store_that_is_not_enabled_any_more_keeps_its_removals(
    stores: StoreSet, catalog: SqlCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    dead(catalog, "gone")
    catalog.abandon_uploads()
    RemovalQueue(stores, HostRecords(catalog)).attempt(catalog.removals())
    assert len(catalog.removals()) == 1
    assert "gone" in caplog.text


def test_database_that_was_away_takes_nothing_back_before_the_living_renewed(
    tmp_path: Path, stores: StoreSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalService(tmp_path, stores, recovery_interval=0.02)
    recovery = local.service.keeper.recovery
    pauses, rounds = [], threading.Semaphore(0)
    wait = recovery._stopped.wait

    def record(seconds: float) -> bool:
        pauses.append(seconds)
        rounds.release()
        return wait(0.01)

    def away(*, at_once: bool = False) -> int:
        raise errors.CatalogUnavailable("away")

    monkeypatch.setattr(recovery._stopped, "wait", record)
    recovery.start()
    for _ in range(3):
        rounds.acquire()
    assert max(pauses) < 0.04
    monkeypatch.setattr(recovery, "recover", away)
    before = len(pauses)
    for _ in range(3):
        rounds.acquire()
    until(lambda: len(pauses) > before + 3)
    assert min(pauses[before + 2 :]) >= local.service.catalog.lease, "half of two leases at least"
    recovery.stop()
    local.server.stop()
    local.service.close()


class Tracing(HookedStore):
    """Notes when traces are removed, too."""

    def clear_leftovers(self, key: str) -> None:
        self.happens("clearing")


def test_traces_go_before_the_object_that_they_might_become() -> None:
    driver = Tracing()
    remove_data(Store("fast", driver), "key", leftovers=True)
    assert driver.calls == ["clearing", "delete"]
    remove_data(Store("fast", driver), "key", leftovers=False)
    assert driver.calls == ["clearing", "delete", "delete"]


def test_leftovers_of_the_living_are_spared_however_old_and_of_the_dead_not_however_young(
    tmp_path: Path, catalog: SqlCatalog
) -> None:
    datadir = tmp_path / "store"
    datadir.mkdir()
    living, ended, removing = begun(catalog), begun(catalog), dead(catalog)
    catalog.release(ended)
    catalog.abandon_uploads()
    living = catalog.begin(UploadRequest(living.image_id), ["fast"])
    kinds = {"living": living.key, "dead": ended.key, "removing": removing.key, "old": "stranger", "young": "stranger"}
    names = {kind: hidden_name(key) for kind, key in kinds.items()}
    for kind, name in names.items():
        (datadir / name).touch()
        if kind in ("living", "old"):
            os.utime(datadir / name, (0, 0))
    store = Store("fast", FilesystemDriver(datadir=str(datadir)))
    found = {leftover.name for leftover in leftovers(HostRecords(catalog), store)}
    assert found == {names["dead"], names["removing"], names["old"]}
    everything = leftovers(HostRecords(catalog), store, older_than=0)
    assert {leftover.name for leftover in everything} == found | {names["young"]}


class Unsure(HookedStore):
    """Lists leftovers that may be another store's."""

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.keys = keys

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        yield from (Leftover(key, "unmarked", 1, 0.0, key, certain=False) for key in self.keys)

    def remove_leftover(self, leftover: Leftover) -> None:
        assert leftover.certain
        self.happens(f"removed {leftover.key}")


def test_what_may_be_another_stores_goes_only_if_the_catalog_knows_its_end(catalog: SqlCatalog) -> None:
    living, dead = begun(catalog), begun(catalog)
    catalog.release(dead)
    active = active_image(catalog)
    driver = Unsure(living.key, dead.key, active, "stranger")
    store = Store("fast", driver)
    found = {each.key: each.certain for each in leftovers(HostRecords(catalog), store)}
    assert found == {dead.key: True, "stranger": False}
    purge(store, HostRecords(catalog))
    assert driver.calls == [f"removed {dead.key}"]
    for each in list(transfers_leftovers(store, older_than=0)):
        each.remove()
    assert driver.calls == [f"removed {dead.key}"]
    catalog.close()


def test_objects_of_ended_attempts_are_found_and_no_others(catalog: SqlCatalog) -> None:
    driver = MemoryDriver.on(MemoryStorage())
    living, ended = begun(catalog), begun(catalog)
    catalog.release(ended)
    for key in (living.key, ended.key, f"{ended.image_id}.2", "stranger"):
        put(driver, key)
    assert [info.key for info in dead_objects(HostRecords(catalog), Store("fast", driver))] == [ended.key]
