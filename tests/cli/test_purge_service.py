"""`imgstore purge` where it knows the service's database: what died goes, what lives is spared, and why is said."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.driver.place import EPOCH_NAME, text_of_epoch
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.staging import hidden_name
from imgstore.model import Location, UploadResult
from imgstore.sql import EVERYTHING, SqlCatalog
from imgstore.store import Store
from imgstore.transfers.places import settle
from tests.cli.support import Shop
from tests.support.attempts import begun, dead


@pytest.fixture
def catalog(shop: Shop) -> Iterator[SqlCatalog]:
    """The service's catalog, where `--data-dir data` has it."""
    (shop.root / "data").mkdir()
    with contextlib.closing(SqlCatalog(f"sqlite:///{shop.root}/data/imgstore.sqlite")) as catalog:
        for store in ("fast", "slow"):
            settle(Store(store, FilesystemDriver(datadir=str(shop.datadir(store)))), catalog.places, create=True)
        yield catalog


def put(shop: Shop, name: str, store: str = "fast", *, age: float = 0) -> Path:
    path = shop.datadir(store) / name
    path.write_bytes(b"data")
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    return path


def test_what_died_goes_and_what_lives_stays(shop: Shop, catalog: SqlCatalog) -> None:
    died, living, ended, kept, deleted = dead(catalog), *(begun(catalog) for _ in range(4))
    for attempt in (kept, deleted):
        location = Location("fast", attempt.key, f"file:///{attempt.key}")
        catalog.activate(attempt, UploadResult(attempt.image_id, [location], 4, "sha512", "ab"))
    catalog.release(ended)
    catalog.delete(deleted.image_id, EVERYTHING)
    traces = {key: hidden_name(key) for key in (died.key, living.key)}
    for name in (died.key, living.key, ended.key, kept.key, deleted.key, "stranger", *traces.values()):
        put(shop, name, age=7200)
    put(shop, kept.key, "slow")
    expected = {
        died.key: f"image {died.image_id}: its upload by ",
        deleted.key: f"deleted data of image {deleted.image_id}",
        ended.key: "an object of an upload that ended without it",
    }
    listed = shop.run("purge", "--data-dir", "data", "--dry-run", "-f", "json").json()
    assert {row["name"]: row["removed"] for row in listed} == dict.fromkeys(expected, False)
    assert catalog.get(died.image_id, EVERYTHING).status == "saving", "nothing was done"
    rows = shop.run("purge", "--data-dir", "data", "-f", "json").json()
    assert {row["name"]: row["removed"] for row in rows} == dict.fromkeys(expected, True)
    for row in (*listed, *rows):
        assert row["reason"].startswith(expected[row["name"]])
    assert shop.names() == sorted([living.key, kept.key, "stranger", traces[living.key]])
    assert shop.names("slow") == [kept.key], "somebody made that copy"
    assert catalog.get(died.image_id, EVERYTHING).status == "queued"
    assert catalog.removals() == []
    assert shop.run("purge", "--data-dir", "data", "-f", "json").json() == []


def test_only_named_stores_are_purged(shop: Shop, catalog: SqlCatalog) -> None:
    died = dead(catalog, "slow")
    assert shop.run("purge", "--data-dir", "data", "fast", "-f", "json").json() == []
    assert catalog.get(died.image_id, EVERYTHING).status == "saving"
    (row,) = shop.run("purge", "--data-dir", "data", "slow", "-f", "json").json()
    assert (row["store"], row["name"], row["removed"]) == ("slow", died.key, True)


def test_store_that_is_down_keeps_its_removals_and_the_others_are_purged(shop: Shop, catalog: SqlCatalog) -> None:
    fast, slow = dead(catalog, "fast"), dead(catalog, "slow")
    shop.datadir("slow").rename(shop.root / "unmounted")
    done = shop.run("purge", "--data-dir", "data", "-f", "json")
    assert done.status == 5
    assert "Store 'slow'" in done.err
    assert {catalog.get(each.image_id, EVERYTHING).status for each in (fast, slow)} == {"queued"}
    assert [removal.key for removal in catalog.removals()] == [slow.key]


@pytest.mark.parametrize("command", [("purge",), ("scrub",), ("evacuate", "fast", "slow"), ("rm", "later")])
def test_a_database_older_than_its_store_removes_nothing_also_before_the_service_has_started(
    shop: Shop, catalog: SqlCatalog, command: tuple[str, ...]
) -> None:
    died = dead(catalog)
    for key in (died.key, "later"):
        put(shop, key)
    (shop.datadir("fast") / EPOCH_NAME).write_bytes(text_of_epoch(7))
    done = shop.run(*command, "--data-dir", "data")
    assert (done.status, "the database was restored from a backup" in done.err) == (1, True)
    assert sorted(shop.names("fast")) == sorted([died.key, "later"])
    assert catalog.restored.reason() == "The place of store fast is at epoch 7, the database at 0."


def test_store_that_is_not_enabled_is_told(shop: Shop, catalog: SqlCatalog) -> None:
    dead(catalog, "gone")
    catalog.abandon_uploads()
    done = shop.run("purge", "--data-dir", "data", "-f", "json")
    assert (done.status, done.out.strip()) == (0, b"[]")
    assert "'gone', which is not enabled" in done.err


def test_configuration_that_names_the_database_is_enough(shop: Shop, catalog: SqlCatalog) -> None:
    died = dead(catalog)
    with (shop.root / "imgstore.conf").open("a") as file:
        file.write("[service]\ndatabase = data/imgstore.sqlite\n")
    (shop.root / "imgstore.conf").chmod(0o640)  # a database's address may have a password
    assert [row["name"] for row in shop.run("purge", "-f", "json").json()] == [died.key]


def test_nothing_is_removed_while_the_database_that_is_named_is_away(shop: Shop) -> None:
    """Its disk may be not mounted: whatever it would have protected stays."""
    put(shop, ".imgstore-old-0123456789abcdef", age=7200)
    put(shop, "image")
    before = shop.names("fast")
    for command in (["purge"], ["rm", "image"]):
        done = shop.run(*command, "--data-dir", "data")
        assert (done.status, done.out) == (2, b"")
        assert "there is no database at" in done.err
    assert shop.names("fast") == before
    assert not (shop.root / "data").exists()


def test_database_that_cannot_be_used_is_told(shop: Shop) -> None:
    (shop.root / "data").mkdir()
    (shop.root / "data" / "imgstore.sqlite").write_bytes(b"this is no database" * 100)
    done = shop.run("purge", "--data-dir", "data")
    assert done.status == 1
    assert len(done.err.splitlines()) == 1
