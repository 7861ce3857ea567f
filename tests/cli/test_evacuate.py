"""`imgstore evacuate` moves every image of a store, or says why one stays; what it began it ends when it runs again."""

from __future__ import annotations

import json

import pytest

from imgstore.cli.interrupts import INTERRUPTS, Interrupted
from imgstore.model import Attempt
from imgstore.service.cleanup import evacuation
from imgstore.sql import EVERYTHING, SqlCatalog
from tests.cli.support import Shop
from tests.cli.test_purge_service import catalog, put
from tests.cli.test_verify_service import active
from tests.support.attempts import begun

__all__ = ["catalog"]

EVACUATE = ("evacuate", "fast", "slow", "--data-dir", "data", "-f", "json")


def stored(shop: Shop, catalog: SqlCatalog, *stores: str) -> Attempt:
    attempt = active(catalog, stores or ("fast",))
    for store in stores or ("fast",):
        put(shop, attempt.key, store)
    return attempt


def where(catalog: SqlCatalog, attempt: Attempt) -> list[str]:
    return sorted(location.store for location in catalog.get(attempt.image_id, EVERYTHING).locations)


def results(shop: Shop, *options: str, status: int = 0) -> dict[str, str]:
    done = shop.run(*EVACUATE, *options)
    assert done.status == status, done.err
    return {row["image"]: row["result"] for row in json.loads(done.out)}


def test_every_image_is_moved_or_told_and_a_second_run_has_nothing_left(shop: Shop, catalog: SqlCatalog) -> None:
    alone, both, elsewhere, rotten = (
        stored(shop, catalog), stored(shop, catalog, "fast", "slow"), stored(shop, catalog, "slow"),
        stored(shop, catalog),
    )  # fmt: skip
    put(shop, rotten.key).write_bytes(b"rats")
    living = begun(catalog)
    before = {each.image_id: where(catalog, each) for each in (alone, both, elsewhere, rotten)}
    planned = {alone.image_id: evacuation.MOVE, both.image_id: evacuation.DROP, rotten.image_id: evacuation.MOVE}
    assert results(shop, "--dry-run") == planned
    assert {each.image_id: where(catalog, each) for each in (alone, both, elsewhere, rotten)} == before
    done = {alone.image_id: evacuation.MOVED, both.image_id: evacuation.DROPPED, rotten.image_id: evacuation.STAYS}
    assert results(shop, status=1) == done
    assert [where(catalog, each) for each in (alone, both, elsewhere, rotten)] == [["slow"]] * 3 + [["fast"]]
    assert shop.names("fast") == [rotten.key]
    assert results(shop, status=1) == {rotten.image_id: evacuation.STAYS}
    assert catalog.get(living.image_id, EVERYTHING).status == "saving"
    verified = shop.run("verify", "--data-dir", "data")
    assert verified.status == 0, verified.out


def test_the_last_copy_is_not_given_up_for_one_that_is_gone_or_rotten(shop: Shop, catalog: SqlCatalog) -> None:
    gone, rotten = stored(shop, catalog, "fast", "slow"), stored(shop, catalog, "fast", "slow")
    (shop.datadir("slow") / gone.key).unlink()
    (shop.datadir("slow") / rotten.key).write_bytes(b"rats")
    assert results(shop, status=1) == {gone.image_id: evacuation.STAYS, rotten.image_id: evacuation.STAYS}
    assert where(catalog, gone) == where(catalog, rotten) == ["fast", "slow"]
    assert sorted(shop.names("fast")) == sorted([gone.key, rotten.key])


def test_deactivated_image_stays_and_is_told(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = stored(shop, catalog)
    catalog.set_active(attempt.image_id, EVERYTHING, active=False)
    assert results(shop, "--dry-run", status=1) == results(shop, status=1) == {attempt.image_id: evacuation.STAYS}


def test_what_is_interrupted_is_undone_and_the_next_run_goes_on(
    shop: Shop, catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = stored(shop, catalog)

    def at_first_chunk() -> None:
        if catalog.get(attempt.image_id, EVERYTHING).copying_to:
            raise Interrupted(15)

    with monkeypatch.context() as patch:
        patch.setattr(INTERRUPTS, "check", at_first_chunk)
        assert shop.run(*EVACUATE).status == 143
    assert (where(catalog, attempt), shop.names("slow")) == (["fast"], [])
    assert catalog.get(attempt.image_id, EVERYTHING).copying_to == ()
    assert results(shop) == {attempt.image_id: evacuation.MOVED}


def test_what_cannot_be_is_refused_before_anything_is_moved(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = stored(shop, catalog)
    shop.stores["slow"]["read_only"] = True
    shop.write()
    assert shop.run(*EVACUATE).status == 5
    same = shop.run("evacuate", "fast", "fast:", "--data-dir", "data")
    assert (same.status, "two stores" in same.err) == (2, True)
    assert shop.run("evacuate", "fast", "slow").status == 2, "without a catalog"
    catalog.restored.declare("An operator said so.")
    assert "restored" in shop.run("evacuate", "slow", "fast", "--data-dir", "data").err
    assert where(catalog, attempt) == ["fast"]
