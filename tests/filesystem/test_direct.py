"""Past the page cache: only the middle of a large file, in whole buffers, of which there are so many and no more, on a
thread that ends with the upload."""

from __future__ import annotations

import errno
import mmap
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.direct import wanted
from imgstore.drivers.filesystem.options import AUTO, OFF, ON
from imgstore.model import MIB
from tests.filesystem.support import BUFFERS, CONTENT, SIZE, START, Direct, Writes, failing, get, lanes, put_in_chunks


@pytest.fixture
def driver(datadir: Path) -> FilesystemDriver:
    return Direct(datadir=str(datadir))


def test_the_middle_of_a_large_file_goes_past_the_cache(driver: FilesystemDriver, writes: Writes) -> None:
    for chunk in (1000, SIZE, len(CONTENT)):
        put_in_chunks(driver, CONTENT, chunk=chunk)
        assert writes.direct == [(START + number * SIZE, SIZE) for number in range(5)]
        assert sum(length for _, length in writes.cached) == START + 1001
        assert writes.cached[-1] == (START + 5 * SIZE, 1001)
        assert get(driver, "image") == CONTENT
        driver.delete("image")
        writes.calls.clear()


@pytest.mark.usefixtures("writes")
def test_a_file_that_never_fills_a_buffer_starts_no_thread(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    for by in (-1, 0, 1):
        content = CONTENT[: START + SIZE + by]
        put_in_chunks(driver, content)
        assert len(started) == by + 1
        assert get(driver, "image") == content
        driver.delete("image")


def test_all_is_written_before_the_sync_and_the_sync_is_of_the_file(
    driver: FilesystemDriver, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    written: list[int] = []

    def fsync(fd: int) -> None:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            written.append(sum(length for _, length, _ in writes.calls))
            assert lanes() == []
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    put_in_chunks(driver, CONTENT)
    assert written == [len(CONTENT)]


@pytest.mark.parametrize(
    "content",
    [
        bytes(START + 5 * SIZE + 5),
        CONTENT[: START + 5] + bytes(4 * SIZE) + b"x",
        bytes(START + SIZE) + CONTENT[: 2 * SIZE] + bytes(2 * SIZE),
    ],
    ids=["only zeros", "zeros in the middle", "zeros at both ends"],
)
def test_zeros_are_left_out_past_the_cache_too(datadir: Path, writes: Writes, content: bytes) -> None:
    driver = Direct(datadir=str(datadir), thin_provisioning=True)
    put_in_chunks(driver, content)
    assert get(driver, "image") == content
    assert sum(length for _, length, _ in writes.calls) <= len(content) - content.count(0) + 2 * SIZE
    assert (datadir / "image").stat().st_blocks * 512 <= len(content) - 2 * SIZE


def test_memory_is_so_many_buffers_however_long_the_file_and_slow_the_disk(
    driver: FilesystemDriver, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    all_made = threading.Event()
    real = mmap.mmap

    def make(number: int, size: int, **options: int) -> mmap.mmap:
        made.append(size)
        if len(made) == BUFFERS.count:
            all_made.set()
        return real(number, size, **options)

    def slow(fd: int, data: memoryview, offset: int) -> int:
        assert all_made.wait(60)
        return writes.real(fd, data, offset)

    monkeypatch.setattr(mmap, "mmap", make)
    writes.instead = slow
    put_in_chunks(driver, CONTENT * 10)
    assert made == [SIZE] * BUFFERS.count


@pytest.mark.parametrize("end", ["commit", "abort", "failure"])
def test_the_buffers_go_with_the_upload(
    driver: FilesystemDriver, writes: Writes, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    alive: set[int] = set()

    class Counted(mmap.mmap):
        def __del__(self) -> None:
            alive.discard(id(self))

    def make(*args: Any, **options: Any) -> Counted:
        found = Counted(*args, **options)
        alive.add(id(found))
        return found

    monkeypatch.setattr(mmap, "mmap", make)
    writer = driver.open_writer("image")
    writer.write(CONTENT)
    assert alive
    if end == "failure":
        writes.instead = failing(errno.EIO)
        with pytest.raises(errors.StoreUnavailable):
            writer.write(CONTENT + CONTENT)
    else:
        getattr(writer, end)()
    assert alive == set()


def test_auto_is_for_files_that_are_waited_for_on_a_disk_of_their_own() -> None:
    disk, memory = os.makedev(254, 0), os.makedev(0, 40)
    assert [wanted(AUTO, fsync=fsync, device=device) for fsync in (True, False) for device in (disk, memory)] == [
        True, False, False, False,
    ]  # fmt: skip
    assert wanted(ON, fsync=False, device=memory)
    assert not wanted(OFF, fsync=True, device=disk)


@pytest.mark.parametrize(("direct_io", "fsync", "past"), [(AUTO, False, False), (ON, False, True), (OFF, True, False)])
def test_what_is_written_past_the_cache_is_what_the_options_say(
    datadir: Path, writes: Writes, direct_io: str, fsync: bool, past: bool
) -> None:
    put_in_chunks(Direct(datadir=str(datadir), direct_io=direct_io, fsync=fsync), CONTENT)
    assert bool(writes.direct) is past


def test_the_numbers_are_those_that_operators_are_told() -> None:
    """FilesystemDriver.BUFFERS, in doc/configuration.md."""
    buffers = FilesystemDriver.BUFFERS
    told = (Path(__file__).parents[2] / "doc" / "configuration.md").read_text()
    assert f"The first {buffers.start // MIB} MiB of an image go through the page cache" in told
    assert f"Each such upload takes {buffers.count * buffers.size // MIB} MiB of\nmemory" in told
    assert f"gets {FilesystemDriver.CACHE.step // MIB} MiB after the other" in told
