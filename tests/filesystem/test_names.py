"""No operation leaves the datadir, whatever a key, a URL or the directory holds; only regular files are objects."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.model import Leftover
from tests.filesystem.support import Named, get, names, put


def _symlink_to_object(path: Path) -> None:
    path.with_name("object").write_bytes(b"inside")
    path.symlink_to("object")


def _symlink_to_outside(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_bytes(b"secret")
    path.symlink_to(secret)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(path.parent)
        bound.bind(path.name)


NOT_OBJECTS: list[Callable[[Path], object]] = [
    _symlink_to_object, _symlink_to_outside, _socket, os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere"),
]  # fmt: skip


@pytest.fixture(params=NOT_OBJECTS, ids=["link inside", "link outside", "socket", "fifo", "directory", "dangling link"])
def not_an_object(request: pytest.FixtureRequest, datadir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(datadir)
    request.param(datadir / "strange")
    return "strange"


def test_what_is_not_a_regular_file_is_no_object_and_not_written_through(
    driver: FilesystemDriver, not_an_object: str, datadir: Path
) -> None:
    before = names(datadir)
    for action in (driver.open_reader, driver.stat, driver.delete):
        with pytest.raises(errors.ObjectNotFound):
            action(not_an_object)
    with pytest.raises(errors.ObjectExists):
        driver.open_writer(not_an_object)
    assert not_an_object not in {info.key for info in driver.objects()}
    assert names(datadir) == before
    with driver.open_writer("late") as writer:
        (datadir / not_an_object).rename(datadir / "late")
        with pytest.raises(errors.ObjectExists):
            writer.commit()
    assert len(names(datadir)) == len(before)


def test_a_leftover_that_is_a_link_is_not_a_leftover(driver: FilesystemDriver, datadir: Path) -> None:
    (datadir / "image").write_bytes(b"whole")
    name = ".imgstore-image-0123456789abcdef"
    (datadir / name).symlink_to("image")
    os.mkfifo(datadir / ".imgstore-fifo-0123456789abcdef")
    assert list(driver.leftovers()) == []
    driver.remove_leftover(Leftover(name, "claimed"))
    assert len(names(datadir)) == 3


def test_only_a_leftovers_name_is_removed_as_one(driver: FilesystemDriver, datadir: Path) -> None:
    put(driver, "image", b"content")
    for name in ("image", "../image", ".imgstore-x", ".imgstore-../x-0123456789abcdef", ".imgstore--"):
        with pytest.raises(errors.InvalidKey):
            driver.remove_leftover(Leftover(name, "claimed"))
    assert names(datadir) == ["image"]


def test_a_url_says_where_the_object_is_and_leads_back(tmp_path: Path) -> None:
    driver = FilesystemDriver(datadir="/srv/my images/ä")
    assert driver.url("a-b_c.2") == "file:///srv/my%20images/%C3%A4/a-b_c.2"
    assert driver.key_from_url(driver.url("a-b_c.2")) == "a-b_c.2"


HOSTILE_URLS = (
    "file:///srv/images/", "file:///srv/images", "file:///srv/images/../x", "file:///srv/images/..",
    "file:///srv/images/%2e%2e", "file:///srv/images/%2e%2e%2fx", "file:///srv/images/a%00", "file:///srv/images/a\0",
    "file:///srv/images/%61", "file:///srv/images//a", "file:///srv/images/a/b", "file:///srv/images/./a",
    "file:///srv/images/a?x=1", "file:///srv/images/a#x", "file:///srv/images/a\n", "file://host/srv/images/a",
    "file://localhost/srv/images/a", "file:/srv/images/a", "FILE:///srv/images/a", "http:///srv/images/a",
    "file:///srv/other/a", "file:///srv/images2/a", "file:////srv/images/a", "file:///etc/passwd", "/srv/images/a",
    "a", "", "file:///srv/images/.imgstore-a-0123456789abcdef",
)  # fmt: skip


def test_a_hostile_url_has_no_key() -> None:
    driver = FilesystemDriver(datadir="/srv/images")
    for url in HOSTILE_URLS:
        with pytest.raises(errors.InvalidKey) as caught:
            driver.key_from_url(url)
        assert "/srv" not in str(caught.value), url


def test_a_reader_keeps_its_object_whatever_happens_to_the_name(driver: FilesystemDriver) -> None:
    put(driver, "image", b"first")
    with driver.open_reader("image") as reader:
        driver.delete("image")
        put(driver, "image", b"other")
        assert b"".join(reader) == b"first"
        with pytest.raises(errors.ObjectChanged):
            driver.open_reader("image", etag=reader.info.etag)
    assert get(driver, "image") == b"other"


def test_a_datadir_of_glance_store_is_read_as_it_is(datadir: Path) -> None:
    key = "71c675ab-d94f-49cd-a114-e12490b328d9"
    (datadir / key).write_bytes(b"image")
    driver = Named(datadir=str(datadir))
    assert get(driver, key) == b"image"
    assert [info.key for info in driver.objects()] == [key]
    assert driver.key_from_url(f"file://{datadir}/{key}") == key
