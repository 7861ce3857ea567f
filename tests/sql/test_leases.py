"""Leases and recovery: a living process loses none, a dead one's are taken back once, whoever else acts then."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Attempt
from imgstore.sql import Database, DeadAttempt, OutcomeUnknown, SqlCatalog, Standing
from imgstore.sql.clock import Now
from imgstore.sql.leases import AT_ONCE, LeaseKeeper, holder
from imgstore.sql.recovery import attempt_of
from imgstore.sql.schema import IMAGES
from tests.sql.conftest import OWNER, active_image, queued_image, request, result

PATIENCE = 60.0
ROUNDS = 8


def expire(catalog: SqlCatalog, attempt: Attempt) -> None:
    """As if the attempt's process had been silent for a second more than its lease."""
    ran_out = sa.update(IMAGES).where(IMAGES.c.id == attempt.image_id).values(lease_until=Now() - 1000)
    catalog._database.change(lambda connection: connection.execute(ran_out))


def lease_left(catalog: SqlCatalog, attempt: Attempt) -> float | None:
    """Seconds, by the database's clock; None if there is no lease."""
    left = sa.select(IMAGES.c.lease_until - Now()).where(IMAGES.c.id == attempt.image_id)
    milliseconds = catalog._database.read(lambda connection: connection.scalar(left))
    return None if milliseconds is None else milliseconds / 1000


def begun(catalog: SqlCatalog, store: str = "fast") -> Attempt:
    return catalog.begin(request(queued_image(catalog)), [store])


def dead(catalog: SqlCatalog) -> DeadAttempt:
    """An attempt whose lease ran out; nobody renews it."""
    attempt = begun(catalog)
    catalog._keeper.drop(attempt)
    expire(catalog, attempt)
    (found,) = [each for each in catalog.recovery.expired() if each.attempt.image_id == attempt.image_id]
    return found


@pytest.fixture
def other(tables: str) -> Iterator[SqlCatalog]:
    """The catalog as another process has it."""
    opened = SqlCatalog(tables, busy_timeout=10)
    yield opened
    opened.close()


def test_lease_is_as_long_as_it_says_by_the_databases_clock(tables: str) -> None:
    with contextlib.closing(SqlCatalog(tables, lease=1000)) as catalog:
        attempt = begun(catalog)
        left = lease_left(catalog, attempt)
        assert left is not None
        assert 900 < left <= 1000
        assert catalog.recovery.expired() == []


def test_clock_of_every_database_counts_milliseconds_since_the_epoch(catalog: SqlCatalog) -> None:
    before = time.time()
    told = catalog._database.read(lambda connection: connection.scalar(sa.select(Now()))) or 0
    assert before - 1 < told / 1000 < time.time() + 1


@pytest.mark.parametrize("end", ["activate", "release", "take back"])
def test_attempt_that_ended_has_no_lease(catalog: SqlCatalog, end: str) -> None:
    attempt = begun(catalog)
    if end == "activate":
        catalog.activate(attempt, result(attempt))
    elif end == "release":
        assert catalog.release(attempt)
    else:
        expire(catalog, attempt)
        assert [catalog.recovery.take_back(each) for each in catalog.recovery.expired()] == [True]
    assert lease_left(catalog, attempt) is None
    assert catalog.recovery.expired() == []


def test_lease_that_ran_out_is_taken_back_and_its_data_is_to_be_removed(catalog: SqlCatalog, other: SqlCatalog) -> None:
    first = dead(catalog)
    assert (first.attempt.number, first.attempt.stores, first.holder) == (1, ("fast",), holder())
    assert first.overdue >= 1
    assert other.recovery.take_back(first)
    assert catalog.get(first.attempt.image_id, OWNER).status == "queued"
    assert [(removal.store, removal.key) for removal in catalog.removals()] == [("fast", first.attempt.key)]
    second = other.begin(request(first.attempt.image_id), ["slow"])
    assert second.key != first.attempt.key
    other.activate(second, result(second))
    assert catalog.get(first.attempt.image_id, OWNER).status == "active"


def test_image_deleted_under_a_dead_attempt_stays_deleted(catalog: SqlCatalog) -> None:
    found = dead(catalog)
    catalog.delete(found.attempt.image_id, OWNER)
    assert catalog.recovery.take_back(found)
    with pytest.raises(errors.ImageNotFound):
        catalog.get(found.attempt.image_id, OWNER)
    assert [removal.key for removal in catalog.removals()] == [found.attempt.key]


def test_late_renewal_that_comes_first_keeps_the_image(catalog: SqlCatalog) -> None:
    found = dead(catalog)
    assert catalog._renew([found.attempt]) == set()
    assert not catalog.recovery.take_back(found)
    catalog.confirm(found.attempt)
    assert catalog.removals() == []


