"""The places of stores on the command line: made and marked, looked at, adopted."""

from __future__ import annotations

import json

from imgstore.cli.commands.check import TO_THE_SERVICE, UNKNOWN_MARKS
from imgstore.driver.place import MARK_NAME
from imgstore.sql import SqlCatalog
from tests.cli.support import Shop
from tests.cli.test_evacuate import stored
from tests.cli.test_purge_service import catalog, put

__all__ = ["catalog"]


def test_a_place_is_made_by_check_create_and_by_nothing_else(shop: Shop) -> None:
    shop.datadir("slow").rmdir()
    refused = shop.run("check", "slow")
    assert refused.status == 1
    assert b"for a new store: imgstore check --create" in refused.out
    for arguments in (("put", "imgstore.conf", "slow:key"), ("ls", "slow:"), ("stores",), ("purge", "slow")):
        shop.run(*arguments)
    assert not shop.datadir("slow").exists()
    made = shop.run("check", "--create", "slow")
    assert (made.status, UNKNOWN_MARKS in made.err) == (0, True)
    mark = (shop.datadir("slow") / MARK_NAME).read_text()
    assert shop.run("check", "--create", "slow").status == 0
    assert (shop.datadir("slow") / MARK_NAME).read_text() == mark


def test_the_places_of_a_service_are_made_with_its_catalog_or_not_at_all(shop: Shop) -> None:
    shop.datadir("slow").rmdir()
    named = shop.run("check", "--create", "slow", "--data-dir", "data")
    with (shop.root / "imgstore.conf").open("a") as file:
        file.write("[service]\nthreads = 2\n")
    told = shop.run("check", "--create", "slow")
    assert (named.status, "its directory with --data-dir" in named.err) == (2, True)
    assert (told.status, TO_THE_SERVICE in told.err) == (2, True)
    assert not shop.datadir("slow").exists()


def test_commands_refuse_a_place_that_the_catalog_does_not_know(shop: Shop, catalog: object) -> None:
    put(shop, "key", "slow")
    kept = shop.datadir("slow").rename(shop.root / "disk")
    shop.datadir("slow").mkdir()
    with (shop.root / "imgstore.conf").open("a") as file:
        file.write("[service]\ndatabase = data/imgstore.sqlite\n")
    for arguments in (("get", "slow:key", "-"), ("put", "imgstore.conf", "slow:other"), ("rm", "slow:key")):
        assert "its place has no mark" in shop.run(*arguments).err
    shop.datadir("slow").rmdir()
    kept.rename(shop.datadir("slow"))
    assert shop.run("get", "slow:key", "-").out == b"data"


def test_a_place_is_adopted_by_name_only_and_never_a_neighbours(shop: Shop, catalog: object) -> None:
    assert shop.run("check", "--create", "fast", "--data-dir", "data").err == ""
    (shop.datadir("slow") / MARK_NAME).unlink()
    assert shop.run("stores", "adopt", "--data-dir", "data").status == 2
    adopted = shop.run("stores", "adopt", "slow", "--data-dir", "data", "-f", "json").json()
    assert adopted == [{"store": "slow", "place": "is marked now"}]
    (shop.datadir("slow") / MARK_NAME).write_bytes((shop.datadir("fast") / MARK_NAME).read_bytes())
    refused = shop.run("stores", "adopt", "slow", "--data-dir", "data")
    assert "It is the place of store 'fast'" in refused.err
    healths = json.loads(shop.run("stores", "--data-dir", "data", "-f", "json").out)
    assert [each["health"] == "ok" for each in healths] == [True, False]


def test_a_place_that_is_not_the_remembered_one_can_be_looked_at_before_it_is_adopted(
    shop: Shop, catalog: SqlCatalog
) -> None:
    kept = stored(shop, catalog, "slow")
    (shop.datadir("slow") / MARK_NAME).unlink()
    agrees = shop.run("verify", "slow:", "--data-dir", "data")
    (shop.datadir("slow") / kept.key).unlink()
    differs = shop.run("verify", "slow:", "--data-dir", "data")
    shop.datadir("slow").rmdir()
    gone = shop.run("verify", "slow:", "--data-dir", "data")
    told = [
        (done.status, b"missing" in done.out, "imgstore stores adopt slow" in done.err)
        for done in (agrees, differs, gone)
    ]
    assert told == [(5, False, True), (5, True, False), (5, False, False)]
