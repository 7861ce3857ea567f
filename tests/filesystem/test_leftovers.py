"""What a dead process left is found and removed; what a living one writes is neither."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.staging import hidden_name
from imgstore.model import Leftover
from tests.filesystem.support import Named, get, names, put

ROOT = Path(__file__).parents[2]

DIES = """
import os, signal, sys
from tests.filesystem.support import Named, Unnamed

writer = {"Named": Named, "Unnamed": Unnamed}[sys.argv[2]](datadir=sys.argv[1]).open_writer("image")
writer.write(b"half")
print("writing", flush=True)
sys.stdin.read()
"""


def test_what_a_living_process_writes_is_not_a_leftover_and_what_a_dead_one_left_is(
    kind: type[FilesystemDriver], datadir: Path
) -> None:
    driver = kind(datadir=str(datadir))
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, str(datadir), kind.__name__],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        staged = names(datadir)
        assert list(driver.leftovers()) == []
        for name in staged:
            driver.remove_leftover(Leftover(name, "claimed"))
        assert names(datadir) == staged
        process.kill()
    found = list(driver.leftovers())
    assert [leftover.name for leftover in found] == staged
    assert len(staged) == (1 if kind is Named else 0)
    for leftover in [*found, *found]:
        assert leftover.size == 4
        driver.remove_leftover(leftover)
    assert names(datadir) == [], "and to remove it twice is no failure"
    put(driver, "image", b"whole")


def test_only_hidden_names_of_ours_that_nobody_touched_lately_are_leftovers(
    driver: FilesystemDriver, datadir: Path
) -> None:
    for name in ("image", ".hidden", ".imgstore-", ".imgstore-image-xyz", "imgstore-image-0123456789abcdef"):
        (datadir / name).write_bytes(b"")
    path = datadir / hidden_name("image.2")
    path.write_bytes(b"half")
    told = Leftover(path.name, "an upload that ended with its process", 4, path.stat().st_mtime, "image.2")
    assert (list(driver.leftovers()), list(driver.leftovers(older_than=60))) == ([told], [])
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    assert [found.name for found in driver.leftovers(older_than=60)] == [path.name]


def test_a_process_that_died_between_name_and_name_leaves_the_object_whole(
    driver: FilesystemDriver, datadir: Path
) -> None:
    put(driver, "image", b"whole")
    name = hidden_name("image")
    os.link(datadir / "image", datadir / name)
    for leftover in driver.leftovers():
        driver.remove_leftover(leftover)
    assert names(datadir) == ["image"]
    assert get(driver, "image") == b"whole"


def test_a_file_that_a_purge_removed_before_it_was_locked_is_staged_again(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The purge of another process comes between the file's creation and its lock."""
    real = os.open
    purged: list[str] = []
    driver = Named(datadir=str(datadir))

    def opening(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = real(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_EXCL and not purged:
            purged.append(path)
            for leftover in driver.leftovers():
                driver.remove_leftover(leftover)
        return fd

    monkeypatch.setattr(os, "open", opening)
    put(driver, "image", b"content")
    assert len(purged) == 1
    assert get(driver, "image") == b"content"


def test_traces_are_removed_by_their_key_alone_whoever_holds_them(datadir: Path) -> None:
    driver = FilesystemDriver(datadir=str(datadir))
    mine, others = hidden_name("image"), [hidden_name("image.2"), hidden_name("image-2"), hidden_name("imag")]
    for name in (mine, *others, "image"):
        (datadir / name).write_bytes(b"data")
    with (datadir / mine).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        driver.clear_leftovers("image")
    assert names(datadir) == sorted([*others, "image"])
