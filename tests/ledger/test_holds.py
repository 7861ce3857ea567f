"""Quota is a hold: each step of the ledger, on each kind of database, taken once, twice and in any order."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.limits import Allowance
from imgstore.model import Location
from imgstore.sql import Charge, Database, LedgerAccount, ObjectId, OutcomeUnknown, SqlLedger
from imgstore.sql.ledger.hold import SqlHold
from imgstore.sql.ledger.schema import ENTRIES
from imgstore.sql.ledger.three_accounts import LARGEST
from tests.ledger.conftest import LIMIT, NONE, OWNER, STORE, Ledgers, new_attempt
from tests.support.waiting import until

P, PS, S = LedgerAccount(OWNER, ""), LedgerAccount(OWNER, STORE), LedgerAccount("", STORE)
STORES = (STORE, "slow", "aside")
"""Of an attempt that writes to several."""


def entries(database: Database) -> list[tuple[str, int]]:
    query = sa.select(ENTRIES.c.state, ENTRIES.c.bytes).order_by(ENTRIES.c.image_id)
    return database.read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])


def test_hold_counts_for_project_project_in_store_and_store(ledger: SqlLedger) -> None:
    hold = ledger.reserve(new_attempt(), STORE, 40)
    assert ledger.accounts() == {
        P: Charge(held=40, uploads=1), PS: Charge(held=40, images=1, uploads=1), S: Charge(held=40, images=1, uploads=1)
    }  # fmt: skip
    hold.settle(30)
    assert ledger.accounts() == {P: Charge(used=30), PS: Charge(used=30, images=1), S: Charge(used=30, images=1)}


def test_size_below_zero_holds_nothing(ledger: SqlLedger) -> None:
    with pytest.raises(errors.UsageError):
        ledger.reserve(new_attempt(), STORE, -1)
    assert ledger.accounts() == {}


def test_upload_to_several_stores_is_one_upload_of_its_project(ledgers: Ledgers) -> None:
    ledger, attempt = ledgers(Allowance(uploads=1)), new_attempt()
    holds = [ledger.reserve(attempt, store, None) for store in STORES]
    for hold in holds:
        hold.extend_to(10)
        assert isinstance(hold, SqlHold)
        ledger.shrink(hold, 10)
    assert ledger.account(OWNER) == Charge(held=30, uploads=1)
    for store in STORES:
        assert ledger.account(OWNER, store) == Charge(held=10, images=1, uploads=1), "each store has one"
        assert ledger.account("", store) == Charge(held=10, images=1, uploads=1)
    with pytest.raises(errors.QuotaExceeded, match="The quota is 1 uploads at a time, 1 are under way"):
        ledger.reserve(new_attempt(), STORE, 1)
    for hold in holds:
        hold.settle(9)
    assert ledger.account(OWNER) == Charge(used=27)


def test_upload_counts_until_its_last_store_is_left_out(ledgers: Ledgers) -> None:
    ledger = ledgers(Allowance(uploads=1))
    for order in itertools.permutations(STORES):
        attempt = new_attempt()
        for store in STORES:
            ledger.reserve(attempt, store, 10)
        for left, store in zip((2, 1, 0), order, strict=True):
            assert ledger.account(OWNER).uploads == 1
            with pytest.raises(errors.QuotaExceeded):
                ledger.reserve(new_attempt(), STORE, 1)
            assert ledger.release(ObjectId(store, attempt.key))
            assert not ledger.release(ObjectId(store, attempt.key))
            assert ledger.account(OWNER) == Charge(held=10 * left, uploads=min(left, 1))
        ledger.reserve(new_attempt(), STORE, 1).release()


def test_other_attempt_of_the_same_image_is_another_upload(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    first = [ledger.reserve(attempt, store, 1) for store in (STORE, "slow")]
    second = ledger.reserve(dataclasses.replace(attempt, number=2), STORE, 1)
    assert ledger.account(OWNER) == Charge(held=3, uploads=2)
    first[0].release()
    assert ledger.account(OWNER) == Charge(held=2, uploads=2)
    second.release()
    first[1].release()
    assert ledger.accounts() == {}


def test_every_store_of_an_upload_is_renewed_and_expires(ledgers: Ledgers, database: Database) -> None:
    ledger, attempt = ledgers(lease=3600), new_attempt()
    object_ids = {ObjectId(store, attempt.key) for store in (STORE, "slow")}
    for object_id in object_ids:
        ledger.reserve(attempt, object_id.store, 1)
    assert set(ledger.held()) == object_ids
    database.change(lambda connection: connection.execute(sa.update(ENTRIES).values(expires_at=1)))
    assert set(ledger.expired()) == object_ids
    ledger.renew()
    assert ledger.expired() == []


def test_released_hold_leaves_no_trace(ledger: SqlLedger, database: Database) -> None:
    for size in (40, None):
        ledger.reserve(new_attempt(), STORE, size).release()
    assert (ledger.accounts(), entries(database)) == ({}, [])


def test_limit_is_met_to_the_byte(ledger: SqlLedger) -> None:
    for owner, size in (("a", LIMIT), ("b", 0)):
        ledger.reserve(new_attempt(owner), STORE, LIMIT - size).settle(LIMIT - size)
        with pytest.raises(errors.QuotaExceeded) as caught:
            ledger.reserve(new_attempt(owner), STORE, size + 1)
        taken = f"{LIMIT - size} are in use or being uploaded"
        assert str(caught.value) == f"The quota is {LIMIT} bytes, {taken}, and {size + 1} more were asked for."
        ledger.reserve(new_attempt(owner), STORE, size).settle(size)
        assert ledger.account(owner) == Charge(used=LIMIT)


def test_unknown_size_grows_to_the_limit_and_not_a_byte_further(ledger: SqlLedger) -> None:
    ledger.reserve(new_attempt(), STORE, 300).settle(300)
    hold = ledger.reserve(new_attempt(), STORE, None)
    for total in range(7, LIMIT - 300 + 1, 7):
        hold.extend_to(total)
    hold.extend_to(700)
    with pytest.raises(errors.QuotaExceeded, match="and 1 more were asked for"):
        hold.extend_to(701)
    assert ledger.account(OWNER).taken == LIMIT
    hold.extend_to(650)
    hold.settle(700)
    assert ledger.account(OWNER) == Charge(used=LIMIT)


def test_each_limit_refuses_with_its_figures(ledgers: Ledgers) -> None:
    one = Allowance(images=1)
    for opened, message in (
        (ledgers(Allowance(size=50)), "The quota is 50 bytes, 40 are in use"),
        (ledgers(in_store=Allowance(size=50)), "The quota in store 'fast' is 50 bytes, 40 are"),
        (ledgers(capacity=50), "The capacity is 50 bytes, 40 are in use"),
        (ledgers(Allowance(uploads=1)), "The quota is 1 uploads at a time, 1 are under way"),
        (ledgers(in_store=one), "The quota is 1 images, 1 are there"),
    ):
        held = opened.reserve(new_attempt(), STORE, 40)
        before = opened.accounts()
        with pytest.raises(errors.StoreFull if "capacity" in message else errors.QuotaExceeded) as caught:
            opened.reserve(new_attempt(), STORE, 11)
        assert str(caught.value).removeprefix("Store 'fast': ").startswith(message)
        assert caught.value.status == 413
        assert opened.accounts() == before, "a refusal changes nothing"
        opened.reserve(new_attempt("other"), "other", 50).release()
        held.release()


def test_number_of_images_is_limited(ledgers: Ledgers) -> None:
    ledger = ledgers(Allowance(images=2))
    for name in ("a", "b", "b"):
        ledger.add_image(name, OWNER)
    with pytest.raises(errors.QuotaExceeded, match="The quota is 2 images, 2 are there"):
        ledger.add_image("c", OWNER)
    for name in ("a", "a"):
        ledger.remove_image(name)
    ledger.add_image("c", OWNER)
    assert ledger.account(OWNER) == Charge(images=2)


def test_steps_may_come_twice_and_in_any_order(ledger: SqlLedger, database: Database) -> None:
    """As of a process that died, its recovery, and a deletion that overtakes a settlement."""
    steps: dict[str, Callable[[ObjectId], object]] = {
        "settle": lambda object_id: ledger.settle(object_id, 30),
        "release": ledger.release,
        "give back": lambda object_id: ledger.give_back(OWNER, Location(object_id.store, object_id.key, ""), 30),
        "forget": ledger.forget,
    }
    for first, second in itertools.product(steps, steps):
        attempt = new_attempt()
        hold = ledger.reserve(attempt, STORE, 40)
        for name in (first, first, second, second):
            steps[name](ObjectId(STORE, attempt.key))
        hold.settle(30)
        hold.release()
        kept = first == "settle" and second in ("settle", "release")
        assert entries(database) == ([("used", 30)] if kept else []), (first, second)
        assert ledger.account(OWNER) == (Charge(used=30) if kept else Charge())
        ledger.forget(ObjectId(STORE, attempt.key))


def test_deleted_image_counts_for_the_store_until_its_object_is_gone(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    ledger.add_image(attempt.image_id, OWNER)
    ledger.reserve(attempt, STORE, 40).settle(40)
    assert ledger.account(OWNER) == Charge(used=40, images=1)
    ledger.remove_image(attempt.image_id)
    assert (ledger.account(OWNER), ledger.account(OWNER, STORE)) == (Charge(), Charge())
    assert ledger.account("", STORE) == Charge(used=40, images=1)
    ledger.give_back(OWNER, Location(STORE, attempt.key, ""), 40)
    assert ledger.accounts() == {}


def test_object_is_held_once(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    ledger.reserve(attempt, STORE, 10)
    with pytest.raises(errors.CatalogUnavailable, match="counts this object already"):
        ledger.reserve(attempt, STORE, 10)
    assert ledger.account(OWNER) == Charge(held=10, uploads=1)


def test_size_that_no_column_takes_is_refused_as_too_large(ledger: SqlLedger) -> None:
    for size, refusal in ((10**30, errors.ImageTooLarge), (LARGEST, errors.QuotaExceeded)):
        with pytest.raises(refusal):
            ledger.reserve(new_attempt(), STORE, size)
    assert ledger.accounts() == {}


def test_limit_that_no_column_takes_is_none(ledgers: Ledgers) -> None:
    ledger = ledgers(Allowance(10**30, 10**30, 10**30))
    ledger.add_image("a", OWNER)
    ledger.reserve(new_attempt(), STORE, 1).release()


def test_hold_whose_reservation_is_uncertain_is_ended(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    change = ledger._database.change

    def made_but_unknown(work: Callable[[sa.Connection], object]) -> object:
        monkeypatch.undo()
        change(work)
        raise OutcomeUnknown("COMMIT failed")

    monkeypatch.setattr(ledger._database, "change", made_but_unknown)
    with pytest.raises(errors.CatalogUnavailable):
        ledger.reserve(new_attempt(), STORE, 10)
    until(lambda: ledger.accounts() == {})


def test_end_that_the_database_did_not_take_is_made_up_for(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    settled, released = (ledger.reserve(new_attempt(owner), STORE, 10) for owner in ("a", "b"))

    def away(work: object) -> object:
        raise errors.CatalogUnavailable("The database is away.")

    monkeypatch.setattr(ledger._database, "change", away)
    settled.settle(7)
    released.release()
    monkeypatch.undo()
    until(lambda: (ledger.account("a"), ledger.account("b")) == (Charge(used=7), Charge()))


def test_holds_are_looked_after_again_when_there_is_a_thread(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = ledgers(NONE)
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    ledger.reserve(new_attempt(), STORE, 10)
    monkeypatch.undo()
    ledger.reserve(new_attempt(), STORE, 10)
    thread = ledger._keeper._thread
    assert thread is not None
    assert thread.is_alive()


def test_living_process_renews_its_holds_and_a_dead_ones_expire(ledgers: Ledgers) -> None:
    living, dead = ledgers(NONE, lease=1), ledgers(NONE, lease=1)
    kept, lost = living.reserve(new_attempt(), STORE, 10), new_attempt()
    dead.reserve(lost, STORE, 20)
    assert ObjectId(STORE, lost.key) in living.held()
    dead._keeper.close()  # as if the process had ended: nobody looks after its holds
    until(lambda: living.expired() == [ObjectId(STORE, lost.key)])
    assert living.release(ObjectId(STORE, lost.key))
    assert living.account(OWNER) == Charge(held=10, uploads=1)
    kept.release()
