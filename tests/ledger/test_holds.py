"""Law 4, quota is a hold: each step of the ledger, on each kind of database, taken once, twice and in any order."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.limits import Allowance
from imgstore.model import Location
from imgstore.sql import Charge, Database, LedgerAccount, ObjectId, OutcomeUnknown, SqlLedger
from imgstore.sql.ledger.accounts import LARGEST
from imgstore.sql.ledger.hold import SqlHold
from imgstore.sql.ledger.schema import ENTRIES
from tests.ledger.conftest import LIMIT, OWNER, STORE, ledger_with, new_attempt

P, PS, S = LedgerAccount(OWNER, ""), LedgerAccount(OWNER, STORE), LedgerAccount("", STORE)


def location(attempt_key: str) -> Location:
    return Location(STORE, attempt_key, "")


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


ELSEWHERE = ("slow", "aside")
"""Further stores of an attempt that writes to several."""


def test_upload_to_several_stores_is_one_upload_of_its_project(ledger_url: str, database: Database) -> None:
    with contextlib.closing(ledger_with(ledger_url, Allowance(uploads=1))) as ledger:
        attempt = new_attempt()
        holds = [ledger.reserve(attempt, store, None) for store in (STORE, *ELSEWHERE)]
        for hold in holds:
            hold.extend_to(10)
            assert isinstance(hold, SqlHold)
            ledger.shrink(hold, 10)
        assert ledger.account(OWNER) == Charge(held=30, uploads=1)
        for store in (STORE, *ELSEWHERE):
            assert ledger.account(OWNER, store) == Charge(held=10, images=1, uploads=1), "each store has one"
            assert ledger.account("", store) == Charge(held=10, images=1, uploads=1)
        with pytest.raises(errors.QuotaExceeded, match="The quota is 1 uploads at a time, 1 are under way"):
            ledger.reserve(new_attempt(), STORE, 1)
        for hold in holds:
            hold.settle(9)
        assert ledger.account(OWNER) == Charge(used=27)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_upload_counts_until_its_last_store_is_left_out(
    ledger_url: str, database: Database, order: Sequence[int]
) -> None:
    with contextlib.closing(ledger_with(ledger_url, Allowance(uploads=1))) as ledger:
        attempt = new_attempt()
        object_ids = [ObjectId(store, attempt.key) for store in (STORE, *ELSEWHERE)]
        for object_id in object_ids:
            ledger.reserve(attempt, object_id.store, 10)
        for left, number in zip((2, 1, 0), order, strict=True):
            assert ledger.account(OWNER).uploads == 1
            with pytest.raises(errors.QuotaExceeded):
                ledger.reserve(new_attempt(), STORE, 1)
            assert ledger.release(object_ids[number])
            assert not ledger.release(object_ids[number])
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


def test_every_store_of_an_upload_is_renewed_and_expires(ledger_url: str, database: Database) -> None:
    with contextlib.closing(SqlLedger(ledger_url, lease=3600, tick=0.05)) as ledger:
        attempt = new_attempt()
        object_ids = {ObjectId(store, attempt.key) for store in (STORE, "slow")}
        for object_id in object_ids:
            ledger.reserve(attempt, object_id.store, 1)
        assert {entry.object_id for entry in ledger.held()} == object_ids
        database.change(lambda connection: connection.execute(sa.update(ENTRIES).values(expires_at=1)))
        assert {entry.object_id for entry in ledger.expired()} == object_ids
        ledger.renew()
        assert ledger.expired() == []


def test_released_hold_leaves_no_trace(ledger: SqlLedger, database: Database) -> None:
    ledger.reserve(new_attempt(), STORE, 40).release()
    ledger.reserve(new_attempt(), STORE, None).release()
    assert ledger.accounts() == {}
    assert entries(database) == []


@pytest.mark.parametrize("size", [LIMIT, 0])
def test_limit_is_met_to_the_byte(ledger: SqlLedger, size: int) -> None:
    ledger.reserve(new_attempt(), STORE, LIMIT - size).settle(LIMIT - size)
    with pytest.raises(errors.QuotaExceeded) as caught:
        ledger.reserve(new_attempt(), STORE, size + 1)
    assert str(caught.value) == (
        f"The quota is {LIMIT} bytes, {LIMIT - size} are in use or being uploaded, and {size + 1} more were asked for."
    )
    ledger.reserve(new_attempt(), STORE, size).settle(size)
    assert ledger.account(OWNER) == Charge(used=LIMIT)


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


def test_limits_of_other_projects_are_not_touched(ledger: SqlLedger) -> None:
    ledger.reserve(new_attempt(), STORE, LIMIT)
    ledger.reserve(new_attempt("other"), STORE, LIMIT)
    assert ledger.account("", STORE) == Charge(held=2 * LIMIT, images=2, uploads=2)


@pytest.mark.parametrize(
    ("default", "in_store", "capacity", "kind", "message"),
    [
        (Allowance(size=50), None, None, errors.QuotaExceeded, "The quota is 50 bytes, 40 are in use"),
        (Allowance(), Allowance(size=50), None, errors.QuotaExceeded, "The quota in store 'fast' is 50 bytes, 40 are"),
        (Allowance(), None, 50, errors.StoreFull, "The capacity is 50 bytes, 40 are in use"),
        (Allowance(uploads=1), None, None, errors.QuotaExceeded, "The quota is 1 uploads at a time, 1 are under way"),
        (Allowance(), Allowance(images=1), None, errors.QuotaExceeded, "The quota is 1 images, 1 are there"),
    ],
)
def test_each_limit_refuses_with_its_figures(
    ledger_url: str, database: Database, default: Allowance, in_store: Allowance | None, capacity: int | None,
    kind: type[errors.ImgstoreError], message: str,
) -> None:  # fmt: skip
    with contextlib.closing(ledger_with(ledger_url, default, in_store=in_store, capacity=capacity)) as ledger:
        held = ledger.reserve(new_attempt(), STORE, 40)
        before = ledger.accounts()
        with pytest.raises(kind) as caught:
            ledger.reserve(new_attempt(), STORE, 11)
        assert str(caught.value).removeprefix("Store 'fast': ").startswith(message)
        assert caught.value.status == 413
        assert ledger.accounts() == before, "a refusal changes nothing"
        ledger.reserve(new_attempt("other"), "other", 0).release()
        held.release()


def test_number_of_images_is_limited(ledger_url: str, database: Database) -> None:
    with contextlib.closing(ledger_with(ledger_url, Allowance(images=2))) as ledger:
        for name in ("a", "b", "b"):
            ledger.add_image(name, OWNER)
        with pytest.raises(errors.QuotaExceeded, match="The quota is 2 images, 2 are there"):
            ledger.add_image("c", OWNER)
        ledger.remove_image("a")
        ledger.remove_image("a")
        ledger.add_image("c", OWNER)
        assert ledger.account(OWNER) == Charge(images=2)


def steps(ledger: SqlLedger, object_id: ObjectId) -> dict[str, Callable[[], object]]:
    where = Location(object_id.store, object_id.key, "")
    return {
        "settle": lambda: ledger.settle(object_id, 30),
        "release": lambda: ledger.release(object_id),
        "give back": lambda: ledger.give_back(OWNER, where, 30),
        "forget": lambda: ledger.forget(object_id),
    }


@pytest.mark.parametrize("second", ["settle", "release", "give back", "forget"])
@pytest.mark.parametrize("first", ["settle", "release", "give back", "forget"])
def test_steps_may_come_twice_and_in_any_order(ledger: SqlLedger, database: Database, first: str, second: str) -> None:
    """As of a process that died, its recovery, and a deletion that overtakes a settlement."""
    attempt = new_attempt()
    hold = ledger.reserve(attempt, STORE, 40)
    todo = steps(ledger, ObjectId(STORE, attempt.key))
    for name in (first, first, second, second):
        todo[name]()
    hold.settle(30)
    hold.release()
    kept = first == "settle" and second in ("settle", "release")
    assert entries(database) == ([("used", 30)] if kept else [])
    assert ledger.account(OWNER) == (Charge(used=30) if kept else Charge())


def test_deleted_image_counts_for_the_store_until_its_object_is_gone(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    ledger.add_image(attempt.image_id, OWNER)
    ledger.reserve(attempt, STORE, 40).settle(40)
    assert ledger.account(OWNER) == Charge(used=40, images=1)
    ledger.remove_image(attempt.image_id)
    assert (ledger.account(OWNER), ledger.account(OWNER, STORE)) == (Charge(), Charge())
    assert ledger.account("", STORE) == Charge(used=40, images=1)
    ledger.give_back(OWNER, location(attempt.key), 40)
    assert ledger.accounts() == {}


def test_image_deleted_during_its_upload_leaves_the_hold_to_the_session(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    ledger.add_image(attempt.image_id, OWNER)
    hold = ledger.reserve(attempt, STORE, 40)
    ledger.remove_image(attempt.image_id)
    assert ledger.account(OWNER) == Charge(held=40, uploads=1)
    hold.release()
    assert ledger.accounts() == {}


def test_hold_that_was_taken_away_ends_its_upload(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    hold = ledger.reserve(attempt, STORE, None)
    hold.extend_to(10)
    assert ledger.release(ObjectId(STORE, attempt.key))
    with pytest.raises(errors.ImageGone):
        hold.extend_to(LIMIT - 1)
    hold.settle(10)
    assert ledger.accounts() == {}


def test_place_is_held_once(ledger: SqlLedger) -> None:
    attempt = new_attempt()
    ledger.reserve(attempt, STORE, 10)
    with pytest.raises(errors.CatalogUnavailable, match="counts this object already"):
        ledger.reserve(attempt, STORE, 10)
    assert ledger.account(OWNER) == Charge(held=10, uploads=1)


def test_size_that_no_column_takes_is_refused_as_too_large(ledger: SqlLedger) -> None:
    with pytest.raises(errors.ImageTooLarge):
        ledger.reserve(new_attempt(), STORE, 10**30)
    with pytest.raises(errors.QuotaExceeded):
        ledger.reserve(new_attempt(), STORE, LARGEST)
    assert ledger.accounts() == {}


def test_hold_whose_reservation_is_uncertain_is_ended(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    attempt = new_attempt()
    change = ledger._database.change

    def made_but_unknown(work: Callable[[sa.Connection], object]) -> object:
        monkeypatch.undo()
        change(work)
        raise OutcomeUnknown("COMMIT failed")

    monkeypatch.setattr(ledger._database, "change", made_but_unknown)
    with pytest.raises(errors.CatalogUnavailable):
        ledger.reserve(attempt, STORE, 10)
    wait_until(lambda: ledger.accounts() == {})


@pytest.mark.parametrize("end", ["settle", "release"])
def test_end_that_the_database_did_not_take_is_made_up_for(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    hold = ledger.reserve(new_attempt(), STORE, 10)

    def away(work: object) -> object:
        raise errors.CatalogUnavailable("The database is away.")

    monkeypatch.setattr(ledger._database, "change", away)
    hold.settle(7) if end == "settle" else hold.release()
    monkeypatch.undo()
    wait_until(lambda: ledger.account(OWNER) == (Charge(used=7) if end == "settle" else Charge()))


def test_living_process_renews_its_holds_and_a_dead_ones_expire(ledger_url: str, database: Database) -> None:
    with contextlib.closing(SqlLedger(ledger_url, lease=1, tick=0.05)) as living:
        kept = living.reserve(new_attempt(), STORE, 10)
        dead = SqlLedger(ledger_url, lease=1, tick=0.05)
        lost = new_attempt()
        dead.reserve(lost, STORE, 20)
        assert {entry.object_id.key for entry in living.held()} >= {lost.key}
        dead._keeper.close()  # as if the process had ended: nobody looks after its holds
        wait_until(lambda: [entry.object_id.key for entry in living.expired()] == [lost.key])
        assert living.release(ObjectId(STORE, lost.key))
        assert living.account(OWNER) == Charge(held=10, uploads=1)
        kept.release()
        dead.close()


def wait_until(true: Callable[[], bool]) -> None:
    """The keeper's thread does it."""
    import time

    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
