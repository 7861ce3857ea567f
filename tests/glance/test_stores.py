"""The drivers of glance_store without Glance: the contract of its `Store`, and nothing left of failures."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from glance_store import exceptions, location
from oslo_config import cfg

from imgstore.driver.place import NOTES, new_mark
from imgstore.drivers.filesystem.driver import FilesystemDriver
from imgstore.drivers.filesystem.reader import FileReader
from imgstore.errors import ConfigurationError
from imgstore.glance import backend
from imgstore.glance.places import PlaceFiles
from imgstore.glance.stores import FileStore, Store
from tests.support.client import new_id
from tests.support.waiting import until

BODY = bytes(range(256)) * 10_000


class Shop:
    """Stores as Glance makes them of one configuration, in directories below `root`."""

    def __init__(self, root: Path, **sections: dict[str, object]) -> None:
        self.root = root
        names = sections or {"fast": {}}
        lines = ["[DEFAULT]", f"enabled_backends = {', '.join(f'{name}:imgstore_file' for name in names)}"]
        for name, options in names.items():
            values = {"datadir": root / name, "places_dir": root / "places", **options}
            lines += [f"[{name}]", *(f"{option} = {value}" for option, value in values.items())]
        (root / "glance.conf").write_text("\n".join(lines))
        self.conf = cfg.ConfigOpts()
        self.conf(args=[], default_config_files=[str(root / "glance.conf")])
        self.conf.register_opt(cfg.DictOpt("enabled_backends"))

    def open(self, name: str = "fast", kind: type[Store] = FileStore) -> Any:
        """A store that Glance has configured."""
        store: Any = kind(self.conf, name)
        store.configure()
        return store

    def files(self, name: str = "fast") -> set[str]:
        """What is in its directory."""
        return set(os.listdir(self.root / name)).difference(NOTES)


def located(store: Any, url: str) -> Any:
    """A location, as Glance makes it of a URL."""
    return location.Location(store.NAME, store.get_store_location_class(), store.conf, uri=url, backend="fast")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """One store, `fast`."""
    return Shop(tmp_path)


class Verifier:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.seen = b""

    def update(self, data: bytes) -> None:
        """More of it."""
        self.seen += data


def test_what_is_added_can_be_read_in_whole_and_in_part(shop: Shop) -> None:
    store, verifier, image = shop.open(), Verifier(), new_id()
    url, *rest = store.add(image, io.BytesIO(BODY), len(BODY), "sha256", context=None, verifier=verifier)
    md5, sha256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()
    assert (url, rest) == (f"file://{shop.root}/fast/{image}", [len(BODY), md5, sha256, {"store": "fast"}])
    assert url.startswith(store.url_prefix)
    assert verifier.seen == BODY
    at = located(store, url)
    data, size = store.get(at, offset=0, chunk_size=None, context=None)
    assert (b"".join(data), size) == (BODY, len(BODY))
    data, size = store.get(at, offset=5, chunk_size=7, context=None)
    assert (b"".join(data), size) == (BODY[5:12], 7)
    assert store.get_size(at) == len(BODY)
    with pytest.raises(NotImplementedError):
        store.set_acls(at, public=True)
    store.delete(at)
    with pytest.raises(exceptions.NotFound):
        store.get_size(at)
    with pytest.raises(exceptions.NotFound):
        store.delete(at)


def test_callers_of_old_get_four_values_and_an_iterable_is_a_source(shop: Shop) -> None:
    assert len(shop.open().add(new_id(), iter([b"abc", b"def"]), 0)) == 4


def test_a_key_that_is_taken_is_left_alone(shop: Shop) -> None:
    store, image = shop.open(), new_id()
    first, second = (store.add(image, io.BytesIO(body), 0, "md5", context=None)[0] for body in (b"one", b"other"))
    contents = [b"".join(store.get(located(store, url))[0]) for url in (first, second)]
    assert contents == [b"one", b"other"]


class Refused(Exception):
    """What Glance's own reader raises, where an image is too large."""


