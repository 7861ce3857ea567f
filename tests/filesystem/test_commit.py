"""An object appears whole, durable and once, with the configured mode; holes change nothing of what is read."""

from __future__ import annotations

import errno
import os
import random
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver, output, staging, write_back
from imgstore.drivers.filesystem.output import BLOCK, PIECE
from tests.filesystem.support import get, names, put


def test_nothing_is_visible_before_commit(driver: FilesystemDriver, datadir: Path) -> None:
    with driver.open_writer("image") as writer:
        writer.write(b"content")
        assert list(driver.objects()) == []
        assert [name for name in names(datadir) if not name.startswith(".imgstore-")] == []
        with pytest.raises(errors.ObjectNotFound):
            driver.stat("image")
        writer.commit()
    assert names(datadir) == ["image"]


def test_a_staged_file_without_a_name_is_in_no_directory(datadir: Path) -> None:
    with FilesystemDriver(datadir=str(datadir)).open_writer("image") as writer:
        writer.write(b"content")
        assert names(datadir) == []


def test_a_taken_key_is_refused_before_the_first_byte(driver: FilesystemDriver) -> None:
    put(driver, "image", b"first")
    with pytest.raises(errors.ObjectExists):
        driver.open_writer("image")


def test_of_many_writers_of_one_key_one_wins_and_its_object_is_whole(driver: FilesystemDriver, datadir: Path) -> None:
    for number in range(25):
        key = f"image-{number}"
        barrier = threading.Barrier(4)
        won: list[bytes] = []

        def create(
            content: bytes, key: str = key, barrier: threading.Barrier = barrier, won: list[bytes] = won
        ) -> None:
            writer = driver.open_writer(key)
            writer.write(content)
            barrier.wait()
            try:
                writer.commit()
            except errors.ObjectExists:
                return
            won.append(content)

        _run([lambda letter=letter: create(letter * 10_000) for letter in (b"a", b"b", b"c", b"d")])  # type: ignore[misc] # a default binds the loop's value
        assert len(won) == 1
        assert get(driver, key) == won[0]
    assert len(names(datadir)) == 25


