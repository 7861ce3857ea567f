"""Known by its place: a service on a place that is gone, on another's, and on its own again."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver.place import MARK_NAME, NOTES
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import KnownPlace
from imgstore.sql import SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.places import adopt, settle
from imgstore.transfers.upload import UploadSettings
from tests.support.client import Client
from tests.support.service import LocalService
from tests.support.waiting import until

OCTETS = {"Content-Type": "application/octet-stream"}


def service(root: Path, *, datadir: Path | None = None, read_only: bool = False) -> LocalService:
    """A service with one store; its catalog is in `root`."""
    driver = FilesystemDriver(datadir=str(datadir or root / "images"), fsync=False)
    return LocalService(root, StoreSet([Store("fast", driver, read_only=read_only)], default="fast"))


def up(local: LocalService) -> bool:
    """What a check of the store finds now."""
    (watch,) = local.service.health._watches
    watch.check()
    return watch.status().up


def uploaded(client: Client) -> str:
    """An image with data."""
    image = client.create()
    assert put(client, image) == 204
    return image


def put(client: Client, image: str) -> int:
    return client.request("PUT", f"/v2/images/{image}/file", body=b"data", headers=OCTETS).status


def test_while_its_disk_is_not_mounted_a_store_is_unavailable_and_nothing_is_lost(tmp_path: Path) -> None:
    datadir, disk = tmp_path / "images", tmp_path / "disk"
    with service(tmp_path).running() as local:
        client = local.client
        kept, deleted, waiting = uploaded(client), uploaded(client), client.create()
        datadir.rename(disk)
        datadir.mkdir()
        assert not up(local)
        answer = client.get(f"/v2/images/{kept}/file")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert client.request("DELETE", f"/v2/images/{deleted}").status == 204
        assert put(client, waiting) == 503
        local.service.keeper.recovery.recover(at_once=True)
        assert local.catalog.removals() == [deleted]
    with service(tmp_path).running() as local:  # a start changes nothing
        client = local.client
        assert client.get("/healthcheck/stores").status == 503, "known at the start"
        assert client.get(f"/v2/images/{kept}/file").status == put(client, waiting) == 503
        assert list(datadir.iterdir()) == []
        datadir.rmdir()
        assert not up(local)
        assert not datadir.exists()
        disk.rename(datadir)
        assert up(local)
        assert client.get(f"/v2/images/{kept}/file").body == b"data"
        assert put(client, waiting) == 204
        local.service.keeper.recovery.recover(at_once=True)
        until(lambda: local.catalog.removals() == [])  # by the first cleaning, where it was quicker
        assert {path.name.partition(".3")[0] for path in datadir.iterdir()} == {*NOTES, kept, waiting}


def test_the_place_of_another_service_is_left_alone_until_it_is_adopted(tmp_path: Path) -> None:
    datadir = tmp_path / "images"
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with service(first, datadir=datadir).running() as one, service(second, datadir=datadir).running() as two:
        image = uploaded(one.client)
        assert put(two.client, two.client.create()) == 503
        datadir.rename(tmp_path / "disk")
        assert not up(two)
        assert not datadir.exists(), "only the first answer since the start may make a place"
        (tmp_path / "disk").rename(datadir)
        (store,) = two.service.stores
        adopt(store, two.service.catalog.places)
        uploaded(two.client)
        assert up(two)
        assert not up(one)
        assert one.client.get(f"/v2/images/{image}/file").status == 503
        (former,) = one.service.stores
        assert adopt(former, one.service.catalog.places).startswith("is marked anew")
        assert one.client.get(f"/v2/images/{image}/file").status == 200


def test_a_catalog_with_images_and_without_a_place_waits_for_the_operators_word(tmp_path: Path) -> None:
    with service(tmp_path).running() as local:
        image = uploaded(local.client)
        places = local.service.catalog.places
        places._database.change(lambda connection: connection.exec_driver_sql("DELETE FROM store_places"))
    (tmp_path / "images" / MARK_NAME).unlink()
    with service(tmp_path).running() as local:
        assert not up(local)
        (store,) = local.service.stores
        assert adopt(store, local.service.catalog.places) == "is marked now"
        assert up(local)
        assert local.client.get(f"/v2/images/{image}/file").status == 200
        assert adopt(store, local.service.catalog.places) == "has its mark already"


def test_a_read_only_place_without_a_mark_is_told_by_its_images(tmp_path: Path) -> None:
    with service(tmp_path).running() as local:
        image = uploaded(local.client)
        places = local.service.catalog.places
        places._database.change(lambda connection: connection.exec_driver_sql("DELETE FROM store_places"))
    (tmp_path / "images" / MARK_NAME).unlink()
    with service(tmp_path, read_only=True).running() as local:
        assert up(local)
        assert local.client.get(f"/v2/images/{image}/file").status == 200
        (tmp_path / "images").rename(tmp_path / "disk")
        (tmp_path / "images").mkdir()
        assert not up(local)
        assert local.client.get(f"/v2/images/{image}/file").status == 503


def test_a_first_start_that_died_is_taken_up_and_two_at_once_agree(tmp_path: Path) -> None:
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/catalog.sqlite")) as catalog:
        places = catalog.places
        begun = places.remember_place("fast", KnownPlace("a" * 32, written=False), instead_of=None)
        assert places.remember_place("fast", KnownPlace("b" * 32, written=False), instead_of=None) == begun
        store = Store("fast", FilesystemDriver(datadir=str(tmp_path / "images")))
        settle(store, places, create=True)
        assert places.known_place("fast") == KnownPlace("a" * 32, written=True)
        (tmp_path / "images" / MARK_NAME).unlink()
        with pytest.raises(errors.WrongPlace):
            settle(store, places, create=True)


@pytest.mark.parametrize("other", ["a", "link", "link/new"], ids=["the same", "by a link", "inside"])
def test_two_stores_in_one_place_do_not_start(tmp_path: Path, other: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    stores = [
        Store(name, FilesystemDriver(datadir=f"{tmp_path}/{path}")) for name, path in (("fast", "a"), ("slow", other))
    ]
    local = LocalService(tmp_path, StoreSet(stores, default="fast"))
    with pytest.raises(errors.ConfigurationError, match="it would share a place with store 'fast'"):
        local.service.start()
    local.server.stop()
    local.service.close()
    assert list((tmp_path / "a").iterdir()) == []


def test_an_object_that_has_the_key_already_is_never_removed(tmp_path: Path) -> None:
    """A restored catalog repeats its keys: the upload fails, the next one has another key."""
    drivers = {name: MemoryDriver() for name in ("fast", "slow")}
    stores = StoreSet([Store(name, driver) for name, driver in drivers.items()], default="fast")
    with LocalService(tmp_path, stores, settings=UploadSettings(several_stores="any")).running() as local:
        client = local.client
        image = client.create()
        with drivers["slow"].open_writer(image) as writer:
            writer.write(b"another's")
            writer.commit()
        both = {**OCTETS, "X-Image-Meta-Store": "fast,slow"}
        answers = [client.request("PUT", f"/v2/images/{image}/file", body=b"data", headers=both) for _ in range(2)]
        local.service.keeper.recovery.recover(at_once=True)
        assert [answer.status for answer in answers] == [503, 204]
        assert answers[0].headers["retry-after"] == "1"
        assert drivers["slow"].storage.get(image).data == b"another's"
        assert drivers["fast"].storage.names() == {f"{image}.2"}
        assert drivers["slow"].storage.names() == {image, f"{image}.2"}
