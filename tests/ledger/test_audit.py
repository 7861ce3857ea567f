"""The ledger against the catalog: nothing is found where all is well; what is off is found, and put right."""

from __future__ import annotations

import dataclasses
import threading

import sqlalchemy as sa

from imgstore.model import Attempt, Location, UploadRequest
from imgstore.sql import EVERYTHING, Charge, ObjectId, compare, put_right
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES
from imgstore.sql.schema import LIVE, LOCATIONS
from tests.ledger.conftest import OWNER, STORE, House, result


def execute(house: House, statement: sa.Executable) -> None:
    house.database.change(lambda connection: connection.execute(statement))


def assert_clean(house: House, **expected: int) -> None:
    """Nothing is wrong, and the project has so much."""
    found = compare(house.database)
    assert (found.wrong, found.images) == ((), ())
    assert house.ledger.account(OWNER) == Charge(**expected)


def assert_put_right(house: House, **expected: int) -> None:
    """Something is wrong, and nothing afterwards."""
    found = compare(house.database)
    assert found.wrong or found.images
    put_right(house.database, found)
    assert_clean(house, **expected)


def test_nothing_is_found_where_all_is_well(house: House) -> None:
    house.active(40)
    house.begun(house.queued("other"), 7)
    house.catalog.delete(house.active(3), EVERYTHING)
    house.begun(house.queued(), None)
    house.catalog.abandon_uploads()
    house.begun(house.queued("other"), 9)
    assert_clean(house, used=40, images=2)
    assert {each.account.owner for each in compare(house.database).accounts} == {"", OWNER, "other"}


