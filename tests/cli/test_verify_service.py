"""`imgstore verify` without an object: catalog and stores are compared both ways, and only differences are told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from imgstore.model import Attempt, Location, UploadResult
from imgstore.sql import EVERYTHING, SqlCatalog
from tests.cli.support import Shop
from tests.cli.test_purge_service import begun, catalog, dead, put

__all__ = ["catalog"]

DATA = b"data"
VERIFY = ("verify", "--data-dir", "data")


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
    assert (done.status, done.out, done.err) == (0, b"Catalog and stores agree.\n", "")


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


def test_image_without_any_location_is_told(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = begun(catalog)
    catalog.activate(attempt, UploadResult(attempt.image_id, [], 4, "sha512", "ab"))
    assert told(shop) == [("no data", "", "")]


def test_store_without_listing_is_compared_one_way(shop: Shop, catalog: SqlCatalog) -> None:
    shop.add("mute", "silent")
    attempt = active(catalog, ["mute"])
    assert told(shop, "mute:") == [("missing", "mute", attempt.key)]


def test_store_that_is_down_is_told_and_the_others_are_compared(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = active(catalog)
    shop.datadir("slow").rmdir()
    done = shop.run(*VERIFY, "-f", "value", "-c", "problem", "-c", "key")
    assert (done.status, done.out) == (5, f"missing {attempt.key}\n".encode())
    assert "Store 'slow'" in done.err


def test_catalog_that_is_not_there_is_no_agreement(shop: Shop) -> None:
    for arguments in (["verify"], ["verify", "--data-dir", "nowhere"]):
        done = shop.run(*arguments)
        assert done.status == 2
        assert "--data-dir" in done.err
    assert not (shop.root / "nowhere").exists()


def test_options_of_the_other_kind_are_refused(shop: Shop) -> None:
    assert "--expect is for one object" in shop.run("verify", "--expect", "ab").err
    assert "--digests is for comparing everything" in shop.run("verify", "fast:key", "--digests").err
