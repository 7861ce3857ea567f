"""A catalog on a host's own tables: one owner at a time, whoever else acts, and leases by its clock."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import pytest

from imgstore import errors
from imgstore.hosting import DeadAttempt, LeasedCatalog, Standing, TableCatalog
from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from tests.hosting.table import Clock, MemoryTable
from tests.support.race import together
from tests.support.waiting import until


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(table: MemoryTable, clock: Clock) -> TableCatalog:
    return TableCatalog(table, sees=lambda row, context: context in (None, row["owner"]), clock=clock)


def begun(catalog: TableCatalog, table: MemoryTable, image_id: str = "image", *stores: str) -> Attempt:
    """An upload of a new image."""
    return catalog.begin(UploadRequest(table.create(image_id)), stores or ["fast"])


def result(attempt: Attempt, *stores: str) -> UploadResult:
    found = [Location(store, attempt.key, "") for store in stores or ["fast"]]
    return UploadResult(attempt.image_id, found, 5, "sha512", "ab", checksum="cd")


def dead(catalog: TableCatalog, table: MemoryTable, clock: Clock, *stores: str) -> DeadAttempt:
    """One whose process is silent for a second more than its lease."""
    begun(catalog, table, "image", *stores)
    clock.now += catalog.lease + 1
    (found,) = catalog.expired()
    return found


def to_remove(table: MemoryTable) -> list[tuple[str, str]]:
    return [(removal.store, removal.key) for removal in table.removals()]


def test_upload_ends_with_its_data_and_what_a_store_was_left_without_is_removed(
    catalog: TableCatalog, table: MemoryTable
) -> None:
    attempt = begun(catalog, table, "image", "fast", "slow")
    assert (attempt.key, attempt.stores, attempt.owner) == ("image", ("fast", "slow"), "project")
    catalog.activate(attempt, result(attempt))
    image = catalog.find("image", "project")
    assert (image.status, image.size, image.hash_value) == ("active", 5, "ab")
    assert [location.store for location in image.locations] == ["fast"]
    assert to_remove(table) == [("slow", "image")]
    with pytest.raises(errors.ImageNotFound):
        catalog.find("image", "another")


def test_one_of_many_uploads_gets_an_image(catalog: TableCatalog, table: MemoryTable) -> None:
    table.create("image")
    told = together(*[partial(catalog.begin, UploadRequest("image"), ["fast"])] * 4)
    assert sum(isinstance(each, Attempt) for each in told) == 1
    assert told.count(errors.ImageConflict) == 3


def test_one_of_many_recoverers_takes_a_lease_back(catalog: TableCatalog, table: MemoryTable, clock: Clock) -> None:
    found = dead(catalog, table, clock, "fast", "slow")
    assert (found.attempt.image_id, found.attempt.stores, round(found.overdue)) == ("image", ("fast", "slow"), 1)
    told = together(*[partial(catalog.take_back, found)] * 4)
    assert told.count(True) == 1
    assert to_remove(table) == [("fast", "image"), ("slow", "image")]
    assert catalog.begin(UploadRequest("image"), ["fast"]).key == "image.2"


def test_zombie_owns_nothing_once_its_lease_was_taken(catalog: TableCatalog, table: MemoryTable, clock: Clock) -> None:
    found = dead(catalog, table, clock)
    zombie = found.attempt
    assert catalog.take_back(found)
    winner = catalog.begin(UploadRequest("image"), ["fast"])
    for act in (partial(catalog.confirm, zombie), partial(catalog.activate, zombie, result(zombie))):
        with pytest.raises(errors.ImageGone):
            act()
    assert not catalog.release(zombie, ["fast"])
    assert list(catalog.renew([zombie, winner])) == [zombie]
    catalog.confirm(winner)
    catalog.activate(winner, result(winner))


def test_late_renewal_that_comes_first_keeps_the_image(
    catalog: TableCatalog, table: MemoryTable, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dead(catalog, table, clock)
    assert list(catalog.renew([found.attempt])) == []
    assert not catalog.take_back(found)
    assert catalog.expired() == []
    clock.now += catalog.lease + 1
    with monkeypatch.context() as between:
        find = table.find

        def found_and_renewed(image_ids: Collection[str]) -> list[dict[str, Any]]:
            rows = find(image_ids)
            catalog.renew([found.attempt])
            return rows

        between.setattr(table, "find", found_and_renewed)
        assert not catalog.take_back(found), "renewed since it was looked at"
    clock.now += catalog.lease + 1
    assert catalog.take_back(found), "it is silent again"


def test_image_deleted_during_its_upload_stays_deleted(catalog: TableCatalog, table: MemoryTable) -> None:
    attempt = begun(catalog, table)
    catalog.delete("image")
    with pytest.raises(errors.ImageGone):
        catalog.activate(attempt, result(attempt))
    assert catalog.release(attempt, ["fast"])
    assert (table.images["image"]["status"], to_remove(table)) == ("deleted", [("fast", "image")])


def test_copy_adds_its_locations_and_a_dead_one_leaves_the_image_active(
    catalog: TableCatalog, table: MemoryTable, clock: Clock
) -> None:
    first = begun(catalog, table)
    catalog.activate(first, result(first))
    copy, _ = catalog.begin_copy("image", ["slow"])
    with pytest.raises(errors.ImageConflict):
        catalog.begin_copy("image", ["cold"])
    catalog.add_locations(copy, [Location("slow", copy.key, "")])
    catalog.begin_copy("image", ["cold"])
    clock.now += catalog.lease + 1
    assert [catalog.take_back(each) for each in catalog.expired()] == [True]
    image = catalog.find("image")
    assert (image.status, [place.store for place in image.locations]) == ("active", ["fast", "slow"])
    assert to_remove(table) == [("cold", "image.3")]


def test_objects_are_known_by_what_became_of_their_attempts(catalog: TableCatalog, table: MemoryTable) -> None:
    active, deleted, failed = (begun(catalog, table, name) for name in ("active", "deleted", "failed"))
    for attempt in (active, deleted):
        catalog.activate(attempt, result(attempt))
    catalog.delete("deleted")
    catalog.release(failed)
    begun(catalog, table, "saving")
    keys = {
        "active": Standing.LIVE,
        "deleted": Standing.REMOVING,
        "failed": Standing.DEAD,
        "saving": Standing.UNDER_WAY,
        "active.2": Standing.UNKNOWN,  # a number that was not given out
        "somebody-elses": Standing.UNKNOWN,
    }
    assert catalog.standings("fast", keys) == keys
    assert catalog.standings("slow", ["active"]) == {"active": Standing.UNKNOWN}, "a copy that somebody made"


def test_loser_learns_it_from_the_last_renewal(table: MemoryTable) -> None:
    catalog = TableCatalog(table, lease=0.1)
    leased = LeasedCatalog(catalog)
    attempt = leased.begin(UploadRequest(table.create("image")), ["fast"])
    leased.confirm(attempt, certain=False)
    assert catalog.release(attempt), "somebody ended it"
    until(lambda: leased.leases.is_lost(attempt))
    table.images.clear()
    with pytest.raises(errors.ImageGone):
        leased.confirm(attempt, certain=False)
    leased.close()
