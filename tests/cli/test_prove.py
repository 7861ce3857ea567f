"""`imgstore check --prove`: a table or JSON of what a store keeps, and nothing left, also after Ctrl-C."""

from __future__ import annotations

import signal

from imgstore.proving import PREFIX
from tests.cli.support import PATIENCE, Shop
from tests.support.waiting import until

ROW = {"store", "fact", "result", "found"}


def test_a_store_is_proved_as_json_and_nothing_stays(shop: Shop) -> None:
    rows = shop.run("check", "--prove", "fast", "-f", "json").json()
    assert {frozenset(row) for row in rows} == {frozenset(ROW)}
    assert len(rows) >= 20
    assert {row["result"] for row in rows} == {"holds", "fact", "not applicable"}
    assert shop.names() == []


def test_a_broken_law_is_a_failure(shop: Shop) -> None:
    shop.add("wrong", "lying")
    done = shop.run("check", "--prove", "wrong", "-f", "csv")
    assert (done.status, done.err) == (1, "")
    assert b'"wrong","objects are read back","broken","other bytes are read than' in done.out
    assert shop.names("wrong") == []


def test_what_cannot_be_proved_is_refused_in_a_line(shop: Shop) -> None:
    shop.add("old", read_only=True)
    read_only = shop.run("check", "--prove", "old")
    assert (read_only.status, read_only.out) == (5, b"")
    assert read_only.err == "imgstore: store 'old' is read-only: it is proved by writing, and cannot be.\n"
    nameless = shop.run("check", "--prove")
    assert (nameless.status, nameless.err) == (2, "imgstore: --prove needs a store: imgstore check --prove STORE.\n")


def test_ctrl_c_leaves_nothing_of_a_proof(shop: Shop) -> None:
    shop.add("gated", "gated")
    gate = shop.gate("commit")
    process = shop.spawn("check", "--prove", "gated")
    with gate.open("wb", buffering=0) as opened:  # it waits in the commit of its first object
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"stopping" in process.stderr.readline()
        gate.unlink()
        opened.write(b"x")
    assert process.wait(PATIENCE) == 130
    until(lambda: shop.names("gated") == [])
    assert not [name for name in shop.names("gated") if PREFIX in name]
