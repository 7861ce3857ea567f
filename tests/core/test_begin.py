"""Law 5, refuse before the first read: what `begin` refuses, in which order, and that nothing has changed then."""

from __future__ import annotations

import itertools

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import UploadRequest
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService, UploadSettings
from tests.core.world import IMAGE, OWNER, World

SIZE = 1000

# In the order in which they are checked: each row makes one thing wrong.
ORDER: list[tuple[str, type[errors.ImgstoreError]]] = [
    ("negative", errors.InvalidRequest),
    ("store", errors.UnknownStore),
    ("missing", errors.ImageNotFound),
    ("formats", errors.InvalidRequest),
    ("status", errors.ImageConflict),
    ("read-only", errors.StoreReadOnly),
    ("largest", errors.ImageTooLarge),
    ("quota", errors.QuotaExceeded),
    ("capacity", errors.StoreFull),
]
PAIRS = list(itertools.combinations(range(len(ORDER)), 2))
IMPOSSIBLE = {("formats", "status")}  # an image without formats was never anything but queued


class Host:
    """A host in which the named things are wrong."""

    def __init__(self, *wrong: str) -> None:
        self.wrong = wrong
        self.driver = MemoryDriver(capacity=SIZE - 1 if "capacity" in wrong else None)
        self.world = World(limit=SIZE - 1 if "quota" in wrong else None, driver=self.driver)
        if "formats" in wrong:
            self.world.rows.create(IMAGE, owner=OWNER, disk_format=None)
        if "status" in wrong:
            self.world.upload([b"first"])
        if "missing" in wrong:
            self.world.rows.delete(IMAGE)
        stores = StoreSet([Store("fast", self.driver, read_only="read-only" in wrong)], default="fast")
        largest = SIZE - 1 if "largest" in wrong else None
        self.service = UploadService(
            stores, catalog=self.world.rows, quota=self.world.ledger, settings=UploadSettings(max_image_size=largest)
        )

    def begin(self) -> None:
        size = -1 if "negative" in self.wrong else SIZE
        stores = ["nope"] if "store" in self.wrong else []
        self.service.begin(UploadRequest(IMAGE, stores=stores, size=size))


def possible(first: str, second: str) -> bool:
    without_row = {"formats", "status"}
    return (first, second) not in IMPOSSIBLE and not (first == "missing" and second in without_row)


@pytest.mark.parametrize(("wrong", "error"), ORDER)
def test_refusal_comes_before_the_first_byte_and_changes_nothing(wrong: str, error: type[errors.ImgstoreError]) -> None:
    host = Host(wrong)
    status = None if wrong == "missing" else host.world.status
    objects = host.world.objects
    with pytest.raises(error):
        host.begin()
    assert host.world.objects == objects
    assert host.world.ledger.account(OWNER).held == 0
    assert host.driver.storage.account.held == 0
    if status is not None:
        assert host.world.status == status


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_earlier_check_wins(first: int, second: int) -> None:
    names = ORDER[first][0], ORDER[second][0]
    if not possible(*names):
        return
    with pytest.raises(ORDER[first][1]):
        Host(*names).begin()


def test_last_check_of_a_host_in_order_passes() -> None:
    Host().begin()


def test_refused_store_names_the_identifier_that_was_asked_for() -> None:
    with pytest.raises(errors.UnknownStore, match="'nope'"):
        Host("store").begin()
    with pytest.raises(errors.UnknownStore, match="''"):
        World().begin(store="")


def test_read_only_names_its_store() -> None:
    with pytest.raises(errors.StoreReadOnly) as caught:
        World(read_only=True).begin()
    assert caught.value.store == "fast"
    assert caught.value.status == 410


class Fixed(MemoryDriver):
    READ_ONLY = True


def test_store_that_is_read_only_by_nature_is_refused() -> None:
    world = World(driver=Fixed())
    with pytest.raises(errors.StoreReadOnly):
        world.begin()
    assert world.status == "queued"
    assert world.ledger.account(OWNER).held == 0


def test_stranger_sees_no_image() -> None:
    world = World()
    with pytest.raises(errors.ImageNotFound):
        world.service.begin(UploadRequest(IMAGE, context="another project"))
    world.assert_untouched()


def test_limit_itself_is_allowed() -> None:
    world = World(limit=SIZE, settings=UploadSettings(max_image_size=SIZE), driver=MemoryDriver(capacity=SIZE))
    world.upload([bytes(SIZE)], size=SIZE)
    world.assert_active(bytes(SIZE))


def test_declared_size_is_held_from_the_beginning() -> None:
    world = World(limit=SIZE)
    with world.begin(size=SIZE):
        assert world.ledger.account(OWNER).held == SIZE
        world.rows.create("second", owner=OWNER)
        with pytest.raises(errors.QuotaExceeded):
            world.service.begin(UploadRequest("second", size=1))
        assert world.rows.find("second").status == "queued"
    world.assert_untouched()
