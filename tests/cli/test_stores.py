"""What is done with whole stores: listed, proved, purged; and the service, and its sample."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.cli.drivers import HungDriver
from tests.cli.support import ROOT, Shop


def test_stores_lists_what_is_configured(shop: Shop) -> None:
    shop.add("old", capacity="1GiB", read_only="true")
    shop.add("mute", "silent")
    with (shop.root / "imgstore.conf").open("a") as file:
        file.write("[service]\nport = 1234\n[keystone_authtoken]\nanything = the service's own matter\n")
    rows = shop.run("stores", "-f", "json").json()
    assert [(row["store"], row["driver"], row["default"], row["read_only"], row["description"]) for row in rows] == [
        ("fast", "filesystem", True, False, "SSD"),
        ("slow", "filesystem", False, False, ""),
        ("old", "filesystem", False, True, ""),
        ("mute", "silent", False, False, ""),
    ]
    assert {row["health"] for row in rows} == {"ok"}
    assert (rows[2]["total"], rows[3]["free"]) == (1 << 30, None)
    assert 0 < rows[0]["free"] <= rows[0]["total"]
    table = shop.run("stores").out.decode()
    assert re.search(r"\| old +\| filesystem \| +\| yes +\| ok +\| .{10} \| +1\.0 GiB \|", table)


def test_stores_tells_which_store_is_ill_and_changes_nothing(shop: Shop) -> None:
    shop.datadir("slow").rmdir()
    rows = shop.run("stores", "-f", "json").json()
    assert rows[0]["health"] == "ok"
    assert "ENOENT" in rows[1]["health"]
    assert not shop.datadir("slow").exists()


@pytest.mark.server  # which waits
@pytest.mark.parametrize(("command", "column", "status"), [("stores", "health", 0), ("check", "result", 1)])
def test_contained_a_store_that_hangs_hides_no_other(shop: Shop, command: str, column: str, status: int) -> None:
    HungDriver.goes_on.clear()
    shop.add("far", "hung")
    shop.add("near", "silent")
    try:
        done = shop.run(command, "--timeout", "2s", "-f", "json")
    finally:
        HungDriver.goes_on.set()
    found = {row["store"]: row[column] for row in json.loads(done.out)}
    assert done.status == status
    assert found.pop("far") in {"no answer in 2 s", "failed"}
    assert found == dict.fromkeys(("fast", "slow", "near"), "ok")
    assert b"no answer in 2 s" in done.out
    assert "imgstore: fast: ok" in done.err


@pytest.mark.server  # which waits
def test_each_store_is_shown_as_it_answers(shop: Shop) -> None:
    shop.add("far", "hung")
    asking = shop.spawn("stores", "--timeout", "10m")
    assert asking.stderr is not None
    assert {asking.stderr.readline() for _ in range(2)} == {b"imgstore: fast: ok\n", b"imgstore: slow: ok\n"}
    assert asking.poll() is None, "it waits for the other one"


def test_check_writes_reads_back_and_removes(shop: Shop) -> None:
    shop.datadir("slow").rmdir()
    shop.add("old", read_only="true")
    rows = shop.run("check", "-f", "json").json()
    assert [(row["store"], row["result"]) for row in rows] == [("fast", "ok"), ("slow", "ok"), ("old", "ok")]
    assert rows[0]["detail"] == "1048577 bytes written, read back and removed"
    assert rows[2]["detail"] == "read-only: no object was written"
    assert (shop.names("fast"), shop.names("slow")) == ([], [])


def test_check_fails_if_any_store_does_and_leaves_nothing(shop: Shop) -> None:
    shop.add("liar", "lying")
    shop.add("full", capacity=1000)
    shop.add("gone", "exiting")
    shop.datadir("slow").rmdir()
    shop.file("slow", b"not a directory")
    done = shop.run("check", "-f", "value", "-c", "store", "-c", "result")
    assert (done.status, done.out) == (1, b"fast ok\nslow failed\nliar failed\nfull failed\ngone failed\n")
    assert (shop.names("liar"), shop.names("full")) == ([], [])
    assert shop.run("check", "fast").status == 0
    assert b"does not give back what was written" in shop.run("check", "liar", "-f", "json").out


def test_purge_goes_by_age_and_leaves_objects_alone(shop: Shop) -> None:
    for name, age in ((".imgstore-old-0123456789abcdef", 7200), (".imgstore-new-0123456789abcdef", 60), ("key", 7200)):
        path = shop.datadir("slow") / name
        path.write_bytes(b"left")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    rows = shop.run("purge", "-f", "json").json()
    assert [(row["store"], row["name"], row["size"], row["removed"]) for row in rows] == [
        ("slow", ".imgstore-old-0123456789abcdef", 4, True)
    ]
    assert shop.names("slow") == [".imgstore-new-0123456789abcdef", "key"]
    assert shop.run("purge", "--older-than", "30", "fast", "-f", "json").json() == []
    assert shop.run("purge", "--older-than", "30s", "slow").status == 0
    assert shop.names("slow") == ["key"]


def test_purge_lists_what_may_be_another_stores_and_leaves_it(shop: Shop) -> None:
    shop.add("shared", "unsure")
    done = shop.run("purge", "-f", "json")
    assert (done.status, [(row["name"], row["removed"]) for row in done.json()]) == (0, [("theirs", False)])


def test_purge_says_which_named_store_cannot_find_leftovers_and_goes_on_after_a_failure(shop: Shop) -> None:
    shop.add("mute", "silent")
    assert shop.run("purge").status == 0
    named = shop.run("purge", "mute")
    assert (named.status, named.err) == (1, "imgstore: Store 'mute': its driver cannot find leftovers.\n")
    shop.datadir("fast").rmdir()
    (shop.datadir("slow") / ".imgstore-old-0123456789abcdef").write_bytes(b"left")
    done = shop.run("purge", "--older-than", "0")
    assert (done.status, shop.names("slow")) == (5, [])


def test_the_sample_is_the_one_in_etc(shop: Shop) -> None:
    done = shop.shell(f"PYTHONPATH={ROOT} imgstore sample-config")
    assert (done.status, done.err) == (0, "")
    assert done.out.decode() == Path(ROOT, "etc", "imgstore.conf.sample").read_text()


def test_serve_passes_on_what_the_service_refuses(shop: Shop) -> None:
    (shop.root / "imgstore.conf").write_text("[imgstore]\nenabled_stores = a:nope\n")
    done = shop.run("serve", "--data-dir", "data")
    assert done.status == 2
    assert done.err.startswith("imgstore: [imgstore] enabled_stores: driver 'nope' is not installed.")
