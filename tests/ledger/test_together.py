"""Catalog and ledger in one database: each change is one transaction, and a process may die between any two."""

from __future__ import annotations

import contextlib
import dataclasses
from unittest import mock

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.records import HostRecords
from imgstore.model import UploadRequest
from imgstore.sql import (
    EVERYTHING,
    PARTS,
    Charge,
    Database,
    NewImage,
    ObjectId,
    OutcomeUnknown,
    SqlCatalog,
    SqlLedger,
    upgrade,
)
from imgstore.store import Store, StoreSet
from tests.ledger.conftest import OWNER, STORE, House, assert_sums, result
from tests.support.client import new_id
from tests.support.database_faults import failing_commit


def test_image_counts_from_its_creation_to_its_deletion(house: House) -> None:
    images = [house.queued() for _ in range(3)]
    new = NewImage(new_id(), OWNER)
    with pytest.raises(errors.QuotaExceeded, match="The quota is 3 images, 3 are there"):
        house.catalog.create(new)
    with pytest.raises(errors.ImageNotFound):
        house.catalog.get(new.id, EVERYTHING)
    house.queued("other")
    house.catalog.delete(images[0], EVERYTHING)
    house.queued()
    assert house.ledger.account(OWNER) == Charge(images=3)


def test_activation_settles_and_deletion_gives_back(house: House) -> None:
    image_id = house.active(40)
    assert house.ledger.account(OWNER) == Charge(used=40, images=1)
    assert house.ledger.held() == []
    house.catalog.delete(image_id, EVERYTHING)
    assert house.ledger.account(OWNER) == Charge()
    assert house.ledger.account("", STORE) == Charge(used=40, images=1), "the object is still there"
    house.remove_all()
    assert house.ledger.accounts() == {}


def test_activation_and_its_settlement_are_one_transaction(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a process that dies between the two leaves an active image that nobody counts."""
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE])
    house.ledger.reserve(attempt, STORE, 40)
    change = mock.Mock(wraps=house.database.change)
    monkeypatch.setattr(house.database, "change", change)
    house.catalog.activate(attempt, result(attempt, 40))
    assert change.call_count == 1
    assert house.ledger.account(OWNER) == Charge(used=40, images=1)


def test_recovery_keeps_the_hold_of_an_upload_that_lives(house: House) -> None:
    """Its process may be late with the ledger, and in time with the catalog: the catalog decides."""
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE])
    house.ledger.reserve(attempt, STORE, 40)
    stores = StoreSet([Store(STORE, MemoryDriver())], default=STORE)
    orphaned = OrphanedHolds(stores, HostRecords(house.catalog, house.ledger))
    orphaned.end(house.ledger.held())
    assert house.ledger.account(OWNER) == Charge(held=40, images=1, uploads=1)
    house.catalog.release(attempt)
    orphaned.end(house.ledger.held())
    assert house.ledger.account(OWNER) == Charge(images=1)


@pytest.mark.parametrize("made", [False, True])
def test_uncertain_activation_is_certain_for_both(house: House, made: bool) -> None:
    """COMMIT fails, and was made or not: image and quota say the same, and the session's own end harms nothing."""
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE])
    hold = house.ledger.reserve(attempt, STORE, 40)
    with failing_commit(house.database, made=made), pytest.raises(OutcomeUnknown):
        house.catalog.activate(attempt, result(attempt, 40))
    active = not house.catalog.release(attempt)
    assert active is made
    hold.settle(40) if active else hold.release()
    assert house.ledger.account(OWNER) == (Charge(used=40, images=1) if made else Charge(images=1))


def test_dead_attempt_frees_the_project_at_once_and_the_store_when_its_object_is_gone(house: House) -> None:
    house.begun(house.queued(), 40)
    assert house.catalog.abandon_uploads() == 1
    assert house.ledger.account(OWNER) == Charge(images=1)
    assert house.ledger.account("", STORE) == Charge(used=40, images=1)
    house.remove_all()
    assert house.ledger.account("", STORE) == Charge()


