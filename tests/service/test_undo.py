"""Undone by a process that lives: a store that fails for a moment in every undo keeps nothing once it works again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver import ObjectWriter
from imgstore.model import Attempt, Leftover, UploadResult
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadSettings
from tests.core.stores import HookedStore
from tests.support.service import LocalService
from tests.support.waiting import until

DOWN = errors.StoreUnavailable("down for a moment")
BODY = b"data" * 1000


class Parted(HookedStore):
    """Keeps parts of an upload that neither ended nor was aborted, as S3 does."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: set[str] = set()

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        writer = super()._open_writer(key, size)
        self.parts.add(key)
        return writer

    def happens(self, hook: str) -> None:
        super().happens(hook)
        if hook in ("abort", "committed"):
            self.parts.clear()

    def clear_leftovers(self, key: str) -> None:
        self.happens("clearing")
        self.parts.discard(key)

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        return (Leftover(key, "parts", key=key) for key in self.parts)


class World:
    """A service with two stores."""

    def __init__(self, local: LocalService, drivers: Mapping[str, Parted]) -> None:
        self.local = local
        self.drivers = drivers
        self.catalog = local.service.catalog

    def put(self, image: str, stores: str, *, known: bool) -> int:
        body = BODY if known else iter([BODY])
        return self.local.client.upload(image, body, store=stores).status

    def nothing_stays(self, image: str) -> None:
        """Once the stores work again; without a restart."""
        for driver in self.drivers.values():
            driver.hooks.clear()
        for _ in range(2):
            self.local.service.keeper.recovery.recover(at_once=True)
        assert {name: (driver.storage.names(), driver.parts) for name, driver in self.drivers.items()} == {
            "fast": (set(), set()), "slow": (set(), set()),
        }  # fmt: skip
        assert self.local.catalog.removals() == []
        accounts = self.local.service.quota.accounts()
        assert not any(charge.used or charge.held or charge.uploads for charge in accounts.values()), accounts


def refused(attempt: Attempt, result: UploadResult) -> None:
    raise errors.CatalogUnavailable("no room in the catalog")


def lost(attempt: Attempt, result: UploadResult) -> None:
    raise ConnectionError("nobody knows")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    drivers = {name: Parted() for name in ("fast", "slow")}
    stores = StoreSet([Store(name, driver) for name, driver in drivers.items()], default="fast")
    with LocalService(tmp_path, stores, settings=UploadSettings(several_stores="any")).running() as local:
        yield World(local, drivers)


STEPS: dict[str, Callable[[Parted], object]] = {
    "write": lambda driver: driver.fails("write", DOWN),
    "commit": lambda driver: driver.fails("commit", DOWN),
    "committed": lambda driver: driver.fails("committed", DOWN),
    "activation refused": lambda driver: None,
    "activation lost": lambda driver: None,
}


def test_undone_by_recovery_what_a_failed_upload_could_not_remove(
    world: World, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for step, stores, known in itertools.product(STEPS, ("fast", "fast,slow"), (True, False)):
        with subtests.test(step=step, stores=stores, known=known), monkeypatch.context() as patch:
            image = world.local.client.create()
            for driver in world.drivers.values():
                driver.fails("abort", DOWN)
                driver.fails("delete", DOWN)
                STEPS[step](driver)
            if step.startswith("activation"):
                patch.setattr(world.catalog, "activate", refused if step == "activation refused" else lost)
            assert world.put(image, stores, known=known) == 503
            assert world.local.catalog.status(image) == "queued"
            assert set(world.local.catalog.removals()) == {image}
            patch.undo()
            world.nothing_stays(image)
            assert world.put(image, stores, known=known) == 204
            assert world.local.client.delete(image).status == 204
            world.nothing_stays(image)


def test_undone_by_recovery_what_one_store_of_two_could_not_remove(world: World) -> None:
    quota = world.local.service.quota
    for hook in ("commit", "abort"):
        world.drivers["slow"].fails(hook, DOWN)
    image = world.local.client.create()
    assert world.put(image, "fast,slow", known=True) == 204
    assert world.drivers["slow"].parts == {image}
    assert (quota.account("", "slow").used, quota.account("default").used) == (len(BODY), len(BODY)), "of the store"
    world.drivers["slow"].hooks.clear()
    world.local.service.keeper.recovery.recover(at_once=True)
    assert world.drivers["slow"].parts == set()
    assert quota.account("", "slow").used == 0
    world.drivers["fast"].fails("delete", DOWN)
    assert world.local.client.delete(image).status == 204
    world.nothing_stays(image)


def test_undone_by_recovery_what_a_client_that_broke_off_left(world: World) -> None:
    world.drivers["fast"].fails("abort", DOWN)
    image = world.local.client.create()
    with world.local.client.begin_upload(image, length=1000) as upload:
        upload.send(b"abc")
    until(lambda: world.local.catalog.status(image) == "queued")
    assert world.drivers["fast"].parts == {image}
    world.nothing_stays(image)


def test_undone_by_recovery_what_a_copy_could_not_remove(world: World) -> None:
    image = world.local.client.create()
    assert world.put(image, "fast", known=True) == 204
    for hook in ("abort", "delete", "commit"):
        world.drivers["slow"].fails(hook, DOWN)
    asked = {"method": {"name": "copy-image"}, "stores": ["slow"]}
    assert world.local.client.post(f"/v2/images/{image}/import", asked).status == 202
    until(lambda: world.local.catalog.removals() == [f"{image}.2"])
    world.drivers["slow"].hooks.clear()
    world.local.service.keeper.recovery.recover(at_once=True)
    assert world.drivers["slow"].parts == set()
    assert world.local.client.delete(image).status == 204
    world.nothing_stays(image)


def test_undone_by_the_next_upload_what_neither_store_nor_catalog_took_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object, **named: object) -> bool:
        raise errors.CatalogUnavailable("away for a moment")

    image, driver = world.local.client.create(), world.drivers["fast"]
    for hook in ("write", "abort"):
        driver.fails(hook, DOWN)
    with monkeypatch.context() as patch:
        patch.setattr(world.catalog, "_released", away)
        assert world.put(image, "fast", known=True) == 503
    assert (world.catalog.removals(), driver.parts) == ([], {image})
    driver.hooks.clear()
    assert world.put(image, "slow", known=True) == 204
    world.local.service.keeper.recovery.recover(at_once=True)
    assert driver.parts == set()
    assert world.local.client.delete(image).status == 204
    world.nothing_stays(image)
