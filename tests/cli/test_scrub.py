"""`imgstore scrub` finds what is wrong, heals it from a copy that is right, and goes on where it ended."""

from __future__ import annotations

import json
import time

import pytest

from imgstore.cli.commands import scrub
from imgstore.service.cleanup.scrub import HEALED, UNREADABLE, WRONG
from imgstore.sql import EVERYTHING, SqlCatalog
from tests.cli.support import Shop, time_for_one_object
from tests.cli.test_evacuate import stored
from tests.cli.test_purge_service import catalog, put

__all__ = ["catalog"]

SCRUB = ("scrub", "--data-dir", "data", "-f", "json")


def results(shop: Shop, *options: str, status: int = 0) -> dict[tuple[str, str], str]:
    done = shop.run(*SCRUB, *options)
    assert done.status == status, done.err
    return {(row["store"], row["image"]): row["result"] for row in json.loads(done.out)}


def test_wrong_copy_is_healed_from_a_right_one_and_else_told(shop: Shop, catalog: SqlCatalog) -> None:
    good, alone, rotten, missing, both = (
        stored(shop, catalog, *stores) for stores in (["fast"], ["fast"], *[["fast", "slow"]] * 3)
    )
    put(shop, alone.key).write_bytes(b"rats")
    put(shop, rotten.key).write_bytes(b"rats")
    (shop.datadir("slow") / missing.key).unlink()
    for store in ("fast", "slow"):
        put(shop, both.key, store).write_bytes(b"dat")
    wrong = {("fast", alone.image_id): WRONG, ("fast", both.image_id): WRONG, ("slow", both.image_id): WRONG}
    healed = {("fast", rotten.image_id): HEALED, ("slow", missing.image_id): HEALED}
    assert catalog.scrubs.complete() == {}
    assert results(shop, status=1) == {**wrong, **healed}
    assert results(shop, status=1) == wrong, "what is healed is right"
    assert catalog.scrubs.complete().keys() == {"fast", "slow"}
    for attempt in (rotten, missing):
        locations = catalog.get(attempt.image_id, EVERYTHING).locations
        assert {(shop.datadir(place.store) / place.key).read_bytes() for place in locations} == {b"data"}
        assert sorted(place.store for place in locations) == ["fast", "slow"]
    assert catalog.removals() == []
    assert (shop.datadir("fast") / good.key).exists()


def test_scrub_goes_on_where_it_ended(shop: Shop, catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stored(shop, catalog), stored(shop, catalog)
    for attempt in (first, second):
        put(shop, attempt.key).write_bytes(b"rats")
    with time_for_one_object(monkeypatch):
        assert results(shop, "fast", status=1) == {("fast", first.image_id): WRONG}
    assert catalog.scrubs.complete() == {}
    assert results(shop, "fast", status=1) == {("fast", second.image_id): WRONG}
    assert catalog.scrubs.complete().keys() == {"fast"}


def test_store_that_does_not_answer_proves_nothing(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = stored(shop, catalog, "fast", "slow")
    shop.datadir("slow").rename(shop.root / "unmounted")
    assert results(shop, "slow", status=1) == {("slow", attempt.image_id): UNREADABLE}
    assert len(catalog.get(attempt.image_id, EVERYTHING).locations) == 2


def test_rate_waits_for_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    rate = scrub.Rate(1000, 10.0)
    rate(4000)
    assert now[0] == pytest.approx(104.0)
    with pytest.raises(scrub.TimeIsUp):
        rate(7000)