def test_nothing_is_found_while_images_come_and_go(house: House) -> None:
    """Catalog, entries and accounts are looked at as of one moment."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            image_id = house.active(40)
            failed = house.catalog.begin(UploadRequest(house.queued()), [STORE])
            hold = house.ledger.reserve(failed, STORE, None)
            hold.extend_to(10)
            house.catalog.release(failed)
            hold.release()
            for each in (failed.image_id, image_id):
                house.catalog.delete(each, EVERYTHING)
            house.remove_all()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        found = [compare(house.database)]
        while thread.is_alive() and (len(found) < 60 or len({each.accounts for each in found}) < 3):
            found.append(compare(house.database))
    finally:
        over.set()
        thread.join()
    assert [(each.wrong, each.images) for each in found] == [((), ())] * len(found)
    assert len(found) >= 60


def test_missing_entries_and_wrong_sizes_are_the_catalogs(house: House) -> None:
    first, second = house.active(40), house.active(30)
    house.ledger.forget(ObjectId(STORE, first))
    house.ledger.forget(ObjectId("", second))
    execute(house, sa.update(ENTRIES).where(ENTRIES.c.key == second, ENTRIES.c.store == STORE).values(bytes=31))
    assert_put_right(house, used=70, images=2)


def test_accounts_that_do_not_add_up_or_are_lost_are_added_up(house: House) -> None:
    house.active(40)
    house.begun(house.queued(), 7)
    for statement in (
        sa.update(ACCOUNTS).values(used_bytes=999, held_bytes=1, images=9, uploads=9),
        sa.delete(ACCOUNTS),
    ):
        execute(house, statement)
        assert_put_right(house, used=40, held=7, images=2, uploads=1)
        assert house.ledger.account("", STORE) == Charge(used=40, held=7, images=2, uploads=1)


def test_object_that_no_image_has_is_handed_to_the_service(house: House) -> None:
    """As of a failed upload whose object the store did not let go."""
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE])
    hold = house.ledger.reserve(attempt, STORE, 40)
    house.catalog.release(attempt)
    hold.settle(40)
    assert house.ledger.account(OWNER) == Charge(used=40, images=1), "it counts until it is gone"
    assert_put_right(house, images=1)
    assert house.ledger.account("", STORE) == Charge(used=40, images=1)
    (removal,) = house.catalog.removals()
    assert (removal.store, removal.key) == (STORE, attempt.key)
    house.catalog.removed(removal)
    assert house.ledger.account("", STORE) == Charge()


def test_living_hold_is_let_be_and_an_expired_one_is_not(house: House) -> None:
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE])
    hold = house.ledger.reserve(attempt, STORE, 40)
    house.catalog.release(attempt)
    assert compare(house.database).wrong == (), "its session is about to end it"
    execute(house, sa.update(ENTRIES).where(ENTRIES.c.state == "held").values(expires_at=1))
    assert_put_right(house, images=1)
    hold.release()


def test_expired_hold_is_let_be_until_the_catalog_has_ended_its_attempt(house: House) -> None:
    """Its process may be cut off, and not dead; recovery takes image and hold back together."""
    house.begun(house.queued(), 40)
    execute(house, sa.update(ENTRIES).where(ENTRIES.c.state == "held").values(expires_at=1))
    put_right(house.database, compare(house.database))
    assert_clean(house, held=40, images=1, uploads=1)
    house.catalog.abandon_uploads()
    assert_clean(house, images=1)


def test_what_an_attempt_may_have_left_and_never_held_is_not_missed(house: House) -> None:
    """A store that was left out has let its hold go; an attempt may die before it has one."""
    several = house.catalog.begin(UploadRequest(house.queued()), [STORE, "slow"])
    house.ledger.reserve(several, STORE, 5)
    house.ledger.reserve(several, "slow", 5).release()
    house.catalog.activate(several, result(several))
    house.catalog.begin(UploadRequest(house.queued()), [STORE])
    house.catalog.abandon_uploads()
    assert len(house.catalog.removals()) == 2
    assert_clean(house, used=5, images=2)


def to_two_stores(house: House) -> Attempt:
    attempt = house.catalog.begin(UploadRequest(house.queued()), [STORE, "slow"])
    for store in (STORE, "slow"):
        house.ledger.reserve(attempt, store, 5)
    assert_clean(house, held=10, images=1, uploads=1)
    return attempt


def test_upload_to_several_stores_is_one_until_it_ends(house: House) -> None:
    attempt = to_two_stores(house)
    house.catalog.activate(attempt, result(attempt, 5, STORE, "slow"))
    assert_clean(house, used=10, images=1)
    house.catalog.delete(attempt.image_id, EVERYTHING)
    to_two_stores(house)
    house.catalog.abandon_uploads()
    assert_clean(house, images=1)


def test_upload_to_several_stores_is_one_without_those_left_out(house: House) -> None:
    for kept, left_out in ((STORE, "slow"), ("slow", STORE)):
        attempt = to_two_stores(house)
        assert house.ledger.release(ObjectId(left_out, attempt.key))
        assert_clean(house, held=5, images=1, uploads=1)
        house.catalog.activate(attempt, result(attempt, 5, kept))
        assert_clean(house, used=5, images=1)
        house.catalog.delete(attempt.image_id, EVERYTHING)


def test_upload_to_several_stores_is_one_of_whom_its_image_is_given_to(house: House) -> None:
    attempt = to_two_stores(house)
    house.catalog.update(attempt.image_id, EVERYTHING, lambda image: dataclasses.replace(image, owner="other"))
    assert_clean(house)
    assert house.ledger.account("other") == Charge(held=10, images=1, uploads=1)


def test_upload_to_several_stores_is_added_up_as_one(house: House) -> None:
    to_two_stores(house)
    execute(house, sa.update(ACCOUNTS).values(uploads=2))
    assert_put_right(house, held=10, images=1, uploads=1)


def test_expired_upload_to_several_stores_is_put_right_as_a_whole(house: House) -> None:
    for first, second in ((STORE, "slow"), ("slow", STORE)):
        attempt = to_two_stores(house)
        house.catalog.release(attempt)
        assert_clean(house, held=10, images=1, uploads=1)
        execute(house, sa.update(ENTRIES).where(ENTRIES.c.store == first).values(expires_at=1))
        assert_put_right(house, held=5, images=1, uploads=1 if first == "slow" else 0)
        execute(house, sa.update(ENTRIES).where(ENTRIES.c.store == second).values(expires_at=1))
        assert_put_right(house, images=1)
        house.catalog.delete(attempt.image_id, EVERYTHING)
        house.remove_all()


def test_entries_of_a_host_without_our_catalog_are_not_its_images(house: House) -> None:
    """Two hosts must not share a ledger; what is left over is forgotten."""
    house.ledger.add_image("stranger", "elsewhere")
    assert_put_right(house)
    assert house.ledger.account("elsewhere") == Charge()


def test_copies_count_each(house: House) -> None:
    image_id = house.active(40)
    copy = sa.insert(LOCATIONS).values(image_id=image_id, store="slow", key=image_id, url="", state=LIVE)
    execute(house, copy)
    assert_put_right(house, used=80, images=1)
    house.ledger.give_back(OWNER, Location("slow", image_id, ""), 40)
    assert house.ledger.account(OWNER) == Charge(used=40, images=1)
