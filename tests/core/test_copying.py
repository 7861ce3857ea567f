"""Copying an active image: refused early, held, accounted for, and under a key of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from unittest.mock import Mock

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.model import Attempt, Location, StoredImage
from imgstore.transfers.copy import CopyRequest
from tests.core.copying_world import BODY, SIZE, Copying, damage
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
    assert (after.checksum, after.hash_value) == (before.checksum, before.hash_value)
    assert (result.hash_algo, result.hash_value) == (before.hash_algo, before.hash_value)


def test_source_is_read_once_however_many_stores_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Copying()
    spy = Mock(wraps=world.drivers["fast"]._open_reader)
    monkeypatch.setattr(world.drivers["fast"], "_open_reader", spy)
    world.copy("cold", "far")
    assert spy.call_count == 1


def test_empty_image_is_copied() -> None:
    world = Copying(body=b"")
    world.copy("cold", "far")
    world.assert_in("fast", "cold", "far")


def test_keys_are_those_of_no_other_attempt() -> None:
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
    assert world.objects[f"far/{IMAGE}.3"] == BODY


@pytest.mark.parametrize(
    ("to", "error", "words"),
    [
        ((), errors.InvalidRequest, "Name the stores"),
        (("nope",), errors.UnknownStore, "nope"),
        (("cold", "cold"), errors.InvalidRequest, "named twice"),
        (("fast",), errors.AlreadyInStore, "present at store 'fast'"),
        (("cold", "fast"), errors.AlreadyInStore, "present at store 'fast'"),
        (("cold", "far"), errors.StoreReadOnly, "disabled"),
    ],
)
def test_copy_that_cannot_be_is_refused_before_a_byte_is_read(
    to: Sequence[str], error: type[errors.ImgstoreError], words: str
) -> None:
    world = Copying(read_only=["far"])
    with pytest.raises(error, match=words):
        world.begin_copy(*to)
    assert not any(driver.calls for driver in world.drivers.values())
    world.assert_in("fast")
    world.copy("cold")
    world.assert_in("fast", "cold")
    assert world.image.locations[1].key == f"{IMAGE}.2", "what was refused was no attempt"


@pytest.mark.parametrize(
    ("status", "error"),
    [("queued", errors.ImageConflict), ("saving", errors.ImageConflict), ("missing", errors.ImageNotFound)],
)
def test_only_active_images_are_copied(status: str, error: type[errors.ImgstoreError]) -> None:
    world = Copying()
    world.rows.delete(IMAGE)
    if status != "missing":
        world.rows.create(IMAGE, owner=OWNER)
    if status == "saving":
        world.begin("fast")
    with pytest.raises(error):
        world.begin_copy("cold")


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


def test_copies_are_held_before_the_first_byte_and_counted() -> None:
    world = Copying(limit=3 * SIZE)
    copy = world.begin_copy("cold", "far")
    assert world.quota == (SIZE, 2 * SIZE)
    copy.run()
    world.assert_in("fast", "cold", "far")


@pytest.mark.parametrize("to", [("cold",), ("cold", "far")])
def test_no_room_for_every_copy_is_refused_at_once(to: Sequence[str]) -> None:
    world = Copying(limit=(1 + len(to)) * SIZE - 1)
    with pytest.raises(errors.QuotaExceeded):
        world.begin_copy(*to)
    assert not any(driver.calls for driver in world.drivers.values())
    world.assert_in("fast")


def test_deleted_during_the_copy_is_counted_no_more() -> None:
    world = Copying()
    copy = world.begin_copy("cold")
    world.rows.delete(IMAGE)
    world.ledger.give_back(OWNER, Location("fast", IMAGE, ""), SIZE)
    with pytest.raises(errors.ImageGone):
        copy.run()
    assert world.quota == (0, 0)
    assert world.objects == {f"fast/{IMAGE}": BODY}, "which whoever deleted the image removes"


def test_other_bytes_of_the_same_size_are_never_committed() -> None:
    world = Copying()
    damage(world, "fast", BODY[:-1] + b"?")
    with pytest.raises(errors.IntegrityError, match="sha512"):
        world.copy("cold", "far")
    assert world.called("commit") == []
    damage(world, "fast", BODY)
    world.assert_undone()


@pytest.mark.parametrize("data", [BODY[:-1], BODY + b"x", b""], ids=["short", "long", "none"])
def test_object_of_another_size_is_not_read(data: bytes) -> None:
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
        value = self._algorithm and hashlib.new(self._algorithm, BODY).hexdigest()
        return attempt, StoredImage(
            image_id, "active", size=image.size, checksum=image.checksum if self._checksum else None,
            hash_algo=self._algorithm, hash_value=value, locations=image.locations,
        )  # fmt: skip


@pytest.mark.parametrize(("algorithm", "checksum"), [("sha256", True), ("blake2b", False), (None, True), (None, False)])
def test_the_images_own_digest_is_what_counts(algorithm: str | None, checksum: bool) -> None:
    """One without any digest is copied by its size."""
    world = Copying(rows=Knows(algorithm, checksum=checksum))
    world.copy("cold")
    world.assert_in("fast", "cold")
    if algorithm or checksum:
        world = Copying(rows=Knows(algorithm, checksum=checksum))
        damage(world, "fast", bytes(SIZE))
        with pytest.raises(errors.IntegrityError, match=algorithm or "md5"):
            world.copy("far")
