"""`imgstore verify` without an object: catalog, quota and stores are compared, and only differences are told."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imgstore.cli.commands import verify as commands
from imgstore.cli.commands.verify import Passed
from imgstore.cli.interrupts import Interrupted
from imgstore.driver.place import EPOCH_NAME, text_of_epoch
from imgstore.model import Attempt, Location, UploadResult
from imgstore.service.cleanup import verify
from imgstore.sql import EVERYTHING, SqlCatalog
from imgstore.store import Store
from tests.cli.support import Done, Shop
from tests.cli.test_purge_service import catalog, put
from tests.support.attempts import begun, dead
from tests.support.service import ServiceProcess

__all__ = ["catalog"]

DATA = b"data"
VERIFY = ("verify", "--data-dir", "data")
AGREED = b"Catalog, usage and stores agree.\n"
CURE = "'imgstore usage --recompute --fix' puts it right"


def active(catalog: SqlCatalog, stores: Sequence[str] = ("fast",), *, data: bytes = DATA) -> Attempt:
    attempt = begun(catalog, *stores[:1])
    locations = [Location(store, attempt.key, f"file:///{attempt.key}") for store in stores]
    value = hashlib.sha512(data).hexdigest()
    catalog.activate(attempt, UploadResult(attempt.image_id, locations, len(data), "sha512", value))
    return attempt


def told(shop: Shop, *arguments: str, status: int = 1) -> list[tuple[str, str, str]]:
    done = shop.run(*VERIFY, *arguments, "-f", "json")
    assert done.status == status, done.err
    rows: list[dict[str, Any]] = json.loads(done.out)
    return sorted((row["problem"], row["store"], row["key"]) for row in rows)


def test_what_is_as_it_should_be_is_told_and_good(shop: Shop, catalog: SqlCatalog) -> None:
    kept, living, removing, died = active(catalog), begun(catalog), active(catalog), dead(catalog)
    catalog.delete(removing.image_id, EVERYTHING)
    for attempt in (kept, living, removing, died):
        put(shop, attempt.key)
    assert told(shop, "--digests", status=0) == []
    done = shop.run(*VERIFY)
    assert (done.status, done.out, done.err) == (0, AGREED, "")


def test_every_difference_is_told(shop: Shop, catalog: SqlCatalog) -> None:
    missing, short, rotten, twice = (active(catalog) for _ in range(4))
    also = active(catalog, ["fast", "slow"])
    gone = active(catalog, ["gone"])
    ended = begun(catalog)
    catalog.release(ended)
    for attempt in (rotten, twice, also, ended):
        put(shop, attempt.key)
    put(shop, short.key).write_bytes(b"dat")
    put(shop, rotten.key).write_bytes(b"rats")
    put(shop, twice.key, "slow")
    put(shop, "stranger", "slow")
    expected = [
        ("missing", "fast", missing.key),
        ("missing", "slow", also.key),
        ("no store", "gone", ""),
        ("size", "fast", short.key),
        ("unknown object", "fast", ended.key),
        ("unknown object", "slow", "stranger"),
        ("unknown object", "slow", twice.key),
    ]
    assert told(shop) == sorted(expected)
    assert told(shop, "--digests") == sorted([*expected, ("digest", "fast", rotten.key)])
    assert told(shop, "slow:") == sorted(row for row in expected if row[1] == "slow")
    assert catalog.get(gone.image_id, EVERYTHING).status == "active"
    table = shop.run(*VERIFY)
    assert table.status == 1
    assert b"3 bytes, where the image has 4" in table.out
    assert b"imgstore purge" in table.out


def execute(database: Path, statement: str) -> None:
    """Behind the back of catalog and ledger."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute(statement).rowcount == 1


def usage_told(shop: Shop) -> list[tuple[str, str, str]]:
    rows = shop.run(*VERIFY, "-f", "json")
    assert rows.status == 1
    found: list[dict[str, str]] = json.loads(rows.out)
    assert {row["problem"] for row in found} == {"usage"}
    return [(row["store"], row["image"], row["detail"]) for row in found]


def test_usage_that_is_off_is_told_account_by_account(shop: Shop, catalog: SqlCatalog) -> None:
    put(shop, active(catalog).key)
    assert shop.run(*VERIFY).out == AGREED
    database = shop.root / "data" / "imgstore.sqlite"
    execute(database, "UPDATE quota_accounts SET used_bytes = 99, uploads = 2 WHERE owner = 'default' AND store = ''")
    execute(database, "UPDATE quota_accounts SET held_bytes = 7 WHERE owner = 'default' AND store = 'fast'")
    execute(database, "UPDATE quota_accounts SET images = 3 WHERE owner = '' AND store = 'fast'")
    assert usage_told(shop) == [
        ("fast", "", f"3 objects are counted, not 1: {CURE}"),
        ("", "", f"project default: 99 bytes in use are counted, not 4, 2 uploads are counted, not 0: {CURE}"),
        ("fast", "", f"project default: 7 bytes held are counted, not 0: {CURE}"),
    ]
    assert told(shop, "fast:", status=0) == [], "of one store only its objects are compared"
    assert shop.run("usage", "--data-dir", "data", "--recompute", "--fix").status == 0
    assert told(shop, status=0) == []


