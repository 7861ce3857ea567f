"""Copying an active image: refused at once (law 5), counted (law 4), verified (law 10), under its own key (law 8)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.model import Attempt, Location, StoredImage
from imgstore.transfers.copy import CopyRequest, CopyService
from imgstore.transfers.digests import new_hash
from imgstore.transfers.download import DownloadService
from tests.core.copying_world import BODY, SIZE, Copying, damage
from tests.core.several import SeveralStores
from tests.core.world import IMAGE, OWNER


@pytest.mark.parametrize("to", [("cold",), ("far", "cold")])
@pytest.mark.parametrize("need_all", [True, False])
def test_image_is_then_in_the_other_stores_too(to: Sequence[str], need_all: bool) -> None:
    world = Copying()
    before = world.image
    result = world.copy(*to, need_all=need_all)
    assert [location.store for location in result.locations] == list(to)
    world.assert_in("fast", *to)
    after = world.image
    assert (after.status, after.size, after.checksum, after.hash_value) == (
        "active",
        SIZE,
        before.checksum,
        before.hash_value,
    )
    assert (result.hash_algo, result.hash_value) == (before.hash_algo, before.hash_value)


def test_source_is_read_once_however_many_stores_get_it() -> None:
    world = Copying()
    reads: list[int] = []
    real = type(world.drivers["fast"])._open_reader
    fast = world.drivers["fast"]

    def note(key, start, stop, etag):  # type: ignore[no-untyped-def]  # signature is the driver's
        reads.append(start)
        return real(fast, key, start, stop, etag)

    fast._open_reader = note  # type: ignore[method-assign]  # a spy
    world.copy("cold", "far")
    assert reads == [0]


def test_empty_image_is_copied() -> None:
    world = Copying(body=b"")
    world.copy("cold", "far")
    world.assert_in("fast", "cold", "far")


def test_law_8_keys_are_those_of_no_other_attempt() -> None:
    world = Copying()
    lost = world.begin_copy("cold")
    lost.abort()
    world.copy("cold")
    world.copy("far")
    keys = [location.key for location in world.image.locations]
    assert keys == [IMAGE, f"{IMAGE}.3", f"{IMAGE}.4"]
    assert lost.attempt.key == f"{IMAGE}.2"


def test_next_copy_may_read_from_the_first_ones_target() -> None:
    world = Copying()
    world.copy("cold")
    world.drivers["fast"].storage.remove(IMAGE)
    world.copy("far")
    assert world.objects()[f"far/{IMAGE}.3"] == BODY


# What is refused before a byte is read (law 5), and that nothing changed then.

REFUSED = [
    ((), errors.InvalidRequest, "Name the stores"),
    (("nope",), errors.UnknownStore, "nope"),
    (("cold", "cold"), errors.InvalidRequest, "named twice"),
    (("fast",), errors.ImageConflict, "in store 'fast' already"),
    (("cold", "fast"), errors.ImageConflict, "in store 'fast' already"),
    (("cold", "far"), errors.StoreReadOnly, "disabled"),
]


@pytest.mark.parametrize(("to", "error", "words"), REFUSED)
def test_law_5_refused_at_once(to: Sequence[str], error: type[errors.ImgstoreError], words: str) -> None:
    world = Copying(read_only=["far"])
    with pytest.raises(error, match=words):
        world.begin_copy(*to)
    assert not any(driver.calls for driver in world.drivers.values())
    world.assert_in("fast")
    world.copy("cold")
    world.assert_in("fast", "cold")


@pytest.mark.parametrize("status", ["queued", "saving", "missing"])
def test_law_5_only_active_images_are_copied(status: str) -> None:
    world = SeveralStores()
    copying = CopyService(
        world.stores, catalog=world.rows, downloads=DownloadService(world.stores, source=world.rows), quota=world.ledger
    )
    if status == "saving":
        world.begin("fast")
    if status == "missing":
        world.rows.delete(IMAGE)
    with pytest.raises(errors.ImageNotFound if status == "missing" else errors.ImageConflict):
        copying.begin(CopyRequest(IMAGE, ["cold"]))


def test_one_copy_of_an_image_at_a_time() -> None:
    world = Copying()
    first = world.begin_copy("cold")
    with pytest.raises(errors.ImageConflict, match="being copied already") as caught:
        world.begin_copy("far")
    assert caught.value.status == 409
    first.run()
    world.copy("far")
    world.assert_in("fast", "cold", "far")


def test_image_of_another_project_is_not_there() -> None:
    world = Copying()
    with pytest.raises(errors.ImageNotFound):
        world.copying.begin(CopyRequest(IMAGE, ["cold"], context="other"))
    world.assert_undone()


# Law 4


def test_law_4_copies_are_held_before_the_first_byte_and_counted() -> None:
    world = Copying(limit=3 * SIZE)
    copy = world.begin_copy("cold", "far")
    assert world.quota == (SIZE, 2 * SIZE)
    copy.run()
    world.assert_in("fast", "cold", "far")


@pytest.mark.parametrize("to", [("cold",), ("cold", "far")])
def test_law_4_no_room_for_every_copy_is_refused_at_once(to: Sequence[str]) -> None:
    world = Copying(limit=(1 + len(to)) * SIZE - 1)
    with pytest.raises(errors.QuotaExceeded):
        world.begin_copy(*to)
    assert not any(driver.calls for driver in world.drivers.values())
    world.assert_in("fast")


def test_law_4_deleted_during_the_copy_is_counted_no_more() -> None:
    world = Copying()
    copy = world.begin_copy("cold")
    world.rows.delete(IMAGE)
    world.ledger.give_back(OWNER, Location("fast", IMAGE, ""), SIZE)
    with pytest.raises(errors.ImageGone):
        copy.run()
    assert world.quota == (0, 0)
    assert world.objects() == {f"fast/{IMAGE}": BODY}, "which whoever deleted the image removes"


# Law 10: what is copied is the image.


def test_law_10_other_bytes_of_the_same_size_are_never_committed() -> None:
    world = Copying()
    damage(world, "fast", BODY[:-1] + b"?")
    with pytest.raises(errors.IntegrityError, match="sha512"):
        world.copy("cold", "far")
    assert not any("commit" in world.drivers[name].calls for name in ("cold", "far"))
    damage(world, "fast", BODY)
    world.assert_undone()


@pytest.mark.parametrize("data", [BODY[:-1], BODY + b"x", b""])
def test_law_10_object_of_another_size_is_not_read(data: bytes) -> None:
    world = Copying()
    damage(world, "fast", data)
    with pytest.raises(errors.StoreUnavailable):
        world.copy("cold")
    assert "write" not in world.drivers["cold"].calls
    damage(world, "fast", BODY)
    world.assert_undone()


class Knows(MemoryCatalog):
    """A catalog of a host that keeps other digests than the settings say."""

    def __init__(self, algorithm: str | None, *, checksum: bool) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._checksum = checksum

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        attempt, image = super().begin_copy(image_id, stores, context)
        value = None
        if self._algorithm is not None:
            digest = new_hash(self._algorithm)
            digest.update(BODY)
            value = digest.hexdigest()
        return attempt, StoredImage(
            image_id, "active", size=image.size, checksum=image.checksum if self._checksum else None,
            hash_algo=self._algorithm, hash_value=value, locations=image.locations,
        )  # fmt: skip


@pytest.mark.parametrize(("algorithm", "checksum"), [("sha256", True), ("blake2b", False), (None, True)])
@pytest.mark.parametrize("good", [True, False])
def test_law_10_the_images_own_digest_is_what_counts(algorithm: str | None, checksum: bool, good: bool) -> None:
    world = Copying(rows=Knows(algorithm, checksum=checksum))
    if good:
        world.copy("cold")
        world.assert_in("fast", "cold")
        return
    damage(world, "fast", bytes(SIZE))
    with pytest.raises(errors.IntegrityError, match=algorithm or "md5"):
        world.copy("cold")


def test_image_without_any_digest_is_copied_by_its_size() -> None:
    world = Copying(rows=Knows(None, checksum=False))
    world.copy("cold")
    world.assert_in("fast", "cold")
