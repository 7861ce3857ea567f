"""Known by its place: whatever leads to a datadir, it is one; without the store's mark it is not the store."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver.place import MARK_NAME, new_mark
from imgstore.drivers.filesystem import FilesystemDriver, place
from imgstore.drivers.filesystem.place import Whereabouts
from imgstore.model import Leftover, Place
from tests.filesystem.support import names, put
from tests.support.waiting import PATIENCE, until

MARK = new_mark()


def place_of(datadir: str) -> Place:
    return Whereabouts(datadir).place()


USES: dict[str, Callable[[FilesystemDriver], object]] = {
    "write": lambda driver: driver.open_writer("new"),
    "read": lambda driver: driver.open_reader("image"),
    "read nothing": lambda driver: driver.open_reader("image", start=0, stop=0),
    "stat": lambda driver: driver.stat("image"),
    "delete": lambda driver: driver.delete("image"),
    "list": lambda driver: list(driver.objects()),
    "list leftovers": lambda driver: list(driver.leftovers()),
    "remove a leftover": lambda driver: driver.remove_leftover(Leftover(f".imgstore-image-{'0' * 16}", "")),
    "remove leftovers of a key": lambda driver: driver.clear_leftovers("image"),
    "measure": lambda driver: driver.space(),
}


def test_a_new_place_is_made_with_its_mode_and_marked_once(kind: type[FilesystemDriver], tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    driver = kind(datadir=str(path), directory_mode="0710")
    assert driver.read_mark() is None
    assert driver.write_mark(MARK) == kind(datadir=str(path)).write_mark(new_mark()) == driver.read_mark() == MARK
    assert stat.S_IMODE(path.stat().st_mode) == 0o710, "also where a second driver has another mode"
    assert names(path) == [MARK_NAME]
    assert [*driver.leftovers(), *driver.objects()] == []
    other = new_mark()
    with pytest.raises(errors.ConfigurationError, match="is not there"):
        kind(datadir=f"{path}/missing").write_mark(MARK, replace=True)
    assert driver.write_mark(other, replace=True) == driver.read_mark() == other


def test_atomic_a_mark_is_never_there_in_part(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that runs full takes a part of it. With a part of a mark the place would be the wrong one for ever."""
    driver, write, room = kind(datadir=str(datadir)), os.write, [10, 0]

    def little(fd: int, data: bytes) -> int:
        if not (left := room.pop(0)):
            raise OSError(errno.ENOSPC, "no room")
        return write(fd, data[:left])

    monkeypatch.setattr(os, "write", little)
    with pytest.raises(errors.StoreFull):
        driver.write_mark(MARK)
    monkeypatch.undo()
    assert names(datadir) == []
    assert driver.write_mark(MARK) == MARK


@pytest.mark.parametrize("there", [True, False], ids=["not mounted", "not there"])
def test_without_its_mark_nothing_is_done_nor_made(driver: FilesystemDriver, datadir: Path, there: bool) -> None:
    put(driver, "image", b"content")
    driver.write_mark(MARK)
    driver.expect_mark(MARK)
    assert driver.stat("image").size == 7
    disk = datadir.rename(datadir.parent / "disk")
    if there:
        datadir.mkdir()
    assert {name for name, use in USES.items() if not _refused(partial(use, driver))} == set()
    with pytest.raises(errors.WrongPlace):
        driver.prove_place()
    assert not there or names(datadir) == []
    assert there or not datadir.exists()
    if there:
        datadir.rmdir()
    disk.rename(datadir)
    assert driver.stat("image").size == 7
    assert names(datadir) == [MARK_NAME, "image"]


def test_another_disk_in_its_place_is_told_by_its_mark(driver: FilesystemDriver, datadir: Path) -> None:
    driver.write_mark(MARK)
    driver.expect_mark(MARK)
    put(driver, "image", b"content")
    driver.write_mark(new_mark(), replace=True)
    assert _refused(lambda: driver.stat("image"))
    driver.write_mark(MARK, replace=True)
    assert driver.stat("image").size == 7


def test_a_known_place_costs_one_system_call_for_each_use(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(driver, "image", b"content")
    before = _calls(lambda: driver.stat("image"))
    driver.write_mark(MARK)
    driver.expect_mark(MARK)
    driver.stat("image")
    assert len(_calls(lambda: driver.stat("image"))) == len(before) + 1


def test_a_place_is_one_whatever_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "real"
    (real / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        f"2 1 8:1 {real} /bind\\040mount rw - ext4 /dev/a rw\n"
        "3 1 8:2 / /disk rw - ext4 /dev/b rw\n"
    )
    monkeypatch.setattr(place, "_MOUNTS", str(mounts))
    here = place_of(str(real))
    same = [place_of(f"{tmp_path}/link"), place_of("/bind mount"), place_of(f"{real}/missing/..")]
    assert [(found.root, found.path) for found in same] == [(here.root, here.path)] * 3
    within = [place_of(f"{tmp_path}/link/inner"), place_of("/bind mount/new"), place_of(str(tmp_path))]
    assert all(here.overlaps(found) and found.overlaps(here) for found in within)
    apart = [place_of(f"{real}2"), place_of(str(mounts)), place_of(f"/disk{real}"), place_of("/disk")]
    assert not any(here.overlaps(found) for found in apart)


def _refused(use: Callable[[], object]) -> bool:
    try:
        use()
    except errors.StoreUnavailable:
        return True
    return False


def _calls(work: Callable[[], object]) -> list[str]:
    """The calls of `os` during `work`."""
    found: list[str] = []
    known = {getattr(os, name) for name in ("open", "stat", "fstat", "lstat", "listdir", "scandir", "close", "pread")}

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument in known:
            found.append(argument.__name__)

    sys.setprofile(trace)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def test_contained_a_mount_that_hangs_holds_up_nobody_who_asks_for_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to("real")
    driver = FilesystemDriver(datadir=str(tmp_path / "link"))
    found, goes_on, realpath = driver.place, threading.Event(), os.path.realpath

    def hang(path: str) -> str:
        assert goes_on.wait(PATIENCE)
        return realpath(path)

    monkeypatch.setattr(place, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(os.path, "realpath", hang)
    assert [driver.place.path[-1] for _ in range(2)] == ["link", "link"]
    assert sum(thread.name == "imgstore-place" for thread in threading.enumerate()) == 1
    goes_on.set()
    until(lambda: driver.place == found)


def test_contained_a_disk_that_answers_with_an_error_is_a_place_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = place_of(str(tmp_path))

    def fail(path: str) -> str:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os.path, "realpath", fail)
    assert place_of(str(tmp_path)) == found
