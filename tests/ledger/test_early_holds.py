"""An upload of known size holds its quota in the transaction in which it begins, and takes few statements."""

from __future__ import annotations

import contextlib

import pytest

from bench.ledger.world import on
from imgstore import errors
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt, UploadRequest
from imgstore.sql import Charge, SqlLedger
from tests.ledger.conftest import OWNER, STORE, House, result
from tests.support.database_faults import failing_commit
from tests.support.database_fixtures import EACH_DATABASE

STATEMENTS, COMMITS = 10, 2


def begun(house: House, size: int = 40) -> Attempt:
    """An upload that began, whose session has not asked the quota yet."""
    return house.catalog.begin(UploadRequest(house.queued(), size=size), [STORE])


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
def test_upload_of_known_size_takes_few_statements_and_two_commits(database_url: str) -> None:
    with on(database_url) as world:
        world.measure(1, 1, known=True)  # opens the accounts
        found = world.measure(1, 1, known=True)
    assert (found.statements <= STATEMENTS, found.transactions) == (True, COMMITS), found.statements


def test_upload_is_counted_once_from_its_beginning(house: House) -> None:
    attempt = begun(house)
    assert house.ledger.account(OWNER) == Charge(held=40, images=1, uploads=1)
    house.ledger.reserve(attempt, STORE, 40)
    assert house.ledger.account(OWNER) == Charge(held=40, images=1, uploads=1)
    house.catalog.activate(attempt, result(attempt, 40))
    assert house.ledger.account(OWNER) == Charge(used=40, images=1)


def test_what_is_held_beyond_the_object_is_given_back(house: House) -> None:
    attempt = begun(house, 40)
    house.catalog.activate(attempt, result(attempt, 30))
    assert house.ledger.account(OWNER) == Charge(used=30, images=1)


def test_hold_that_nobody_asked_for_ends_with_its_attempt(house: House) -> None:
    attempt = begun(house)
    assert house.catalog.release(attempt)
    assert house.ledger.held() == []


def test_session_that_asks_for_another_size_holds_that(house: House) -> None:
    attempt = begun(house)
    house.ledger.reserve(attempt, STORE, 30)
    assert house.ledger.account(OWNER) == Charge(held=30, images=1, uploads=1)


def test_ledger_that_did_not_make_the_hold_asks_its_own_limits(house: House) -> None:
    attempt = begun(house)
    with contextlib.closing(SqlLedger(house.database.address, FixedLimits(Allowance(size=39)))) as other:
        with pytest.raises(errors.QuotaExceeded):
            other.reserve(attempt, STORE, 40)
        assert other.account(OWNER) == Charge(images=1)


def test_upload_that_does_not_fit_begins_and_its_session_is_refused(house: House) -> None:
    """So refusals come in the order that `UploadService.begin` promises, after the wait for spare bytes of others."""
    attempt = begun(house, 101)
    assert house.ledger.account(OWNER) == Charge(images=1)
    with pytest.raises(errors.QuotaExceeded):
        house.ledger.reserve(attempt, STORE, 101)


@pytest.mark.parametrize("made", [False, True])
def test_uncertain_beginning_holds_nothing(house: House, made: bool) -> None:
    image_id = house.queued()
    with failing_commit(house.database, made=made), pytest.raises(errors.CatalogUnavailable):
        house.catalog.begin(UploadRequest(image_id, size=40), [STORE])
    assert house.ledger.account(OWNER) == Charge(images=1)
    assert house.ledger.held() == []
    house.catalog.begin(UploadRequest(image_id, size=40), [STORE])
