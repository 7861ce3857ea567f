"""What fails past the page cache is the same error as in it, raised where the upload is; what the filesystem does not
take that way goes through the cache."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver, space
from imgstore.drivers.filesystem import direct as fs_direct
from imgstore.drivers.filesystem.output import PIECE
from imgstore.drivers.filesystem.writer import FileWriter
from tests.filesystem.scenarios import EXPECTED
from tests.filesystem.support import (
    CONTENT,
    SIZE,
    START,
    Direct,
    Writes,
    failing,
    get,
    lanes,
    names,
    put,
    put_in_chunks,
    refuse,
)
from tests.support.waiting import until


@pytest.fixture
def driver(datadir: Path) -> FilesystemDriver:
    return Direct(datadir=str(datadir))


def defect(fd: int, data: memoryview, offset: int) -> int:
    raise ValueError("a defect")


@pytest.mark.parametrize("at_commit", [False, True], ids=["told at a write", "told at commit"])
def test_what_fails_past_the_cache_is_raised_where_the_upload_is(
    driver: FilesystemDriver, datadir: Path, writes: Writes, at_commit: bool
) -> None:
    rows = [(failing(number), expected, errno.errorcode[number]) for number, expected in EXPECTED.items()]
    for instead, expected, told in [*rows, (defect, errors.StoreUnavailable, "ValueError")]:
        writes.instead = instead
        with driver.open_writer("image") as writer:
            writer.write(CONTENT[: START + SIZE])
            with pytest.raises(expected) as caught:
                writer.commit() if at_commit else writer.write(CONTENT)
        assert told in f"{caught.value.detail} {caught.value}"
        assert names(datadir) == []
        writes.instead = None
        put(driver, "image", CONTENT)
        driver.delete("image")


REFUSALS = (errno.EINVAL, errno.EOPNOTSUPP)


def test_a_filesystem_that_refuses_the_flag_gets_all_through_the_cache(
    driver: FilesystemDriver, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread"))
    for number in REFUSALS:
        refuse(monkeypatch, "fcntl", number, lambda fd, command, *flags: command == fcntl.F_SETFL, module=fcntl)
        put_in_chunks(driver, CONTENT)
        assert writes.direct == []
        assert get(driver, "image") == CONTENT
        driver.delete("image")


@pytest.mark.parametrize("thin", [False, True], ids=["whole", "thin"])
def test_a_filesystem_that_refuses_the_first_write_gets_all_through_the_cache(
    datadir: Path, writes: Writes, thin: bool
) -> None:
    driver = Direct(datadir=str(datadir), thin_provisioning=thin)
    for number in REFUSALS:
        writes.calls.clear()
        writes.instead = failing(number)
        put_in_chunks(driver, CONTENT)
        assert writes.direct == [(START, SIZE)]
        assert get(driver, "image") == CONTENT
        driver.delete("image")


def test_after_a_refusal_no_thread_is_kept_and_nothing_waits_for_a_full_buffer(
    driver: FilesystemDriver, writes: Writes
) -> None:
    writes.instead = failing(errno.EINVAL)
    with driver.open_writer("image") as writer:
        writer.write(CONTENT[: START + SIZE])
        assert isinstance(writer, FileWriter)
        until(lambda: writer._lane is not None and writer._lane.refused)
        writer.write(CONTENT[START + SIZE :])
        assert lanes() == []
        rest = 4 * SIZE + 1001 - 2 * PIECE
        assert [length for _, length, direct in writes.calls[-3:] if not direct] == [PIECE, PIECE, rest]
        writer.commit()
    assert get(driver, "image") == CONTENT


@pytest.mark.parametrize("taken", [1, 4096, SIZE - 1])
def test_what_is_taken_in_part_is_carried_on_through_the_cache(
    driver: FilesystemDriver, writes: Writes, taken: int
) -> None:
    def short(fd: int, data: memoryview, offset: int) -> int:
        assert writes.real(fd, data, offset) == SIZE
        os.ftruncate(fd, offset + taken)
        return taken

    writes.instead = short
    put_in_chunks(driver, CONTENT)
    assert writes.direct == [(START, SIZE)]
    assert (START + taken, SIZE - taken, False) in writes.calls
    assert get(driver, "image") == CONTENT


def test_a_disk_that_fills_up_in_the_middle_of_a_buffer_is_store_full(
    driver: FilesystemDriver, datadir: Path, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "pwrite", errno.ENOSPC, lambda fd, data, offset: offset > START)
    writes.instead = lambda fd, data, offset: 4096
    with pytest.raises(errors.StoreFull):
        put_in_chunks(driver, CONTENT)
    assert writes.direct == [(START, SIZE)]
    assert names(datadir) == []


def test_the_reserve_is_never_taken(datadir: Path, monkeypatch: pytest.MonkeyPatch, writes: Writes) -> None:
    monkeypatch.setattr(space, "STEP", 1)
    room = START + 3 * SIZE + SIZE // 2

    def status(fd: int) -> os.statvfs_result:
        free = 1000 + room - sum(length for _, length, _ in writes.calls)
        return os.statvfs_result((1, 1, 10**9, free, free, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "fstatvfs", status)
    driver = Direct(datadir=str(datadir), free_space_reserve=1000)
    with pytest.raises(errors.StoreFull):
        put_in_chunks(driver, CONTENT)
    assert writes.direct == [(START + number * SIZE, SIZE) for number in range(3)]
    assert names(datadir) == []
    writes.calls.clear()
    put_in_chunks(driver, CONTENT[:room])


def test_an_interrupted_upload_leaves_no_thread_and_no_file(
    driver: FilesystemDriver, datadir: Path, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(lane: fs_direct.DirectLane) -> mmap.mmap:
        raise KeyboardInterrupt

    writer = driver.open_writer("image")
    writer.write(CONTENT[: START + SIZE])
    assert len(lanes()) == 1
    monkeypatch.setattr(fs_direct.DirectLane, "_take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write(CONTENT)
    assert names(datadir) == []


def test_an_abort_waits_for_the_write_under_way_and_begins_no_other(
    driver: FilesystemDriver, datadir: Path, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, aborting = threading.Event(), threading.Event()
    join = threading.Thread.join

    def slow(fd: int, data: memoryview, offset: int) -> int:
        begun.set()
        assert aborting.wait(60)
        return writes.real(fd, data, offset)

    def joining(thread: threading.Thread, timeout: float | None = None) -> None:
        aborting.set()
        join(thread, timeout)

    writes.instead = slow
    monkeypatch.setattr(threading.Thread, "join", joining)
    writer = driver.open_writer("image")
    writer.write(CONTENT[: START + 2 * SIZE])
    assert begun.wait(60)
    writer.abort()
    assert lanes() == []
    assert writes.direct == [(START, SIZE)]
    assert names(datadir) == []