def test_image_that_is_counted_wrong_is_told_where_the_accounts_are_right_by_chance(
    shop: Shop, catalog: SqlCatalog
) -> None:
    first, second = active(catalog), active(catalog)
    for attempt in (first, second):
        put(shop, attempt.key)
    assert told(shop, status=0) == []
    database = shop.root / "data" / "imgstore.sqlite"
    for attempt, size in ((first, 3), (second, 5)):
        execute(database, f"UPDATE quota_entries SET bytes = {size} WHERE key = '{attempt.key}' AND store = 'fast'")
    expected = [("", image_id, f"it is counted wrong: {CURE}") for image_id in (first.image_id, second.image_id)]
    assert usage_told(shop) == sorted(expected)


@pytest.mark.parametrize(("store", "length"), [("fast", 10_000), ("fast,slow", None)])
def test_upload_under_way_is_no_difference(tmp_path: Path, shop: Shop, length: int | None, store: str) -> None:
    """Of unknown length it holds more than it has written."""
    service = ServiceProcess(tmp_path, options={"imgstore": {"several_stores": "all"}})
    command = ("verify", "--config-file", str(service.configuration), "--data-dir", str(service.root))
    with service:
        image_id = service.client.create()
        with service.client.begin_upload(image_id, length=length, store=store) as upload:
            verified = [shop.run(*command)]
            upload.send(bytes(9_000))
            verified.append(shop.run(*command))
            service.client.delete(image_id)
            verified.append(shop.run(*command))
            upload.send(bytes(1_000))
            assert upload.finish().status == 410
        assert [*verified, shop.run(*command)] == [Done(0, AGREED, "")] * 4


def test_image_without_any_location_is_told(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = begun(catalog)
    catalog.activate(attempt, UploadResult(attempt.image_id, [], 4, "sha512", "ab"))
    assert told(shop) == [("no data", "", "")]


def test_an_object_stays_whose_image_lost_its_location(shop: Shop, catalog: SqlCatalog) -> None:
    """The database lost the row, as in a dump that is not of one moment: the object may be all that is left."""
    attempt = active(catalog)
    put(shop, attempt.key)
    assert told(shop, status=0) == []
    execute(shop.root / "data" / "imgstore.sqlite", "DELETE FROM image_locations")
    lost = [("no data", "", ""), ("unknown object", "fast", attempt.key)]
    assert [row for row in told(shop) if row[0] != verify.USAGE] == lost
    assert shop.run("usage", "--data-dir", "data", "--recompute", "--fix").status == 0
    assert shop.run("purge", "--data-dir", "data").status == 0
    assert (shop.names("fast"), catalog.removals(), told(shop)) == ([attempt.key], [], lost)


def test_a_database_older_than_its_store_is_told_of_before_somebody_removes_what_it_does_not_know(
    shop: Shop, catalog: SqlCatalog
) -> None:
    put(shop, "later")
    (shop.datadir("fast") / EPOCH_NAME).write_bytes(text_of_epoch(7))
    assert b"may be of an upload after the backup: see 'imgstore adopt'" in shop.run(*VERIFY, "fast:").out


def test_store_without_listing_is_compared_one_way(shop: Shop, catalog: SqlCatalog) -> None:
    shop.add("mute", "silent")
    attempt = active(catalog, ["mute"])
    assert told(shop, "mute:") == [("missing", "mute", attempt.key)]


def test_store_that_is_down_is_told_and_the_others_are_compared(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = active(catalog)
    shop.datadir("slow").rename(shop.root / "unmounted")
    done = shop.run(*VERIFY, "-f", "value", "-c", "problem", "-c", "key")
    assert (done.status, done.out) == (5, f"missing {attempt.key}\n".encode())
    assert "Store 'slow'" in done.err


def test_catalog_that_is_not_there_is_no_agreement(shop: Shop) -> None:
    for arguments in (["verify"], ["verify", "--data-dir", "nowhere"]):
        done = shop.run(*arguments)
        assert done.status == 2
        assert "--data-dir" in done.err
    assert not (shop.root / "nowhere").exists()


def test_comparison_that_a_signal_ends_tells_where_to_go_on(
    shop: Shop, catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted(active(catalog).key for _ in range(2))
    monkeypatch.setattr(verify, "FEW", 1)

    class Ended(Passed):
        def __call__(self, store: Store, number: int, key: str) -> None:
            super().__call__(store, number, key)
            raise Interrupted(15)

    with monkeypatch.context() as patch:
        patch.setattr(commands, "Passed", Ended)
        done = shop.run(*VERIFY, "--digests", "fast:")
    assert (f"Found: missing fast {first}" in done.err, f"fast: --after {first}" in done.err) == (True, True)
    assert told(shop, "fast:", "--after", first) == [("missing", "fast", second)]
