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
from tests.filesystem.direct import BUFFERS, CONTENT, SIZE, START, Writes, failing, lanes, put_in_chunks
from tests.filesystem.support import Direct, get


@pytest.fixture
def driver(datadir: Path) -> FilesystemDriver:
    return Direct(datadir=str(datadir))


@pytest.mark.parametrize("chunk", [1000, SIZE, len(CONTENT)])
def test_the_middle_of_a_large_file_goes_past_the_cache(driver: FilesystemDriver, writes: Writes, chunk: int) -> None:
    put_in_chunks(driver, CONTENT, chunk=chunk)
    assert writes.direct == [(START + number * SIZE, SIZE) for number in range(5)]
    cached = [(offset, length) for offset, length, direct in writes.calls if not direct]
    assert sum(length for _, length in cached) == START + 1001
    assert cached[-1] == (START + 5 * SIZE, 1001)
    assert get(driver, "image") == CONTENT


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_file_that_never_fills_a_buffer_starts_no_thread(
    driver: FilesystemDriver, writes: Writes, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    content = CONTENT[: START + SIZE + by]
    put_in_chunks(driver, content)
    assert len(started) == (0 if by < 0 else 1)
    assert get(driver, "image") == content


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


@pytest.mark.parametrize(("options", "past"), [({"fsync": False}, False), ({"direct_io": ON, "fsync": False}, True)])
def test_without_fsync_only_whoever_wants_it_goes_past_the_cache(
    datadir: Path, writes: Writes, options: dict[str, Any], past: bool
) -> None:
    put_in_chunks(Direct(datadir=str(datadir), **{"direct_io": AUTO, **options}), CONTENT)
    assert bool(writes.direct) is past


def test_off_is_off(datadir: Path, writes: Writes) -> None:
    put_in_chunks(Direct(datadir=str(datadir), direct_io=OFF), CONTENT)
    assert writes.direct == []


def test_the_numbers_are_those_that_operators_are_told() -> None:
    """FilesystemDriver.BUFFERS, in doc/configuration.md."""
    buffers = FilesystemDriver.BUFFERS
    told = (Path(__file__).parents[2] / "doc" / "configuration.md").read_text()
    assert f"The first {buffers.start // MIB} MiB of an image go through the page cache" in told
    assert f"takes {buffers.count * buffers.size // MIB} MiB of memory" in told