def test_law_8_zombie_owns_nothing_once_its_lease_was_taken(catalog: SqlCatalog, other: SqlCatalog) -> None:
    zombie = begun(catalog)
    expire(catalog, zombie)
    assert [other.recovery.take_back(each) for each in other.recovery.expired()] == [True]
    winner = other.begin(request(zombie.image_id), ["fast"])
    for act in (
        partial(catalog.confirm, zombie),
        partial(catalog.activate, zombie, result(zombie)),
    ):
        with pytest.raises(errors.ImageGone):
            act()
    assert not catalog.release(zombie)
    other.confirm(winner)
    other.activate(winner, result(winner))
    assert [location.key for location in catalog.get(zombie.image_id, OWNER).locations] == [winner.key]


def test_law_8_one_of_many_recoverers_takes_a_lease_back(catalog: SqlCatalog, tables: str) -> None:
    recoverers = [SqlCatalog(tables, busy_timeout=PATIENCE) for _ in range(4)]
    for _ in range(ROUNDS):
        found = dead(catalog)
        told = together([partial(recoverer.recovery.take_back, found) for recoverer in recoverers])
        assert sorted(told, key=repr) == [False, False, False, True]
        assert len(catalog.removals(found.attempt.image_id)) == 1
    for recoverer in recoverers:
        recoverer.close()


@pytest.mark.parametrize("act", ["activate", "release", "renew"])
def test_law_8_recoverers_and_the_owner_race_to_one_outcome(catalog: SqlCatalog, tables: str, act: str) -> None:
    """Whoever is first wins, and the other is told."""
    recoverers = [SqlCatalog(tables, busy_timeout=PATIENCE) for _ in range(2)]
    for number in range(2 * ROUNDS):
        found = dead(catalog)
        attempt = found.attempt
        choices: dict[str, Callable[[], object]] = {
            "activate": partial(catalog.activate, attempt, result(attempt)),
            "release": partial(catalog.release, attempt),
            "renew": partial(lambda attempt: not catalog._renew([attempt]), attempt),
        }
        owner = choices[act]
        others: list[Callable[[], object]] = [partial(recoverer.recovery.take_back, found) for recoverer in recoverers]
        told = together([owner, *others] if number % 2 else [*others, owner])
        mine, taken = (told[0], told[1:]) if number % 2 else (told[-1], told[:-1])
        won = mine is True or (act == "activate" and mine is None)
        assert [won, *taken].count(True) == 1, (mine, taken)
        status = catalog.get(attempt.image_id, OWNER).status
        removals = [removal.key for removal in catalog.removals(attempt.image_id)]
        kept = {"activate": "active", "release": "queued", "renew": "saving"}[act]
        assert (status, removals) == ((kept, []) if won else ("queued", [attempt.key]))
        if not won and act == "activate":
            assert mine is errors.ImageGone
        if act == "renew" and won:
            assert catalog.release(attempt)
    for recoverer in recoverers:
        recoverer.close()