def test_zombie_settles_nothing(house: House) -> None:
    """An attempt that was taken for dead comes back after another has won."""
    image_id = house.queued()
    attempt = house.catalog.begin(UploadRequest(image_id), [STORE])
    zombie = house.ledger.reserve(attempt, STORE, 40)
    house.catalog.abandon_uploads()
    house.remove_all()
    winner = house.begun(image_id, 30)
    house.catalog.activate(winner, result(winner, 30))
    with pytest.raises(errors.ImageGone):
        house.catalog.activate(attempt, result(attempt, 40))
    zombie.settle(40)
    zombie.release()
    assert house.ledger.account(OWNER) == Charge(used=30, images=1)


def test_image_deleted_during_its_upload(house: House) -> None:
    image_id = house.queued()
    attempt = house.catalog.begin(UploadRequest(image_id), [STORE])
    hold = house.ledger.reserve(attempt, STORE, 40)
    house.catalog.delete(image_id, EVERYTHING)
    assert house.ledger.account(OWNER) == Charge(held=40, uploads=1)
    with pytest.raises(errors.ImageGone):
        house.catalog.activate(attempt, result(attempt, 40))
    hold.release()
    assert house.ledger.accounts() == {}


def test_object_that_was_never_held_counts_when_it_is_an_images(house: House) -> None:
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE])
    house.catalog.activate(attempt, result(attempt, 40))
    assert house.ledger.account(OWNER) == Charge(used=40, images=1)


def test_image_that_is_given_to_another_project_counts_there(house: House) -> None:
    image_id = house.active(40)
    given = house.catalog.update(image_id, EVERYTHING, lambda image: dataclasses.replace(image, owner="other"))
    assert given.owner == "other"
    assert house.ledger.account(OWNER) == Charge()
    assert house.ledger.account("other") == Charge(used=40, images=1)
    assert house.ledger.account("other", STORE) == Charge(used=40, images=1)
    assert house.ledger.account("", STORE) == Charge(used=40, images=1)
    for _ in range(3):
        house.queued()
    with pytest.raises(errors.QuotaExceeded):
        house.catalog.update(image_id, EVERYTHING, lambda image: dataclasses.replace(image, owner=OWNER))
    assert house.catalog.get(image_id, EVERYTHING).owner == "other"


def test_upload_of_an_image_that_was_given_away_is_the_new_owners(house: House) -> None:
    image_id = house.queued()
    attempt = house.catalog.begin(UploadRequest(image_id), [STORE])
    hold = house.ledger.reserve(attempt, STORE, None)
    hold.extend_to(10)
    house.catalog.update(image_id, EVERYTHING, lambda image: dataclasses.replace(image, owner="other"))
    hold.extend_to(100)
    assert house.ledger.account("other") == Charge(held=100, images=1, uploads=1)
    with pytest.raises(errors.QuotaExceeded):
        hold.extend_to(101)
    house.catalog.activate(attempt, result(attempt, 100))
    assert house.ledger.account("other") == Charge(used=100, images=1)


def test_ledger_that_is_new_knows_what_the_catalog_has(database_url: str) -> None:
    with contextlib.closing(Database(database_url)) as database:
        upgrade(database, PARTS[:1])
        catalog = SqlCatalog(database)
        old = House(database, None, catalog)  # type: ignore[arg-type]  # there is none yet
        sizes = {40: old.queued(), 7: old.queued(), 3: old.queued("other")}
        for size, image_id in sizes.items():
            first = catalog.begin(UploadRequest(image_id), [STORE])
            catalog.release(first)
            attempt = catalog.begin(UploadRequest(image_id), [STORE])
            catalog.activate(attempt, result(attempt, size))
        old.queued()
        catalog.delete(sizes[7], EVERYTHING)
        upgrade(database, PARTS)
        ledger = SqlLedger(database)
        assert ledger.account(OWNER) == Charge(used=40, images=2)
        assert ledger.account("other", STORE) == Charge(used=3, images=1)
        assert ledger.account("", STORE) == Charge(used=50, images=3)
        assert_sums(database)
        ledger.forget(ObjectId(STORE, f"{sizes[40]}.2"))
        assert ledger.account(OWNER) == Charge(images=2)
