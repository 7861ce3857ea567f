"""Attempts that write to several stores, and copies of active images: what the catalog grants, remembers and adds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Attempt, Location, UploadResult
from imgstore.sql import Caller, ImageRecord, NotInStore, SqlCatalog
from imgstore.sql.schema import LIVE, LOCATIONS
from tests.sql.conftest import OWNER, active_image, queued_image, request, result
from tests.sql.test_compare_and_set import ROUNDS, outcomes

STORES = ["fast", "slow", "far"]
MANY = [f"store-{number:02}-{'x' * 55}" for number in range(20)]
ADMIN = Caller("admin", is_admin=True)


def places(attempt: Attempt, *stores: str) -> list[Location]:
    return [Location(store, attempt.key, f"memory:///{attempt.key}") for store in stores]


def in_stores(attempt: Attempt, *stores: str) -> UploadResult:
    """The result of an upload of 5 bytes."""
    return UploadResult(attempt.image_id, places(attempt, *stores), 5, "sha512", "ab" * 64)


def to_remove(catalog: SqlCatalog, image_id: str | None = None) -> list[tuple[str, str]]:
    return sorted((removal.store, removal.key) for removal in catalog.removals(image_id))


def begin_copy(catalog: SqlCatalog, image_id: str, *stores: str) -> Attempt:
    return catalog.begin_copy(image_id, stores, OWNER)[0]


@pytest.mark.parametrize("stores", [STORES, MANY], ids=["few", "many"])
def test_all_locations_are_added_at_once_in_their_order(catalog: SqlCatalog, stores: Sequence[str]) -> None:
    attempt = catalog.begin(request(queued_image(catalog)), stores)
    assert list(attempt.stores) == list(stores)
    catalog.activate(attempt, in_stores(attempt, *stores))
    image = catalog.find(attempt.image_id)
    assert [location.store for location in image.locations] == list(stores)
    assert {location.key for location in image.locations} == {attempt.key}
    assert catalog.usage("project") == 5 * len(stores)
    assert catalog.removals() == []


def test_store_that_was_left_out_is_to_be_cleaned_up(catalog: SqlCatalog) -> None:
    attempt = catalog.begin(request(queued_image(catalog)), STORES)
    catalog.activate(attempt, in_stores(attempt, "fast", "far"))
    assert to_remove(catalog) == [("slow", attempt.key)]
    assert catalog.usage("project") == 10


@pytest.mark.parametrize("stores", [STORES, MANY], ids=["few", "many"])
def test_law_3_recovery_looks_into_every_store_of_a_dead_attempt(catalog: SqlCatalog, stores: Sequence[str]) -> None:
    image_id = queued_image(catalog)
    catalog.release(catalog.begin(request(image_id), ["fast"]))
    dead = catalog.begin(request(image_id), stores)
    assert catalog.abandon_uploads() == 1
    assert to_remove(catalog) == sorted((store, dead.key) for store in stores)
    assert catalog.get(image_id, OWNER).status == "queued"


def test_deletion_takes_every_copy_along(catalog: SqlCatalog) -> None:
    attempt = catalog.begin(request(queued_image(catalog)), STORES)
    catalog.activate(attempt, in_stores(attempt, *STORES))
    deleted = catalog.delete(attempt.image_id, OWNER)
    assert [location.store for location in deleted.locations] == STORES
    assert to_remove(catalog) == sorted((store, attempt.key) for store in STORES)
    assert catalog.usage("project") == 0


def test_usage_counts_the_copies_that_are_left(catalog: SqlCatalog) -> None:
    attempt = catalog.begin(request(queued_image(catalog)), STORES)
    catalog.activate(attempt, in_stores(attempt, *STORES))
    catalog.delete_location(attempt.image_id, OWNER, "slow")
    assert catalog.usage("project") == 10
    with pytest.raises(NotInStore):
        catalog.delete_location(attempt.image_id, OWNER, "slow")
    assert catalog.usage("project") == 10


# Copies


def test_copy_adds_locations_and_leaves_all_else_as_it_was(catalog: SqlCatalog) -> None:
    image_id = active_image(catalog)
    before = catalog.get(image_id, OWNER)
    attempt, image = catalog.begin_copy(image_id, ["slow", "far"], OWNER)
    assert image == before.as_stored()
    assert attempt.key not in {location.key for location in image.locations}
    during = catalog.get(image_id, OWNER)
    assert (during.status, during.copying_to, during.copy_failed) == ("active", ("slow", "far"), ())
    assert catalog.find(image_id, OWNER).locations == image.locations
    assert catalog.counts("project").uploading == 1
    catalog.add_locations(attempt, places(attempt, "slow", "far"))
    after = catalog.get(image_id, OWNER)
    assert [location.store for location in after.locations] == ["fast", "slow", "far"]
    assert (after.status, after.size, after.os_hash_value) == ("active", 5, before.os_hash_value)
    assert (after.copying_to, after.copy_failed) == ((), ())
    assert catalog.counts("project").uploading == 0
    assert catalog.usage("project") == 15


def test_image_that_was_never_copied_says_nothing_of_copies(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog)
    attempt = catalog.begin(request(image_id), STORES)
    assert (catalog.get(image_id, OWNER).copying_to, catalog.get(image_id, OWNER).copy_failed) == ((), None)
    catalog.release(attempt)
    assert catalog.get(image_id, OWNER).copy_failed is None


def test_copy_that_failed_is_told_until_the_next_one_begins(catalog: SqlCatalog) -> None:
    image_id = active_image(catalog)
    assert catalog.release(begin_copy(catalog, image_id, "slow", "far"))
    failed = catalog.get(image_id, OWNER)
    assert (failed.status, failed.copying_to, failed.copy_failed) == ("active", (), ("slow", "far"))
    assert [location.store for location in failed.locations] == ["fast"]
    again = begin_copy(catalog, image_id, "slow", "far")
    assert catalog.get(image_id, OWNER).copy_failed == ()
    catalog.add_locations(again, places(again, "far"))
    assert catalog.get(image_id, OWNER).copy_failed == ("slow",)
    assert to_remove(catalog) == [("slow", again.key)], "what the store that was left out may have kept"


def test_copies_and_uploads_never_share_a_key(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog)
    keys = []
    for _ in range(2):
        lost = catalog.begin(request(image_id), ["fast"])
        keys.append(lost.key)
        catalog.release(lost)
    upload = catalog.begin(request(image_id), ["fast"])
    catalog.activate(upload, result(upload))
    keys.append(upload.key)
    for _ in range(3):
        copy = begin_copy(catalog, image_id, "slow")
        keys.append(copy.key)
        catalog.release(copy)
    assert len(set(keys)) == 6


def test_copy_is_refused_in_order(catalog: SqlCatalog) -> None:
    with pytest.raises(errors.ImageNotFound):
        catalog.begin_copy("no such image", ["slow"], OWNER)
    image_id = active_image(catalog)
    with pytest.raises(errors.ImageNotFound):
        catalog.begin_copy(image_id, ["slow"], Caller("stranger"))
    queued = queued_image(catalog)
    with pytest.raises(errors.ImageConflict, match="queued"):
        begin_copy(catalog, queued, "slow")
    saving = catalog.begin(request(queued), ["fast"])
    with pytest.raises(errors.ImageConflict, match="saving"):
        begin_copy(catalog, saving.image_id, "slow")
    with pytest.raises(errors.ImageConflict, match="in store 'fast' already"):
        begin_copy(catalog, image_id, "slow", "fast")
    assert catalog.get(image_id, OWNER).copy_failed is None, "what was refused changed nothing"
    begin_copy(catalog, image_id, "slow")
    with pytest.raises(errors.ImageConflict, match="copied already"):
        begin_copy(catalog, image_id, "far")
    catalog.set_active(image_id, ADMIN, active=False)
    with pytest.raises(errors.ImageConflict, match="deactivated"):
        begin_copy(catalog, image_id, "far")


@pytest.mark.parametrize("change", ["delete", "deactivate", "location", "release", "abandon"])
def test_law_8_copy_whose_image_is_not_what_it_was_adds_nothing(catalog: SqlCatalog, change: str) -> None:
    image_id = active_image(catalog)
    attempt = begin_copy(catalog, image_id, "slow")
    if change == "delete":
        catalog.delete(image_id, OWNER)
    elif change == "deactivate":
        catalog.set_active(image_id, ADMIN, active=False)
    elif change == "location":
        put_behind_the_back(catalog, image_id, "slow")
    elif change == "release":
        assert catalog.release(attempt)
    else:
        assert catalog.abandon_uploads() == 1
    removals = to_remove(catalog)
    with pytest.raises(errors.ImageGone):
        catalog.add_locations(attempt, places(attempt, "slow"))
    assert to_remove(catalog) == removals
    assert catalog.release(attempt) == (change not in ("release", "abandon")), "whether it still was the owner"
    assert catalog.abandon_uploads() == 0
    if change != "delete":
        image = catalog.get(image_id, OWNER)
        assert image.status == ("deactivated" if change == "deactivate" else "active")
        assert attempt.key not in {location.key for location in image.locations}


def put_behind_the_back(catalog: SqlCatalog, image_id: str, store: str) -> None:
    row = {"image_id": image_id, "store": store, "key": "other", "url": "", "state": LIVE}
    catalog._database.change(lambda connection: connection.execute(sa.insert(LOCATIONS).values(**row)))


def test_law_3_recovery_ends_a_copy_and_looks_for_what_it_left(catalog: SqlCatalog) -> None:
    image_id, deleted = active_image(catalog), active_image(catalog)
    dead, doomed = begin_copy(catalog, image_id, "slow", "far"), begin_copy(catalog, deleted, "slow")
    catalog.delete(deleted, OWNER)
    assert to_remove(catalog) == [("fast", deleted)]
    assert catalog.abandon_uploads() == 2
    found = {("slow", dead.key), ("far", dead.key), ("slow", doomed.key), ("fast", deleted)}
    assert set(to_remove(catalog)) == found
    image = catalog.get(image_id, OWNER)
    assert (image.status, image.copying_to, image.copy_failed) == ("active", (), ("slow", "far"))
    assert [location.store for location in image.locations] == ["fast"]
    with pytest.raises(errors.ImageGone):
        catalog.add_locations(dead, places(dead, "slow"))


def test_law_8_copy_that_lost_its_image_to_another_one_changes_nothing(catalog: SqlCatalog) -> None:
    image_id = active_image(catalog)
    lost = begin_copy(catalog, image_id, "slow")
    catalog.release(lost)
    owner = begin_copy(catalog, image_id, "slow")
    with pytest.raises(errors.ImageGone):
        catalog.add_locations(lost, places(lost, "slow"))
    assert not catalog.release(lost)
    catalog.add_locations(owner, places(owner, "slow"))
    assert [location.key for location in catalog.find(image_id).locations] == [image_id, owner.key]


def test_release_of_a_copy_of_a_deleted_image_is_certain_and_keeps_it_deleted(catalog: SqlCatalog) -> None:
    image_id = active_image(catalog)
    attempt = begin_copy(catalog, image_id, "slow")
    catalog.delete(image_id, OWNER)
    assert catalog.release(attempt)
    assert not catalog.release(attempt)
    with pytest.raises(errors.ImageNotFound):
        catalog.get(image_id, OWNER)


def test_law_8_one_of_many_threads_begins_a_copy(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        image_id = active_image(catalog)
        found = outcomes(partial(begin_copy, catalog, image_id, "slow"))
        assert sum(isinstance(outcome, Attempt) for outcome in found) == 1
        assert all(isinstance(outcome, Attempt) or outcome is errors.ImageConflict for outcome in found)


class AddOnceElse:
    """Adds the copy's location in the thread that comes first, and does `other` in the rest."""

    def __init__(self, catalog: SqlCatalog, attempt: Attempt, other: Callable[[], object]) -> None:
        self._catalog = catalog
        self._attempt = attempt
        self._other = other
        self._first = threading.Lock()

    def __call__(self) -> object:
        if self._first.acquire(blocking=False):
            self._catalog.add_locations(self._attempt, places(self._attempt, "slow"))
            return "added"
        return self._other()


def test_law_8_the_end_of_a_copy_and_a_deletion_race_to_one_outcome(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        image_id = active_image(catalog)
        attempt = begin_copy(catalog, image_id, "slow")
        found = outcomes(AddOnceElse(catalog, attempt, partial(catalog.delete, image_id, OWNER)))
        (deleted,) = [outcome for outcome in found if isinstance(outcome, ImageRecord)]
        copied = "added" in found
        assert copied or errors.ImageGone in found
        assert [location.store for location in deleted.locations] == ["fast", *(["slow"] if copied else [])]
        expected = {("fast", image_id)} | ({("slow", attempt.key)} if copied else set())
        assert set(to_remove(catalog, image_id)) == expected
        assert catalog.release(attempt) is not copied


def test_law_8_the_end_of_a_copy_and_its_release_race_to_one_outcome(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        attempt = begin_copy(catalog, active_image(catalog), "slow")
        found = outcomes(AddOnceElse(catalog, attempt, partial(catalog.release, attempt)))
        assert found.count("added") + found.count(True) == 1
        stores = [location.store for location in catalog.find(attempt.image_id).locations]
        assert stores == (["fast", "slow"] if "added" in found else ["fast"])
