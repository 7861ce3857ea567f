"""Temporary URLs: for who may see the image, for a bounded time, of the object that it has; and told nowhere."""

from __future__ import annotations

import logging
from typing import Any
from unittest.mock import Mock

import pytest

from imgstore import errors
from imgstore.model import ObjectInfo
from imgstore.transfers.download import DownloadService
from imgstore.transfers.temporary_urls import LONGEST, NoTemporaryUrl, TemporaryUrl
from tests.core.copying_world import Copying, damage
from tests.core.stores import HookedStore
from tests.core.world import DOWN, IMAGE, OWNER

SIGNATURE = "sig-7f0f4b5e"


class SigningStore(HookedStore):
    """Makes URLs."""

    def _stat(self, key: str) -> ObjectInfo:
        self.calls.append("stat")
        return super()._stat(key)

    def temporary_url(self, key: str, *, seconds: int) -> str:
        return self.call("url", lambda: f"https://store/{key}?{SIGNATURE}&for={seconds}")


def world_of(*where: str, **options: Any) -> tuple[Copying, DownloadService]:
    world = Copying(*where, driver=SigningStore, **options)
    return world, DownloadService(world.stores, source=world.rows)


def make(downloads: DownloadService, seconds: int = 60, **wanted: Any) -> TemporaryUrl:
    return downloads.temporary_url(IMAGE, seconds=seconds, **{"context": OWNER, **wanted})


def test_the_url_is_of_the_images_object_and_told_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    world, downloads = world_of("fast", "cold")
    with caplog.at_level(logging.DEBUG):
        made = make(downloads, prefer=["cold"])
    (key,) = {location.key for location in world.image.locations}
    assert (made.url, made.location.store, made.seconds) == (f"https://store/{key}?{SIGNATURE}&for=60", "cold", 60)
    assert f"Image {IMAGE}: a URL of store cold, for 60 s" in caplog.text
    assert SIGNATURE not in caplog.text + repr(made) + str(made)


def test_who_may_not_see_the_image_gets_none() -> None:
    world, downloads = world_of()
    with pytest.raises(errors.ImageNotFound):
        make(downloads, context="somebody else")
    world.rows.create("queued", owner=OWNER)
    with pytest.raises(errors.ImageConflict, match="is queued: only active images"):
        downloads.temporary_url("queued", seconds=60, context=OWNER)
    assert world.driver.calls == []


@pytest.mark.parametrize("seconds", [0, -1, LONGEST + 1])
def test_the_time_is_bounded(seconds: int) -> None:
    world, downloads = world_of()
    with pytest.raises(errors.UsageError, match=str(seconds)):
        make(downloads, seconds)
    assert world.driver.calls == []


def test_the_next_store_makes_it_where_one_fails_or_has_another_object() -> None:
    world, downloads = world_of("fast", "cold")
    damage(world, "fast", b"another")
    assert make(downloads).location.store == "cold"
    world.drivers["cold"].fails("url", DOWN)
    with pytest.raises(errors.IntegrityError, match="has 7 bytes"):
        make(downloads)
    for name in ("fast", "cold"):
        world.drivers[name].storage.remove(IMAGE)
    with pytest.raises(errors.DataGone):
        make(downloads)
    assert [store.bulkhead.under_way for store in world.stores] == [0, 0, 0]


def test_contained_a_store_that_is_busy_costs_its_wait_only() -> None:
    world, downloads = world_of(transfers=1, wait=0)
    with world.stores.resolve("fast").slot(), pytest.raises(errors.StoreBusy):
        make(downloads)
    assert make(downloads).location.store == "fast"


def test_the_caller_reaches_the_object_in_the_callers_own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    world, downloads = world_of()
    (location,) = world.image.locations
    own = SigningStore()
    own.storage.create(location.key, world.body)
    asked = Mock(return_value=own)
    monkeypatch.setattr(world.driver, "for_context", asked)
    make(downloads)
    asked.assert_called_once_with(OWNER, url=location.url)
    assert own.calls == ["stat", "url"]


def test_a_store_that_makes_none_is_told_in_words() -> None:
    world = Copying()
    with pytest.raises(NoTemporaryUrl, match="makes temporary URLs: deliver its data through the service") as caught:
        make(DownloadService(world.stores, source=world.rows))
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (501, "no-temporary-url", False)
