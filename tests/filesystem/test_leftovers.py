"""What a dead process left is found and removed; what a living one writes is neither."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgstore.driver.capabilities import FindsLeftovers, ListsObjects, MeasuresSpace
from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.staging import hidden_name
from imgstore.model import Leftover
from tests.filesystem.support import Named, Unnamed, get, names, put

ROOT = Path(__file__).parents[2]

DIES = """
import os, signal, sys
from tests.filesystem.support import Named, Unnamed

writer = {"Named": Named, "Unnamed": Unnamed}[sys.argv[2]](datadir=sys.argv[1]).open_writer("image")
writer.write(b"half")
print("writing", flush=True)
sys.stdin.read()
"""


def _dead(datadir: Path) -> Leftover:
    path = datadir / staging.hidden_name("image")
    path.write_bytes(b"half")
    status = path.stat()
    return Leftover(path.name, "an upload that ended with its process", 4, status.st_mtime, "image")


def test_the_driver_has_every_capability_of_a_filesystem() -> None:
    driver = FilesystemDriver(datadir="/nowhere")
    for capability in (ListsObjects, FindsLeftovers, MeasuresSpace):
        assert isinstance(driver, capability)


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
    for leftover in found:
        assert leftover.size == 4
        driver.remove_leftover(leftover)
    assert names(datadir) == []
    put(driver, "image", b"whole")


def test_what_a_living_thread_writes_is_not_a_leftover(driver: FilesystemDriver) -> None:
    with driver.open_writer("image") as writer:
        writer.write(b"content")
        assert list(driver.leftovers()) == []
        writer.commit()
    assert get(driver, "image") == b"content"


def test_what_was_touched_lately_is_left_alone(driver: FilesystemDriver, datadir: Path) -> None:
    leftover = _dead(datadir)
    assert list(driver.leftovers(older_than=60)) == []
    assert list(driver.leftovers()) == [leftover]
    hour_ago = time.time() - 3600
    os.utime(datadir / leftover.name, (hour_ago, hour_ago))
    assert [found.name for found in driver.leftovers(older_than=60)] == [leftover.name]


def test_removing_twice_is_no_failure(driver: FilesystemDriver, datadir: Path) -> None:
    leftover = _dead(datadir)
    driver.remove_leftover(leftover)
    driver.remove_leftover(leftover)
    assert names(datadir) == []


def test_only_hidden_names_of_ours_are_leftovers(driver: FilesystemDriver, datadir: Path) -> None:
    for name in ("image", ".hidden", ".imgstore-", ".imgstore-image-xyz", "imgstore-image-0123456789abcdef"):
        (datadir / name).write_bytes(b"")
    assert list(driver.leftovers()) == []


def test_a_process_that_died_between_name_and_name_leaves_the_object_whole(
    driver: FilesystemDriver, datadir: Path
) -> None:
    put(driver, "image", b"whole")
    name = staging.hidden_name("image")
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


def test_nothing_is_left_where_files_have_no_name(datadir: Path) -> None:
    writer = Unnamed(datadir=str(datadir)).open_writer("image")
    writer.write(b"content")
    assert names(datadir) == []
    writer.abort()


def test_traces_are_removed_by_their_key_alone_whoever_holds_them(datadir: Path) -> None:
    driver = FilesystemDriver(datadir=str(datadir))
    mine, others = hidden_name("image"), [hidden_name("image.2"), hidden_name("image-2"), hidden_name("imag")]
    for name in (mine, *others, "image"):
        (datadir / name).write_bytes(b"data")
    with (datadir / mine).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        driver.remove_traces("image")
    assert names(datadir) == sorted([*others, "image"])


def test_leftover_tells_the_key_that_it_was_written_for(datadir: Path) -> None:
    (datadir / hidden_name("image.2")).write_bytes(b"data")
    assert [leftover.key for leftover in FilesystemDriver(datadir=str(datadir)).leftovers()] == ["image.2"]