def test_the_data_is_durable_before_the_name_and_the_name_before_the_answer(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = _recorded(monkeypatch)
    with driver.open_writer("image") as writer:
        writer.write(b"content")
        steps.clear()
        writer.commit()
    assert [step for step in steps if step != "unlink"] == ["sync file", "link", "sync directory"]


def test_a_removal_is_durable_before_the_answer(driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    put(driver, "image", b"content")
    steps = _recorded(monkeypatch)
    driver.delete("image")
    assert steps == ["unlink", "sync directory"]


def test_without_fsync_nothing_is_waited_for(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "WINDOW", 2)
    monkeypatch.setattr(write_back, "start_writing", lambda fd, offset, length: pytest.fail("write-back"))
    driver = kind(datadir=str(datadir), fsync=False)
    steps = _recorded(monkeypatch)
    put(driver, "image", b"content")
    driver.delete("image")
    assert [step for step in steps if step.startswith("sync")] == []


def test_the_disk_begins_to_write_while_bytes_arrive(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(output, "WINDOW", 1000)
    monkeypatch.setattr(write_back, "start_writing", lambda fd, offset, length: begun.append((offset, length)))
    with driver.open_writer("image") as writer:
        for _ in range(11):
            writer.write(b"x" * 300)
        writer.commit()
    assert begun == [(0, 1200), (1200, 1200)]


@pytest.mark.parametrize("ask", [write_back.by_fadvise, write_back.start_writing], ids=["fadvise", "best"])
def test_write_back_changes_nothing_of_the_file(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch, ask: write_back.Start
) -> None:
    monkeypatch.setattr(output, "WINDOW", 100_000)
    monkeypatch.setattr(write_back, "start_writing", ask)
    content = random.Random(1).randbytes(1_000_000)
    with driver.open_writer("image") as writer:
        for start in range(0, len(content), 50_000):
            writer.write(content[start : start + 50_000])
        writer.commit()
    assert get(driver, "image") == content


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode", ["0640", "644", "0o600"])
def test_the_file_has_the_configured_mode_whatever_the_umask(
    kind: type[FilesystemDriver], datadir: Path, mode: str, umask: int
) -> None:
    before = os.umask(umask)
    try:
        put(kind(datadir=str(datadir), file_mode=mode), "image", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((datadir / "image").stat().st_mode) == int(mode, 8)


def test_the_writers_answer_is_what_a_lookup_says_later(driver: FilesystemDriver) -> None:
    with driver.open_writer("image") as writer:
        writer.write(b"content")
        info = writer.commit()
    assert driver.stat("image") == info
    with driver.open_reader("image") as reader:
        assert reader.info == info
    assert list(driver.objects()) == [info]


def test_a_read_takes_no_more_than_chunk_size(kind: type[FilesystemDriver], datadir: Path) -> None:
    driver = kind(datadir=str(datadir), chunk_size=4096)
    put(driver, "image", bytes(10_000))
    with driver.open_reader("image", start=1) as reader:
        assert [len(chunk) for chunk in reader] == [4096, 4096, 1807]


CONTENTS: dict[str, bytes] = {
    "only zeros": bytes(5 * BLOCK),
    "zeros at the end": b"x" * 100 + bytes(3 * BLOCK),
    "zeros at the start": bytes(3 * BLOCK) + b"x",
    "a hole inside": b"a" * BLOCK + bytes(4 * BLOCK) + b"b" * BLOCK,
    "a hole that begins inside a block": b"a" * (BLOCK + 7) + bytes(4 * BLOCK) + b"b",
    "one byte in a block of zeros": bytes(BLOCK - 1) + b"x" + bytes(2 * BLOCK),
    "no zeros": b"x" * (2 * BLOCK + 5),
    "less than a block": bytes(10),
}


@pytest.mark.parametrize("chunk_size", [999, BLOCK, 1_000_000])
@pytest.mark.parametrize("wrap", [bytes, memoryview, bytearray])
@pytest.mark.parametrize("name", CONTENTS)
def test_holes_change_nothing_of_what_is_read(
    kind: type[FilesystemDriver],
    datadir: Path,
    name: str,
    wrap: Callable[[bytes], bytes | memoryview | bytearray],
    chunk_size: int,
) -> None:
    content = CONTENTS[name]
    driver = kind(datadir=str(datadir), thin_provisioning=True, fsync=False)
    with driver.open_writer("image", size=len(content)) as writer:
        for start in range(0, len(content), chunk_size):
            writer.write(wrap(content[start : start + chunk_size]))
        assert writer.commit().size == len(content)
    assert get(driver, "image") == content


@pytest.mark.parametrize("name", ["only zeros", "zeros at the end", "zeros at the start", "a hole inside"])
def test_zeros_take_no_room_when_thin(kind: type[FilesystemDriver], datadir: Path, name: str) -> None:
    content = CONTENTS[name]
    put(kind(datadir=str(datadir)), "whole", content)
    put(kind(datadir=str(datadir), thin_provisioning=True), "thin", content)
    whole, thin = (datadir / "whole").stat(), (datadir / "thin").stat()
    assert thin.st_size == whole.st_size == len(content)
    assert thin.st_blocks * 512 <= whole.st_blocks * 512 - 2 * BLOCK


def test_data_is_written_in_pieces_of_its_own_buffer_without_a_copy(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[object, int]] = []
    real = os.pwrite

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        handed.append((data.obj, len(data)))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    chunks = [b"x" * (2 * PIECE + 1), b"y" * 50]
    with kind(datadir=str(datadir)).open_writer("image") as writer:
        for chunk in chunks:
            writer.write(chunk)
        writer.commit()
    assert [length for _, length in handed] == [PIECE, PIECE, 1, 50]
    assert [id(buffer) for buffer, _ in handed] == [id(chunks[0])] * 3 + [id(chunks[1])]


def test_a_run_of_data_between_holes_is_written_by_one_call(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[int, int]] = []
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        handed.append((offset, len(data)))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    put(kind(datadir=str(datadir), thin_provisioning=True), "image", bytes(BLOCK) + b"x" * 3 * BLOCK + bytes(BLOCK))
    assert handed == [(BLOCK, 3 * BLOCK)]


def test_the_first_staging_that_works_is_taken_and_kept(datadir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link(source: str, *args: object, **kwargs: object) -> None:
        if source.startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        real(source, *args, **kwargs)  # type: ignore[arg-type] # handed through as it came

    monkeypatch.setattr(os, "link", link)
    driver = FilesystemDriver(datadir=str(datadir))
    put(driver, "image", b"content")
    assert driver._staging is staging.named
    monkeypatch.undo()
    put(driver, "another", b"content")
    assert driver._staging is staging.named
    assert names(datadir) == ["another", "image"]


def test_where_files_can_be_without_a_name_they_are(datadir: Path) -> None:
    driver = FilesystemDriver(datadir=str(datadir))
    put(driver, "image", b"content")
    assert driver._staging is staging.unnamed


def _recorded(patch: pytest.MonkeyPatch) -> list[str]:
    steps: list[str] = []
    fsync, link, unlink = os.fsync, os.link, os.unlink

    def record_fsync(fd: int) -> None:
        steps.append("sync directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def record_link(*args: object, **kwargs: object) -> None:
        steps.append("link")
        link(*args, **kwargs)  # type: ignore[arg-type] # handed through as it came

    def record_unlink(*args: object, **kwargs: object) -> None:
        steps.append("unlink")
        unlink(*args, **kwargs)  # type: ignore[arg-type] # handed through as it came

    patch.setattr(os, "fsync", record_fsync)
    patch.setattr(os, "link", record_link)
    patch.setattr(os, "unlink", record_unlink)
    return steps


def _run(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
