"""Refuse early: what `begin` refuses, in which order, and that nothing has changed then."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import StoredImage, UploadRequest
from imgstore.sql import NewImage, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import ALL, ANY, OFF, UploadSettings
from imgstore.transfers.upload import UploadService
from tests.core.stores import HookedStore
from tests.core.world import IMAGE, NAMES, OWNER, World

SIZE = 1000

# In the order in which they are checked: each row makes one thing wrong.
ORDER: dict[str, type[errors.ImgstoreError]] = {
    "negative": errors.InvalidRequest,
    "store": errors.UnknownStore,
    "missing": errors.ImageNotFound,
    "formats": errors.InvalidRequest,
    "status": errors.ImageConflict,
    "read-only": errors.StoreReadOnly,
    "largest": errors.ImageTooLarge,
    "quota": errors.QuotaExceeded,
    "capacity": errors.StoreFull,
}
# Neither was an image without formats ever anything but queued, nor has a missing one any.
IMPOSSIBLE = {("formats", "status"), ("missing", "formats"), ("missing", "status")}
PAIRS = [pair for pair in itertools.combinations(ORDER, 2) if pair not in IMPOSSIBLE]


@pytest.mark.parametrize("wrong", [(), *((name,) for name in ORDER), *PAIRS], ids="-".join)
def test_first_thing_that_is_wrong_is_refused_and_nothing_changes(wrong: Sequence[str]) -> None:
    world = World(
        limit=SIZE - 1 if "quota" in wrong else None,
        capacities={"fast": SIZE - 1} if "capacity" in wrong else None,
        read_only=["fast"] if "read-only" in wrong else [],
        max_image_size=SIZE - 1 if "largest" in wrong else None,
    )
    if "formats" in wrong:
        world.rows.create(IMAGE, owner=OWNER, disk_format=None)
    if "status" in wrong:
        world.rows.begin(UploadRequest(IMAGE), ["fast"])
    if "missing" in wrong:
        world.rows.delete(IMAGE)
    store, size = "nope" if "store" in wrong else "fast", -1 if "negative" in wrong else SIZE
    if not wrong:
        world.begin(store, size=size).abort()
    else:
        with pytest.raises(ORDER[wrong[0]]):
            world.begin(store, size=size)
        assert "open" not in world.driver.calls
    world.assert_nothing_left()
    if "missing" not in wrong:
        assert world.status == ("saving" if "status" in wrong else "queued")


@pytest.mark.parametrize(
    ("mode", "names", "error", "words"),
    [
        (OFF, ("nope",), errors.UnknownStore, "'nope'"),
        (OFF, ("",), errors.UnknownStore, "''"),
        (OFF, ("far",), errors.StoreReadOnly, "disabled"),
        (ALL, ("fast", "nope"), errors.UnknownStore, "nope"),
        (ALL, ("fast", ""), errors.UnknownStore, "''"),
        (ALL, ("fast", "cold", "fast"), errors.InvalidRequest, "'fast' is named twice"),
        (ANY, ("cold", "cold"), errors.InvalidRequest, "'cold' is named twice"),
        (OFF, ("fast", "cold"), errors.InvalidRequest, "one store"),
        (ALL, ("fast", "far"), errors.StoreReadOnly, "disabled"),
        (ANY, ("fast", "far"), errors.StoreReadOnly, "disabled"),
    ],
)
def test_stores_that_cannot_be_are_named_and_refused(
    mode: str, names: Sequence[str], error: type[errors.ImgstoreError], words: str
) -> None:
    world = World(*NAMES, mode=mode, read_only=["far"])
    with pytest.raises(error, match=words) as caught:
        world.begin(*names)
    if isinstance(caught.value, errors.StoreReadOnly):
        assert (caught.value.status, caught.value.store) == (410, "far")
    assert world.status == "queued"
    world.assert_nothing_left()
    assert not any(driver.calls for driver in world.drivers.values())


def test_settings_that_cannot_be_are_refused_before_any_upload() -> None:
    with pytest.raises(errors.UsageError, match="off, all, any"):
        UploadSettings(several_stores="some")
    for algorithm in ("crc32", "SHA512", "shake_128", ""):
        with pytest.raises(errors.UsageError, match="hash"):
            UploadSettings(hash_algo=algorithm)


class Fixed(HookedStore):
    READ_ONLY = True


def test_store_that_is_read_only_by_nature_is_refused() -> None:
    world = World(driver=Fixed)
    with pytest.raises(errors.StoreReadOnly):
        world.begin()
    assert world.status == "queued"
    world.assert_nothing_left()


def test_stranger_sees_no_image() -> None:
    world = World()
    with pytest.raises(errors.ImageNotFound):
        world.service.begin(UploadRequest(IMAGE, context="another project"))
    world.assert_untouched()


def test_limit_itself_is_allowed() -> None:
    world = World(limit=SIZE, max_image_size=SIZE, capacities={"fast": SIZE})
    world.upload([bytes(SIZE)], size=SIZE)
    world.assert_active(bytes(SIZE))


def test_declared_size_is_held_from_the_beginning() -> None:
    world = World(limit=SIZE)
    with world.begin(size=SIZE):
        assert world.quota == (0, SIZE)
        world.rows.create("second", owner=OWNER)
        with pytest.raises(errors.QuotaExceeded):
            world.service.begin(UploadRequest("second", size=1))
        assert world.rows.find("second").status == "queued"
    world.assert_untouched()


@pytest.mark.parametrize(
    ("image_id", "owner", "words"),
    [("x.2", OWNER, "dot and a number"), ("a/b", OWNER, "'a/b' is no image's identifier"), ("x", "", "no owner")],
)
def test_image_whose_keys_or_quota_would_be_anothers_is_refused(
    tmp_path: Path, image_id: str, owner: str, words: str
) -> None:
    """Also where a host's own catalog has it: then the attempt ends at once."""
    with pytest.raises(errors.UsageError, match=words):
        MemoryCatalog().create(image_id, owner=owner)
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/catalog.sqlite")) as catalog:
        with pytest.raises(errors.UsageError, match="up to 36 characters"):
            catalog.create(NewImage("x" * 37, OWNER))
        with pytest.raises(errors.UsageError, match=words):
            catalog.create(NewImage(image_id, owner))
    rows = MemoryCatalog()
    rows.create("x.02", owner=OWNER)
    rows._rows[image_id] = replace(rows._rows.pop("x.02"), owner=owner, image=StoredImage(image_id, "queued"))
    stores = StoreSet([Store("fast", MemoryDriver())], default="fast")
    with pytest.raises(errors.UsageError, match=words):
        UploadService(stores, catalog=rows).begin(UploadRequest(image_id))
    assert rows.find(image_id).status == "queued"