def broken_by(error: Exception) -> Iterator[bytes]:
    """A body that fails in the middle."""
    yield BODY
    raise error


@pytest.mark.parametrize(
    ("error", "raised"), [(Refused(), Refused), (OSError("the client went"), exceptions.Invalid)], ids=["ours", "gone"]
)
def test_a_source_that_fails_leaves_nothing(shop: Shop, error: Exception, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        shop.open().add(new_id(), broken_by(error), 0, "sha512", context=None)
    assert shop.files() == set()


def test_refusals_have_the_exceptions_that_glance_understands(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    shop = Shop(tmp_path, fast={"capacity": 10}, closed={"read_only": True})
    store, closed = shop.open(), shop.open("closed")
    for size in (0, 11):
        with pytest.raises(exceptions.StorageFull):
            store.add(new_id(), io.BytesIO(bytes(11)), size, "md5", context=None)
    with pytest.raises(exceptions.Invalid):
        store.add(new_id(), io.BytesIO(bytes(5)), 6, "md5", context=None)
    with pytest.raises(exceptions.StoreAddDisabled):
        closed.add(new_id(), io.BytesIO(b"x"), 1, "md5", context=None)
    with pytest.raises(exceptions.UnknownHashingAlgo):
        store.add(new_id(), io.BytesIO(b"x"), 1, "shake_128", context=None)
    assert shop.files() == set()


def test_a_read_that_nobody_ends_gives_all_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Shop(tmp_path, fast={"max_transfers": 1, "max_wait": 0}).open()
    at = located(store, store.add(new_id(), io.BytesIO(BODY), 0, "md5", context=None)[0])
    data, _ = store.get(at)
    assert next(data)
    with pytest.raises(exceptions.GlanceStoreException, match="max_transfers") as caught:
        store.get_size(at)
    assert (caught.value.status_int, caught.value.headers["Retry-After"]) == (503, "10")
    closed: list[object] = []
    monkeypatch.setattr(FileReader, "_close", lambda reader: closed.append(reader))
    del data
    assert store.get_size(at) == len(BODY)
    assert len(closed) == 1


def test_a_read_never_ends_short(shop: Shop) -> None:
    store, image = shop.open(), new_id()
    at = located(store, store.add(image, io.BytesIO(BODY), 0, "md5", context=None)[0])
    data, _ = store.get(at)
    os.truncate(shop.root / "fast" / image, 100)
    with pytest.raises(exceptions.GlanceStoreException, match="early"):
        b"".join(data)
    with pytest.raises(exceptions.GlanceStoreException, match="fewer than the image"):
        store.get(at, offset=0, chunk_size=101)


def test_a_location_elsewhere_is_no_object_of_the_store(shop: Shop) -> None:
    store = shop.open()
    at = located(store, "file:///etc/passwd")
    with pytest.raises(exceptions.BadStoreUri):
        store.get_size(at)
    for refused in (store.get, store.delete):
        with pytest.raises(exceptions.GlanceStoreException) as caught:
            refused(at)
        assert caught.value.status_int == 503


def test_a_missing_object_is_410_and_in_the_wrong_place_503(shop: Shop) -> None:
    store = shop.open()
    at = located(store, f"{store.url_prefix}{new_id()}")
    with pytest.raises(exceptions.GlanceStoreException) as caught:
        store.get(at)
    assert caught.value.status_int == 410
    assert not isinstance(caught.value, exceptions.NotFound)  # of which Glance makes 204
    (shop.root / "fast").rename(shop.root / "away")
    (shop.root / "fast").mkdir()
    for again in (store, Shop(shop.root).open()):  # after a restart, too
        for refused in (again.get, again.delete, again.get_size):
            with pytest.raises(exceptions.GlanceStoreException) as caught:
                refused(at)
            assert caught.value.status_int == 503
    assert os.listdir(shop.root / "fast") == []


@pytest.mark.parametrize(("room", "hangs"), [(backend, "settle"), (FilesystemDriver, "check")])
def test_contained_a_store_that_hangs_at_the_start_holds_up_nobody(
    shop: Shop, room: object, hangs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request waits by itself, and not for those that came before it. The disk answers again at the end."""
    answers, working = threading.Event(), getattr(room, hangs)
    monkeypatch.setattr(room, hangs, lambda *given: answers.wait() and working(*given))
    monkeypatch.setattr(backend, "START_SECONDS", 0.2)
    monkeypatch.setattr(backend, "PLACE_SECONDS", 0.2)
    store = shop.open()
    if hangs == "settle":
        with ThreadPoolExecutor(4) as pool:
            told = [pool.submit(store.add, new_id(), io.BytesIO(BODY), 0, "md5", context=None) for _ in range(4)]
        assert {getattr(each.exception(), "status_int", 0) for each in told} == {503}
        assert not (shop.root / "fast").exists()
    answers.set()
    until(lambda: _is_stored(store))


def _is_stored(store: Any) -> bool:
    with contextlib.suppress(exceptions.GlanceStoreException):
        return bool(store.add(new_id(), io.BytesIO(BODY), 0, "md5", context=None))
    return False


def test_another_machine_takes_the_mark_that_is_there(tmp_path: Path) -> None:
    first = Shop(tmp_path).open()
    at = located(first, first.add(new_id(), io.BytesIO(BODY), 0, "md5", context=None)[0])
    second = Shop(tmp_path, fast={"places_dir": tmp_path / "of the second"}).open()
    assert second.get_size(at) == len(BODY)
    notes = {(tmp_path / name / "fast.place").read_text() for name in ("places", "of the second")}
    assert notes == {(tmp_path / "fast" / ".imgstore-place").read_text()}


def test_a_note_of_a_place_outlives_a_power_cut_and_one_that_fails_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    files = PlaceFiles(str(shop.root / "places"))
    files.prepare("fast")
    mark = files.note("fast", new_mark())
    assert (files.known("fast"), synced[-1]) == (mark, str(shop.root / "places"))
    monkeypatch.setattr(os, "link", lambda *names: os.stat("/proc/self/nothing"))
    with pytest.raises(ConfigurationError, match="places_dir"):
        files.note("other", new_mark())
    assert os.listdir(shop.root / "places") == ["fast.place"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"datadir": "relative"}, FileStore, r"\[slow\] datadir: 'relative' is not an absolute path"),
        ({"datadir": "/proc/1/nowhere", "places_dir": "/proc/nowhere"}, FileStore, r"\[slow\] places_dir: "),
        ({}, Store, r"\[slow\] driver: is not set"),
        ({"driver": "filesystm"}, Store, "driver 'filesystm' is not installed. Did you mean 'filesystem'"),
    ],
)
def test_a_store_that_cannot_work_says_which_option(
    tmp_path: Path, options: dict[str, object], kind: type[Store], message: str
) -> None:
    with pytest.raises(exceptions.BadStoreConfiguration, match=message):
        Shop(tmp_path, slow=options).open("slow", kind)


def test_two_stores_do_not_share_a_place(tmp_path: Path) -> None:
    shop = Shop(tmp_path, fast={}, slow={"datadir": tmp_path / "fast" / "inner"})
    first = shop.open()
    with pytest.raises(exceptions.BadStoreConfiguration, match=r"\[slow\]: it would share a place with store 'fast'"):
        shop.open("slow")
    assert first.get_schemes()[0] == "imgstore_file"


def test_a_store_of_any_driver_has_the_schemes_of_its_urls(tmp_path: Path) -> None:
    store = Shop(tmp_path, fast={"driver": "filesystem"}).open(kind=Store)
    assert store.get_schemes() == ("imgstore", "file")
