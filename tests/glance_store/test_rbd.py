"""Images in Ceph's RBD, by glance_store's driver, on a real cluster."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver import StoreDriver
from imgstore.drivers.glance_store import GlanceStoreDriver
from imgstore.model import MIB
from imgstore.testing import Subject
from imgstore.testing.bench import KEY, body, pieces, same
from tests.needs import Need
from tests.support.rgw import RgwServer, needs_rgw
from tests.support.waiting import until

DEBIAN = Path("/usr/lib/python3/dist-packages")
_numbers = itertools.count(1)


def bindings(_: str = "") -> bool:
    """Whether Debian's python3-rbd is there, for this version of Python."""
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-*.so"
    return all(list(DEBIAN.glob(f"{name}.{tag}")) for name in ("rbd", "rados"))


pytestmark = [
    needs_rgw,
    pytest.mark.needs(Need("python3-rbd", "images in Ceph's RBD", bindings)),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def rbd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Debian's bindings, and nothing else of Debian's packages."""
    folder = tmp_path_factory.mktemp("bindings")
    for name in ("rbd", "rados"):
        for path in DEBIAN.glob(f"{name}.*.so"):
            (folder / path.name).symlink_to(path)
    sys.path.append(str(folder))
    yield importlib.import_module("rbd")
    sys.path.remove(str(folder))


class RbdSubject(Subject):
    """A pool."""

    borders = (64 * 1024,)

    def __init__(self, server: RgwServer, rbd: Any) -> None:
        self._conf, self._rbd, self._name = server.conf, rbd, f"images-{next(_numbers)}"
        server.make_pool(self._name)

    def open(self) -> GlanceStoreDriver:
        return self._driver(str(self._conf))

    def broken(self) -> StoreDriver:
        return self._driver("/nowhere/ceph.conf")

    def inventory(self) -> set[str]:
        with self._pool() as pool:
            names = self._rbd.RBD().list(pool)
            return {name if self._is_whole(pool, name) else f"{name}, unfinished" for name in names}

    def create(self, name: str) -> None:
        """An image without a snapshot, as a process leaves it that died."""
        with self._pool() as pool:
            self._rbd.RBD().create(pool, name, MIB)

    def _driver(self, conf: str) -> GlanceStoreDriver:
        settings = {"rbd_store_ceph_conf": conf, "rbd_store_pool": self._name, "rados_connect_timeout": "5"}
        return GlanceStoreDriver(driver="rbd", settings=settings, patience=20.0)

    @contextlib.contextmanager
    def _pool(self) -> Iterator[Any]:
        rados = importlib.import_module("rados")
        with rados.Rados(conffile=str(self._conf), rados_id="admin") as client, client.open_ioctx(self._name) as pool:
            yield pool

    def _is_whole(self, pool: Any, name: str) -> bool:
        with self._rbd.Image(pool, name, read_only=True) as image:
            return bool(list(image.list_snaps()))


@pytest.fixture(scope="module")
def subject(rgw: RgwServer, rbd: Any) -> RbdSubject:
    """One pool for all tests."""
    return RbdSubject(rgw, rbd)


class TestRbd:
    """Ceph is real, and so is its client."""

    @pytest.mark.parametrize("size", [None, 3 * MIB + 1])
    def test_image_is_written_read_by_ranges_and_deleted(self, subject: RbdSubject, size: int | None) -> None:
        driver, data = subject.open(), body(3 * MIB + 1)
        driver.check()
        with driver.open_writer(KEY, size=size) as writer:
            for piece in pieces(data, MIB):
                writer.write(piece)
            assert subject.inventory() == {f"{KEY}, unfinished"}
            with pytest.raises(errors.ObjectNotFound):
                driver.stat(KEY)
            writer.commit()
        assert subject.inventory() == {KEY}
        for start, stop in ((0, None), (5, 9), (MIB - 1, 2 * MIB + 7), (len(data) - 1, None)):
            with driver.open_reader(KEY, start=start, stop=stop) as reader:
                assert same(b"".join(reader), data[start:stop])
        with pytest.raises(errors.ObjectExists):
            driver.open_writer(KEY)
        assert driver.key_from_url(driver.url(KEY)) == KEY
        driver.delete(KEY)
        assert subject.inventory() == set()
        driver.close()

    @pytest.mark.parametrize("size", [None, MIB])
    def test_upload_that_is_given_up_leaves_nothing(self, subject: RbdSubject, size: int | None) -> None:
        driver = subject.open()
        with driver.open_writer(KEY, size=size) as writer:
            writer.write(body(MIB // 2))
        until(lambda: subject.inventory() == set())
        driver.close()

    def test_image_that_a_dead_process_left_is_cleared(self, subject: RbdSubject) -> None:
        subject.create(KEY)
        driver = subject.open()
        with pytest.raises(errors.ObjectNotFound):
            driver.delete(KEY)
        driver.clear_leftovers(KEY)
        assert subject.inventory() == set()
        driver.close()

    def test_storage_that_is_not_there_is_unavailable(self, subject: RbdSubject) -> None:
        with pytest.raises(errors.StoreUnavailable):
            subject.broken().check()
