"""A catalog on three methods of a host's table keeps the contract, and finds what dead processes left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from imgstore.errors import CatalogUnavailable, UsageError
from imgstore.hosting import ImageRow, Standing, TableCatalog, Values
from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from imgstore.testing import (
    CatalogContract,
    CatalogSubject,
    ConfirmsOwnership,
    CopyCatalogContract,
    CopyCatalogSubject,
    HidesImages,
    KeptCatalogContract,
    KeptCatalogSubject,
    NoticesRestores,
    PlaceMemoryContract,
    PlaceMemorySubject,
    RecoversCopies,
    RefusesUnsetFormats,
)
from tests.hosting.tables import DictTable, PlacesSubject, Row, TableSubject

LEASE = 60.0


class TestUploads(ConfirmsOwnership, HidesImages, RefusesUnsetFormats, CatalogContract):
    @pytest.fixture
    def subject(self) -> CatalogSubject:
        return TableSubject()


class TestCopies(CopyCatalogContract):
    @pytest.fixture
    def subject(self) -> CopyCatalogSubject:
        return TableSubject()


class TestRecovery(RecoversCopies, KeptCatalogContract):
    @pytest.fixture
    def subject(self) -> KeptCatalogSubject:
        return TableSubject()


class TestPlaces(NoticesRestores, PlaceMemoryContract):
    @pytest.fixture
    def subject(self) -> PlaceMemorySubject:
        return PlacesSubject()


class World:
    """One table as two processes see it, and their clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.table = DictTable()
        self.table.add(Row("image", "ann"))
        self.one, self.other = (TableCatalog(self.table, lease=LEASE, clock=lambda: self.now) for _ in range(2))

    def begin(self, *stores: str) -> Attempt:
        return self.one.begin(UploadRequest("image", context="ann"), stores or ("a", "b"))

    def active(self, *stores: str) -> Attempt:
        attempt = self.begin("a", "b")
        locations = [Location(store, attempt.key, "") for store in stores]
        self.one.activate(attempt, UploadResult("image", locations, 5, "sha512", "5d"))
        return attempt

    def left(self) -> Sequence[tuple[str, str, bool]]:
        return [(removal.store, removal.key, removal.leftovers) for removal in self.other.removals()]


@pytest.fixture
def world() -> World:
    return World()


def test_what_may_stay_in_a_store_is_told(world: World) -> None:
    assert world.one.release(world.begin(), ["b"])
    assert world.left() == [("b", "image", True)]
    world.active("a")
    assert world.left() == [("b", "image", True), ("b", "image.2", True)]
    world.one.delete("image", "ann")
    assert world.left()[2:] == [("a", "image.2", False)]


def test_an_attempt_whose_image_is_deleted_learns_it_and_ends_by_itself(world: World) -> None:
    attempt = world.begin()
    world.other.delete("image", "ann")
    assert (world.one.renew([attempt]), world.one.release(attempt), world.left()) == ([attempt], True, [])


def test_standings(world: World) -> None:
    world.one.release(world.begin())
    world.active("a")
    keys = ["image", "image.2", "image.3", "other"]
    dead, unknown = Standing.DEAD, Standing.UNKNOWN
    assert list(world.other.standings("a", keys).values()) == [dead, Standing.LIVE, unknown, unknown]
    assert list(world.other.standings("b", keys).values()) == [dead, Standing.REMOVING, unknown, unknown]
    assert list(world.other.standings("c", keys).values()) == [dead, unknown, unknown, unknown]
    world.one.begin_copy("image", ["c"], "ann")
    assert world.other.standings("c", ["image.3"]) == {"image.3": Standing.UNDER_WAY}


def test_a_change_of_the_row_meanwhile_is_no_refusal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a removal that is done: the image is free all the same."""
    swap, late = world.table.swap, iter([False, True, False])

    def lose_first(row: ImageRow, values: Values) -> bool:
        return next(late) and swap(row, values)

    monkeypatch.setattr(world.table, "swap", lose_first)
    assert world.begin().number == 1
    monkeypatch.setattr(world.table, "swap", lambda row, values: False)
    with pytest.raises(CatalogUnavailable):
        world.one.delete("image", "ann")


@pytest.mark.parametrize("record", ['{"attempts": 1, "lease_un', '{"attempts": 1, "of_a_later_release": 1}', "[]"])
def test_contained_a_record_that_cannot_be_read_costs_no_other_image_its_recovery(world: World, record: str) -> None:
    """A column that is too short cut it, or a later release wrote it: the image stays as it is, and is named."""
    dead = world.begin("a")
    world.table.add(Row("unread", "ann", status="saving", unfinished=True, record=record))
    world.now += LEASE + 1
    assert [each.attempt.image_id for each in world.other.expired()] == ["image"]
    assert world.other.abandon_uploads() == 1
    assert world.left() == [("a", dead.key, True)]
    assert world.other.standings("a", ["unread"]) == {"unread": Standing.UNDER_WAY}
    with pytest.raises(UsageError, match="The record of image unread cannot be read"):
        world.one.find("unread", "ann")


def test_row_that_cannot_be_changed_costs_no_other_its_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names, swap = ("a", "b", "c"), world.table.swap
    for name in names:
        world.table.add(Row(name, "ann"))
    attempts = [world.one.begin(UploadRequest(name, context="ann"), ["fast"]) for name in names]

    def locked(row: ImageRow, values: Values) -> bool:
        if row.id == "a":
            raise TimeoutError
        return swap(row, values)

    monkeypatch.setattr(world.table, "swap", locked)
    with pytest.raises(TimeoutError):
        world.one.renew(attempts)
    assert [world.table.rows[name].version for name in names] == [1, 2, 2]


wrong: Any = UUID(int=1)


async def later(self: object, *arguments: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"swap": lambda self, row, values: None}, "Images.swap returned None. It must return True or False"),
        ({"swap": later}, "Images.swap is a coroutine function"),
        ({"get": lambda self, image_id: {"id": image_id}}, "Images.get returned a dict. It must return a row"),
        ({"get": lambda self, image_id: Row(wrong, "ann")}, "Images.get returned a Row. It has an UUID as id"),
        ({"get": lambda self, image_id: Row(image_id, "ann", version=wrong)}, "It has an UUID as version"),
        ({"unfinished": None}, "an Images is no ImageTable: it has no method unfinished"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_table_is_told_by_class_and_method(methods: dict[str, object], words: str) -> None:
    table = type("Images", (DictTable,), methods)()
    table.add(Row("image", "ann"))
    with pytest.raises(UsageError, match=words):
        TableCatalog(table).begin(UploadRequest("image", context="ann"), ["a"])
