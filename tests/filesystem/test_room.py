"""Room: the capacity is exact under threads, the reserve is left alone, and `space` says what may still be stored."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem import space as fs_space
from tests.filesystem.support import names, put


def test_the_capacity_is_exact_under_threads(kind: type[FilesystemDriver], datadir: Path) -> None:
    (datadir / "before").write_bytes(b"x" * 500)
    driver = kind(datadir=str(datadir), capacity=10_500, fsync=False)
    barrier = threading.Barrier(8)
    refused: list[errors.StoreFull] = []

    def upload(worker: int) -> None:
        barrier.wait()
        for number in range(10):
            try:
                with driver.open_writer(f"{worker}-{number}", size=1000 if number % 2 else None) as writer:
                    for _ in range(10):
                        writer.write(b"x" * 100)
                    writer.commit()
            except errors.StoreFull as error:
                refused.append(error)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, range(8)))
    stored = sum(info.size for info in driver.objects())
    assert stored <= 10_500
    assert len(refused) == 80 - (stored - 500) // 1000
    assert driver.space().free == 10_500 - stored, "nothing is held any longer"


def test_the_capacity_is_used_to_the_last_byte(kind: type[FilesystemDriver], datadir: Path) -> None:
    driver = kind(datadir=str(datadir), capacity=100)
    writer = driver.open_writer("image", size=100)
    assert driver.space().free == 0
    writer.abort()
    (datadir / "taken").write_bytes(b"")
    with pytest.raises(errors.ObjectExists):
        driver.open_writer("taken", size=100)
    assert driver.space().free == 100, "what failed gives its room back"
    put(driver, "image", b"x" * 100)
    put(driver, "empty", b"")
    with pytest.raises(errors.StoreFull):
        put(driver, "more", b"x")
    with pytest.raises(errors.StoreFull):
        driver.open_writer("more", size=1)
    driver.delete("image")
    put(driver, "more", b"x" * 100)


def test_a_delete_is_counted_once_whenever_the_sum_is_begun(kind: type[FilesystemDriver], datadir: Path) -> None:
    (datadir / "old").write_bytes(b"x" * 60)
    (datadir / "kept").write_bytes(b"x" * 40)
    driver = kind(datadir=str(datadir), capacity=100)
    driver.delete("old")
    with pytest.raises(errors.ObjectNotFound):
        driver.delete("old")
    assert driver.space().free == 60
    put(driver, "new", b"x" * 60)
    with pytest.raises(errors.StoreFull):
        put(driver, "more", b"x")


def test_of_two_deletes_at_once_one_finds_nothing_and_gives_nothing_back(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = kind(datadir=str(datadir), capacity=100)
    put(driver, "image", b"x" * 60)
    put(driver, "kept", b"x" * 40)
    real = os.unlink

    def unlink(name: str, *, dir_fd: int) -> None:
        monkeypatch.undo()
        driver.delete(name)
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(errors.ObjectNotFound):
        driver.delete("image")
    assert driver.space().free == 60


class Disk:
    """A filesystem of 1,000,000 bytes: `free` of them are free, and what is written is taken from them."""

    def __init__(self, patch: pytest.MonkeyPatch, *, free: int, total: int = 1_000_000) -> None:
        self.free = free
        self._total = total
        pwrite = os.pwrite

        def writing(fd: int, data: bytes, offset: int) -> int:
            self.free -= len(data)
            return pwrite(fd, data, offset)

        patch.setattr(os, "pwrite", writing)
        patch.setattr(os, "fstatvfs", self._status)

    def _status(self, fd: int) -> os.statvfs_result:
        return os.statvfs_result((4096, 1, self._total, self.free, self.free, 0, 0, 0, 0, 255))


def test_a_declared_size_that_does_not_fit_is_refused_before_the_first_byte(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Disk(monkeypatch, free=1000)
    with pytest.raises(errors.StoreFull) as caught:
        driver.open_writer("image", size=1001)
    assert "1000 bytes are free" in str(caught.value)
    driver.open_writer("image", size=1000).abort()
    driver.open_writer("image").abort()
    assert names(datadir) == []


def test_a_thin_file_may_be_larger_than_what_is_free(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, free=10)
    driver = kind(datadir=str(datadir), thin_provisioning=True)
    put(driver, "image", bytes(100_000), size=100_000)
    disk.free = 0
    driver.open_writer("empty", size=0).abort()
    with pytest.raises(errors.StoreFull):
        driver.open_writer("another", size=1)


@pytest.mark.parametrize("step", [1, 700, 10**6])
def test_the_reserve_is_never_taken(datadir: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(fs_space, "STEP", step)
    disk = Disk(monkeypatch, free=10_000)
    driver = FilesystemDriver(datadir=str(datadir), free_space_reserve=4000)
    with pytest.raises(errors.StoreFull):
        driver.open_writer("image", size=6001)
    writer = driver.open_writer("image")
    for _ in range(20):
        writer.write(b"x" * 300)
    with pytest.raises(errors.StoreFull):
        writer.write(b"x")
    assert disk.free == 4000
    assert names(datadir) == []
    with pytest.raises(errors.StoreFull):
        driver.open_writer("image")
    with driver.open_writer("empty", size=0) as empty:
        empty.commit()


def test_room_that_another_takes_meanwhile_is_noticed_within_a_step(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fs_space, "STEP", 1000)
    disk = Disk(monkeypatch, free=100_000)
    writer = FilesystemDriver(datadir=str(datadir), free_space_reserve=50_000).open_writer("image")
    writer.write(b"x" * 100)
    disk.free = 50_000
    writer.write(b"x" * 900)
    with pytest.raises(errors.StoreFull):
        writer.write(b"x")


def test_space_is_what_may_still_be_stored(datadir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch, free=10_000)
    rows: list[tuple[int, int | None, tuple[int, int]]] = [
        (0, None, (1_000_000, 10_000)), (4_000, None, (996_000, 6_000)), (4_000, 5_000, (5_000, 5_000)),
        (20_000, None, (980_000, 0)),
    ]  # fmt: skip
    for reserve, capacity, told in rows:
        space = FilesystemDriver(datadir=str(datadir), free_space_reserve=reserve, capacity=capacity).space()
        assert (space.total, space.free) == told


def test_a_filesystem_that_tells_nothing_is_not_full(datadir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch, free=0, total=0)
    driver = FilesystemDriver(datadir=str(datadir), free_space_reserve=1)
    put(driver, "image", b"content", size=7)
    assert driver.space().free is None
    assert FilesystemDriver(datadir=str(datadir), capacity=10).space().free == 3
