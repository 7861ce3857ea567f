"""Attempts that write to several stores, and copies of active images: what the catalog grants, remembers and adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.model import Attempt
from imgstore.sql import EVERYTHING, Caller, NotInStore, SqlCatalog
from imgstore.sql.schema import LIVE, LOCATIONS
from tests.sql.attempts import begin_copy, begun, to_remove
from tests.sql.conftest import OWNER, active_image, locations, queued_image, request, result

STORES = ["fast", "slow", "far"]
MANY = [f"store-{number:02}-{'x' * 55}" for number in range(20)]
ADMIN = Caller("admin", is_admin=True)


def test_all_locations_are_added_at_once_in_their_order(catalog: SqlCatalog) -> None:
    for stores in (STORES, MANY):
        attempt = begun(catalog, *stores)
        assert list(attempt.stores) == stores
        before = catalog.usage("project")
        catalog.activate(attempt, result(attempt, *stores))
        image = catalog.find(attempt.image_id)
        assert [(location.store, location.key) for location in image.locations] == [(s, attempt.key) for s in stores]
        assert catalog.usage("project") - before == 5 * len(stores)
    assert catalog.removals() == []


def test_recovery_looks_into_every_store_of_a_dead_attempt(catalog: SqlCatalog) -> None:
    for stores in (STORES, MANY):
        image_id = queued_image(catalog)
        catalog.release(catalog.begin(request(image_id), ["fast"]))
        dead = catalog.begin(request(image_id), stores)
        assert catalog.abandon_uploads() == 1
        assert to_remove(catalog, image_id) == sorted((store, dead.key) for store in stores)
        assert catalog.get(image_id, OWNER).status == "queued"


def test_deletion_takes_every_copy_along(catalog: SqlCatalog) -> None:
    attempt = begun(catalog, *STORES)
    catalog.activate(attempt, result(attempt, *STORES))
    catalog.delete_location(attempt.image_id, OWNER, "slow")
    with pytest.raises(NotInStore):
        catalog.delete_location(attempt.image_id, OWNER, "slow")
    assert catalog.usage("project") == 10, "what is left counts"
    deleted = catalog.delete(attempt.image_id, OWNER)
    assert [location.store for location in deleted.locations] == ["fast", "far"]
    assert to_remove(catalog) == sorted((store, attempt.key) for store in STORES)
    assert catalog.usage("project") == 0


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
    catalog.add_locations(attempt, locations(attempt, "slow", "far"))
    after = catalog.get(image_id, OWNER)
    assert [location.store for location in after.locations] == ["fast", "slow", "far"]
    assert (after.status, after.size, after.os_hash_value) == ("active", 5, before.os_hash_value)
    assert (after.copying_to, after.copy_failed) == ((), ())
    assert catalog.usage("project") == 15


def test_image_that_was_never_copied_says_nothing_of_copies(catalog: SqlCatalog) -> None:
    attempt = begun(catalog, *STORES)
    image = catalog.get(attempt.image_id, OWNER)
    assert (image.copying_to, image.copy_failed) == ((), None)
    catalog.release(attempt)
    assert catalog.get(attempt.image_id, OWNER).copy_failed is None


def test_copy_that_failed_is_told_until_the_next_one_begins(catalog: SqlCatalog) -> None:
    image_id = active_image(catalog)
    assert catalog.release(begin_copy(catalog, image_id, "slow", "far"))
    failed = catalog.get(image_id, OWNER)
    assert (failed.status, failed.copying_to, failed.copy_failed) == ("active", (), ("slow", "far"))
    assert [location.store for location in failed.locations] == ["fast"]
    again = begin_copy(catalog, image_id, "slow", "far")
    assert catalog.get(image_id, OWNER).copy_failed == ()
    catalog.add_locations(again, locations(again, "far"))
    assert catalog.get(image_id, OWNER).copy_failed == ("slow",)
    assert to_remove(catalog) == [("slow", again.key)], "what the store that was left out may have kept"


def test_copy_that_is_refused_changes_nothing(catalog: SqlCatalog) -> None:
    image_id = active_image(catalog)
    with pytest.raises(errors.ImageNotFound):
        catalog.begin_copy(image_id, ["slow"], Caller("stranger"))
    assert catalog.get(image_id, OWNER).copy_failed is None
    catalog.set_active(image_id, ADMIN, active=False)
    with pytest.raises(errors.ImageConflict, match="deactivated"):
        begin_copy(catalog, image_id, "far")


def changes(catalog: SqlCatalog, attempt: Attempt) -> Mapping[str, Callable[[], object]]:
    """What may become of an image during a copy."""
    image_id = attempt.image_id
    return {
        "delete": partial(catalog.delete, image_id, OWNER),
        "deactivate": partial(catalog.set_active, image_id, ADMIN, active=False),
        "location": partial(put_behind_the_back, catalog, image_id, "slow"),
        "release": partial(catalog.release, attempt),
        "abandon": catalog.abandon_uploads,
    }


def test_copy_whose_image_is_not_what_it_was_adds_nothing(catalog: SqlCatalog) -> None:
    for change in ("delete", "deactivate", "location", "release", "abandon"):
        image_id = active_image(catalog)
        attempt = begin_copy(catalog, image_id, "slow")
        changes(catalog, attempt)[change]()
        removals = to_remove(catalog)
        with pytest.raises(errors.ImageGone):
            catalog.add_locations(attempt, locations(attempt, "slow"))
        assert to_remove(catalog) == removals
        assert catalog.release(attempt) == (change not in ("release", "abandon")), "whether it still was the owner"
        assert catalog.abandon_uploads() == 0
        if change != "delete":
            image = catalog.get(image_id, OWNER)
            assert image.status == ("deactivated" if change == "deactivate" else "active")
            assert attempt.key not in {location.key for location in image.locations}


def put_behind_the_back(catalog: SqlCatalog, image_id: str, store: str) -> None:
    row = {"image_id": image_id, "store": store, "key": f"other-{image_id}", "url": "", "state": LIVE}
    catalog._database.change(lambda connection: connection.execute(sa.insert(LOCATIONS).values(**row)))


def test_recovery_ends_a_copy_and_looks_for_what_it_left(catalog: SqlCatalog) -> None:
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
        catalog.add_locations(dead, locations(dead, "slow"))


def upload_and_copy(catalog: SqlCatalog) -> list[tuple[Callable[[], Attempt], Callable[[Attempt], None]]]:
    """How an attempt at an image is begun, and how it ends well."""
    queued, active = queued_image(catalog), active_image(catalog)
    return [
        (lambda: catalog.begin(request(queued), ["slow"]), lambda own: catalog.activate(own, result(own, "slow"))),
        (lambda: begin_copy(catalog, active), lambda own: catalog.add_locations(own, locations(own, "slow"))),
    ]


def test_attempt_that_lost_its_image_to_another_one_changes_nothing(catalog: SqlCatalog) -> None:
    for begin, finish in upload_and_copy(catalog):
        lost = begin()
        catalog.release(lost)
        owner = begin()
        with pytest.raises(errors.ImageGone):
            finish(lost)
        assert not catalog.release(lost)
        finish(owner)
        assert catalog.find(lost.image_id).locations[-1].key == owner.key


def test_release_of_a_deleted_image_is_certain_and_keeps_it_deleted(catalog: SqlCatalog) -> None:
    for begin, finish in upload_and_copy(catalog):
        attempt = begin()
        catalog.delete(attempt.image_id, OWNER)
        with pytest.raises(errors.ImageGone):
            finish(attempt)
        assert [catalog.release(attempt) for _ in range(2)] == [True, False]
        with pytest.raises(errors.ImageNotFound):
            catalog.get(attempt.image_id, EVERYTHING)
