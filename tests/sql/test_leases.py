"""Leases and recovery: a living process loses none, a dead one's are taken back once, whoever else acts then."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.hosting import LeasedCatalog
from imgstore.model import Attempt, attempt_of
from imgstore.sql import DeadAttempt, SqlCatalog, Standing, recovery
from imgstore.sql.clock import Now
from imgstore.sql.leases import AT_ONCE, holder
from imgstore.sql.schema import IMAGES
from tests.sql.attempts import begun, to_remove
from tests.sql.conftest import OWNER, active_image, queued_image, request, result
from tests.support.database_fixtures import SERVER_KINDS
from tests.support.race import together

PATIENCE = 60.0
ROUNDS = 5


def expire(catalog: SqlCatalog, attempt: Attempt) -> None:
    """As if the attempt's process had been silent for a second more than its lease."""
    ran_out = sa.update(IMAGES).where(IMAGES.c.id == attempt.image_id).values(lease_until=Now() - 1000)
    catalog._database.change(lambda connection: connection.execute(ran_out))


def lease_left(catalog: SqlCatalog, attempt: Attempt) -> float | None:
    """Seconds, by the database's clock; None if there is no lease."""
    left = sa.select(IMAGES.c.lease_until - Now()).where(IMAGES.c.id == attempt.image_id)
    milliseconds = catalog._database.read(lambda connection: connection.scalar(left))
    return None if milliseconds is None else milliseconds / 1000


def dead(catalog: SqlCatalog) -> DeadAttempt:
    """An attempt whose lease ran out; nobody renews it."""
    attempt = begun(catalog)
    expire(catalog, attempt)
    (found,) = [each for each in catalog.expired() if each.attempt.image_id == attempt.image_id]
    return found