def together(acts: list[Callable[[], object]]) -> list[object]:
    """What each returned, or the class of what it raised; they start at once."""
    barrier = threading.Barrier(len(acts))
    results: list[object] = [None] * len(acts)

    def run(place: int) -> None:
        barrier.wait()
        try:
            results[place] = acts[place]()
        except (errors.ImgstoreError, OutcomeUnknown) as error:
            results[place] = type(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_living_process_renews_all_its_leases_with_one_statement(tables: str) -> None:
    statements: list[str] = []
    renewed = threading.Event()
    with contextlib.closing(SqlCatalog(tables, lease=0.9)) as catalog:
        attempts = [begun(catalog) for _ in range(5)]

        def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
            if statement.startswith("UPDATE"):
                statements.append(statement)
                renewed.set()

        sa.event.listen(catalog._database._engine, "after_cursor_execute", note)
        for _ in range(4):  # more than a lease
            renewed.clear()
            assert renewed.wait(PATIENCE)
        assert {statement.count("lease_until") for statement in statements} == {1}
        assert catalog.recovery.expired() == []
        for attempt in attempts:
            catalog.confirm(attempt)
            catalog.activate(attempt, result(attempt))


def test_renewal_tells_exactly_which_attempts_lost_their_image(catalog: SqlCatalog, other: SqlCatalog) -> None:
    kept, taken, ended = (begun(catalog) for _ in range(3))
    expire(catalog, taken)
    assert [other.recovery.take_back(each) for each in other.recovery.expired()] == [True]
    again = other.begin(request(taken.image_id), ["fast"])
    other.activate(ended, result(ended))
    expire(catalog, kept)
    assert catalog._renew([kept, taken, ended]) == {taken, ended}
    assert (lease_left(catalog, kept) or 0) > 1
    assert catalog._renew([again]) == set()


def test_renewal_of_more_attempts_than_one_statement_takes(catalog: SqlCatalog) -> None:
    attempt = begun(catalog)
    strangers = [Attempt(f"image-{number}", 1, "project", "raw", "bare") for number in range(AT_ONCE)]
    assert catalog._renew([*strangers, attempt]) == set(strangers)


def test_loser_learns_it_without_a_statement(tables: str, other: SqlCatalog) -> None:
    with contextlib.closing(SqlCatalog(tables, lease=0.3)) as catalog:
        attempt = begun(catalog)
        other.delete(attempt.image_id, OWNER)
        catalog.confirm(attempt, certain=False)  # a deletion ends no attempt: it is asked for before the commit
        with pytest.raises(errors.ImageGone):
            catalog.confirm(attempt)
        assert other.release(attempt)
        reading = threading.Event()
        sa.event.listen(catalog._database._engine, "before_cursor_execute", lambda *rest: reading.set())
        waiting = threading.Event()
        for _ in range(int(PATIENCE / 0.05)):
            if catalog._keeper.is_lost(attempt):
                break
            waiting.wait(0.05)
        reading.clear()
        with pytest.raises(errors.ImageGone):
            catalog.confirm(attempt, certain=False)
        assert not reading.is_set()


class Renewals:
    """What a keeper calls: counts, fails as often as it is told, and lets a test wait for a call."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls: list[list[Attempt]] = []
        self.called = threading.Condition()

    def __call__(self, attempts: object) -> set[Attempt]:
        assert isinstance(attempts, list)
        with self.called:
            self.calls.append(attempts)
            self.called.notify()
        if self.failures:
            raise self.failures.pop(0)
        return set()

    def wait_for(self, number: int) -> None:
        with self.called:
            assert self.called.wait_for(lambda: len(self.calls) >= number, PATIENCE)


ATTEMPT = Attempt("image", 1, "project", "raw", "bare")


def test_keeper_goes_on_after_failures_of_the_database() -> None:
    renewals = Renewals(errors.CatalogUnavailable("down"), OutcomeUnknown("COMMIT failed"))
    keeper = LeaseKeeper(renewals, lease=0.1)
    keeper.add(ATTEMPT)
    renewals.wait_for(4)
    assert not keeper.is_lost(ATTEMPT)
    keeper.stop()


def threads() -> list[threading.Thread]:
    """The threads of all keepers; a catalog that another test left in the middle of an attempt may have one."""
    return [thread for thread in threading.enumerate() if thread.name == "leases"]


def test_keeper_without_an_attempt_asks_nothing_and_begins_again() -> None:
    before = set(threads())
    renewals = Renewals()
    keeper = LeaseKeeper(renewals, lease=0.03)
    keeper.add(ATTEMPT)
    renewals.wait_for(1)
    keeper.drop(ATTEMPT)
    renewals.wait_for(1)
    quiet = len(renewals.calls) + 1  # one may be under way
    threading.Event().wait(0.2)
    assert len(renewals.calls) <= quiet
    keeper.add(ATTEMPT)
    renewals.wait_for(quiet + 1)
    keeper.stop()
    assert set(threads()) <= before


def test_attempt_whose_release_failed_is_not_kept_alive(tables: str) -> None:
    catalog = SqlCatalog(tables, busy_timeout=0.05)
    attempt = begun(catalog)
    with contextlib.closing(Database(tables)) as database, database._engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection = connection.execution_options(imgstore_changes=True)
        with connection.begin() as transaction:
            connection.exec_driver_sql("UPDATE images SET min_disk = min_disk + 1")
            with pytest.raises(errors.CatalogUnavailable):
                catalog.release(attempt)
            transaction.rollback()
    assert attempt not in catalog._keeper._open
    expire(catalog, attempt)
    assert [catalog.recovery.take_back(each) for each in catalog.recovery.expired()] == [True]
    assert catalog.begin(request(attempt.image_id), ["fast"]).number == 2
    catalog.close()


def test_objects_are_known_by_what_became_of_their_attempts(catalog: SqlCatalog) -> None:
    active, deleted, failed, saving = active_image(catalog), active_image(catalog), begun(catalog), begun(catalog)
    catalog.delete(deleted, OWNER)
    catalog.release(failed)
    unborn = queued_image(catalog)
    keys = {
        active: Standing.LIVE,
        deleted: Standing.REMOVING,
        failed.key: Standing.DEAD,
        saving.key: Standing.UNDER_WAY,
        f"{active}.2": Standing.UNKNOWN,  # a number that was not given out
        f"{failed.image_id}.2": Standing.UNKNOWN,
        unborn: Standing.UNKNOWN,
        "somebody-elses": Standing.UNKNOWN,
    }
    assert catalog.recovery.standings("fast", keys) == keys
    assert catalog.recovery.standings("slow", [active]) == {active: Standing.UNKNOWN}, "a copy that somebody made"
    assert catalog.recovery.standings("slow", [failed.key]) == {failed.key: Standing.DEAD}


@pytest.mark.parametrize("number", [1, 2, 17])
def test_key_tells_its_attempt(number: int) -> None:
    attempt = Attempt("5d2c6f6e-37b3-4e1c-8d07-6a2f0c9f1b11", number, "", "", "")
    assert attempt_of(attempt.key) == (attempt.image_id, number)


@pytest.mark.parametrize("key", ["image.1", "image.02", "image.x", "image."])
def test_key_that_no_attempt_writes_under_is_an_image_of_its_own(key: str) -> None:
    assert attempt_of(key) == (key, 1)