def test_lease_is_as_long_as_it_says_by_the_databases_clock(tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the process's machine is two hours ahead, and nobody looks at it."""
    present = time.time()
    monkeypatch.setattr(time, "time", lambda: present + 7200)
    monkeypatch.setattr(time, "time_ns", lambda: int((present + 7200) * 1e9))
    with contextlib.closing(SqlCatalog(tables, lease=1000)) as catalog:
        attempt = begun(catalog)
        left = lease_left(catalog, attempt)
        assert left is not None
        assert 900 < left <= 1000
        assert catalog.renew([attempt]) == set()
        assert 900 < (lease_left(catalog, attempt) or 0) <= 1000
        assert catalog.expired() == []
        told = catalog._database.read(lambda connection: connection.scalar(sa.select(Now()))) or 0
        assert present - 1 < told / 1000 < present + 60, "milliseconds since the epoch"


def test_dead_attempt_is_told_with_its_process(catalog: SqlCatalog) -> None:
    first = dead(catalog)
    assert (first.attempt.number, first.attempt.stores, first.holder) == (1, ("fast",), holder())
    assert first.overdue >= 1


@pytest.fixture
def recoverers(tables: str) -> Iterator[list[SqlCatalog]]:
    """The catalog as other processes have it, that recover."""
    with contextlib.ExitStack() as stack:
        opened = (SqlCatalog(tables, busy_timeout=PATIENCE) for _ in range(3))
        yield [stack.enter_context(contextlib.closing(each)) for each in opened]


def ends(catalog: SqlCatalog, attempt: Attempt) -> list[tuple[Callable[[], object], str]]:
    """What the owner may do when its lease ran out, and the status of the image if the owner is first."""
    return [
        (lambda: catalog.activate(attempt, result(attempt)), "active"),
        (lambda: catalog.release(attempt), "queued"),
        (lambda: not catalog.renew([attempt]), "saving"),
    ]


def test_recoverers_and_the_owner_race_to_one_outcome(catalog: SqlCatalog, recoverers: list[SqlCatalog]) -> None:
    """Whoever is first wins, and the others are told."""
    for number in range(6 * ROUNDS):
        found = dead(catalog)
        attempt = found.attempt
        act, status = ends(catalog, attempt)[number % 3]
        acts: list[Callable[[], object]] = [
            act,
            *(partial(recoverer.take_back, found) for recoverer in recoverers),
        ]
        mine, *taken = together(*acts) if number % 2 else together(*acts[::-1])[::-1]
        won = mine in (True, None)
        assert [won, *taken].count(True) == 1, (mine, taken)
        assert won or mine in (False, errors.ImageGone, errors.CatalogUnavailable)
        expected = (status, []) if won else ("queued", [("fast", attempt.key)])
        assert (catalog.get(attempt.image_id, OWNER).status, to_remove(catalog, attempt.image_id)) == expected
        catalog.release(attempt)


def test_living_process_renews_all_its_leases_with_one_statement(tables: str) -> None:
    statements: list[str] = []
    renewed = threading.Event()
    with contextlib.closing(SqlCatalog(tables, lease=1.5)) as catalog:
        leased = LeasedCatalog(catalog)
        attempts = [leased.begin(request(queued_image(catalog)), ["fast"]) for _ in range(5)]

        def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
            if statement.startswith("UPDATE"):
                statements.append(statement)
                renewed.set()

        sa.event.listen(catalog._database._engine, "after_cursor_execute", note)
        for _ in range(4):  # more than a lease
            renewed.clear()
            assert renewed.wait(PATIENCE)
        assert {statement.count("lease_until") for statement in statements} == {1}
        assert catalog.expired() == []
        for attempt in attempts:
            leased.confirm(attempt)
            leased.activate(attempt, result(attempt))
        leased.close()


@pytest.mark.parametrize("database_kind", SERVER_KINDS, indirect=True)
def test_row_that_a_transaction_keeps_locked_costs_no_other_upload_its_lease(
    catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "UNLOCKED_WITHIN", 0.1)
    locked, other = dead(catalog), dead(catalog)
    with catalog._database._engine.connect() as operator:
        operator.execute(sa.select(IMAGES.c.id).where(IMAGES.c.id == locked.attempt.image_id).with_for_update())
        with pytest.raises(errors.CatalogUnavailable, match="has locked the rows of 1 of them"):
            catalog.renew([locked.attempt, other.attempt])
        assert not catalog.take_back(locked), "it is nobody's turn"
    assert (lease_left(catalog, other.attempt) or 0) > 0
    assert catalog.renew([locked.attempt, other.attempt]) == set()


@pytest.mark.parametrize("database_kind", SERVER_KINDS, indirect=True)
def test_row_that_another_change_has_for_a_moment_is_renewed_all_the_same(
    catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = begun(catalog)
    with catalog._database._engine.connect() as other:
        other.execute(sa.select(IMAGES.c.id).where(IMAGES.c.id == attempt.image_id).with_for_update())
        ending = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: other.rollback())
        monkeypatch.setattr(recovery, "time", ending)
        assert catalog.renew([attempt]) == set()


def test_renewal_of_more_attempts_than_one_statement_takes(catalog: SqlCatalog) -> None:
    attempt = begun(catalog)
    strangers = [Attempt(f"image-{number}", 1, "project", "raw", "bare") for number in range(AT_ONCE)]
    assert catalog.renew([*strangers, attempt]) == set(strangers)


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
    assert catalog.standings("fast", keys) == keys
    assert catalog.standings("slow", [active]) == {active: Standing.UNKNOWN}, "a copy that somebody made"
    assert catalog.standings("slow", [failed.key]) == {failed.key: Standing.DEAD}


def test_key_tells_its_attempt() -> None:
    for number in (1, 2, 17):
        attempt = Attempt("5d2c6f6e-37b3-4e1c-8d07-6a2f0c9f1b11", number, "", "", "")
        assert attempt_of(attempt.key) == (attempt.image_id, number)
    for key in ("image.1", "image.02", "image.x", "image."):
        assert attempt_of(key) == (key, 1), "no attempt writes under it: it is an image of its own"
