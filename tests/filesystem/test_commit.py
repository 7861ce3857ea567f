"""An object appears durable and with the configured mode; holes change nothing of what is read.

That it appears whole and once is the contract's (`tests/contract`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore.drivers.filesystem import FilesystemDriver, output, staging, write_back
from imgstore.drivers.filesystem.output import BLOCK, PIECE
from tests.filesystem.support import Writes, get, names, put, refuse


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to names and disks, in order."""
    done: list[str] = []

    def note(name: str, real: Callable[..., object]) -> None:
        def call(*args: Any, **kwargs: Any) -> None:
            of_directory = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            done.append(f"{name} directory" if of_directory else name)
            real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "link", "unlink"):
        note(name, getattr(os, name))
    return done


def test_durable_before_the_name_and_the_name_before_the_answer(driver: FilesystemDriver, steps: list[str]) -> None:
    with driver.open_writer("image") as writer:
        writer.write(b"content")
        steps.clear()
        info = writer.commit()
    assert [step for step in steps if step != "unlink"] == ["fsync", "link", "fsync directory"]
    assert [driver.stat("image"), *driver.objects()] == [info, info]
    steps.clear()
    driver.delete("image")
    assert steps == ["unlink", "fsync directory"]


def test_without_fsync_nothing_is_waited_for(
    kind: type[FilesystemDriver], datadir: Path, monkeypatch: pytest.MonkeyPatch, steps: list[str]
) -> None:
    monkeypatch.setattr(output, "WINDOW", 2)
    monkeypatch.setattr(write_back, "start_writing", lambda fd, offset, length: pytest.fail("write-back"))
    driver = kind(datadir=str(datadir), fsync=False)
    put(driver, "image", b"content")
    driver.delete("image")
    assert [step for step in steps if step.startswith("fsync")] == []


def test_the_disk_begins_to_write_while_bytes_arrive(driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(output, "WINDOW", 1000)
    monkeypatch.setattr(write_back, "start_writing", lambda fd, offset, length: begun.append((offset, length)))
    with driver.open_writer("image") as writer:
        for _ in range(11):
            writer.write(b"x" * 300)
        writer.commit()
    assert begun == [(0, 1200), (1200, 1200)]


@pytest.fixture(params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_file_has_the_configured_mode_whatever_the_umask(kind: type[FilesystemDriver], datadir: Path) -> None:
    for mode in ("0640", "644", "0o600"):
        put(kind(datadir=str(datadir), file_mode=mode), mode, b"content")
        assert stat.S_IMODE((datadir / mode).stat().st_mode) == int(mode, 8)


def test_a_read_takes_no_more_than_chunk_size(kind: type[FilesystemDriver], datadir: Path) -> None:
    driver = kind(datadir=str(datadir), chunk_size=4096)
    put(driver, "image", bytes(10_000))
    with driver.open_reader("image", start=1) as reader:
        assert [len(chunk) for chunk in reader] == [4096, 4096, 1807]


WITH_HOLES: dict[str, bytes] = {
    "only zeros": bytes(5 * BLOCK),
    "zeros at the end": b"x" * 100 + bytes(3 * BLOCK),
    "zeros at the start": bytes(3 * BLOCK) + b"x",
    "a hole inside": b"a" * BLOCK + bytes(4 * BLOCK) + b"b" * BLOCK,
}
CONTENTS = WITH_HOLES | {
    "a hole that begins inside a block": b"a" * (BLOCK + 7) + bytes(4 * BLOCK) + b"b",
    "one byte in a block of zeros": bytes(BLOCK - 1) + b"x" + bytes(2 * BLOCK),
    "no zeros": b"x" * (2 * BLOCK + 5),
    "less than a block": bytes(10),
}


@pytest.mark.parametrize("wrap", [bytes, memoryview, bytearray])
def test_holes_change_nothing_of_what_is_read(
    datadir: Path, subtests: pytest.Subtests, wrap: Callable[[bytes], bytes | memoryview | bytearray]
) -> None:
    driver = FilesystemDriver(datadir=str(datadir), thin_provisioning=True, fsync=False)
    for number, (name, content) in enumerate(CONTENTS.items()):
        for step in (999, BLOCK, 1_000_000):
            with subtests.test(f"{name}, {step}"), driver.open_writer(f"{number}-{step}", size=len(content)) as writer:
                for start in range(0, len(content), step):
                    writer.write(wrap(content[start : start + step]))
                assert writer.commit().size == len(content)
                assert get(driver, f"{number}-{step}") == content


def test_zeros_take_no_room_when_thin(datadir: Path) -> None:
    whole, thin = (FilesystemDriver(datadir=str(datadir), thin_provisioning=thin) for thin in (False, True))
    for number, (name, content) in enumerate(WITH_HOLES.items()):
        put(whole, f"whole{number}", content)
        put(thin, f"thin{number}", content)
        full, holey = (datadir / f"whole{number}").stat(), (datadir / f"thin{number}").stat()
        assert full.st_size == holey.st_size == len(content), name
        assert holey.st_blocks * 512 <= full.st_blocks * 512 - 2 * BLOCK, name


def test_data_is_written_in_pieces_and_between_holes_by_one_call(
    kind: type[FilesystemDriver], datadir: Path, writes: Writes
) -> None:
    with kind(datadir=str(datadir)).open_writer("image") as writer:
        for chunk in (b"x" * (2 * PIECE + 1), b"y" * 50):
            writer.write(chunk)
        writer.commit()
    assert writes.cached == [(0, PIECE), (PIECE, PIECE), (2 * PIECE, 1), (2 * PIECE + 1, 50)]
    writes.calls.clear()
    put(kind(datadir=str(datadir), thin_provisioning=True), "thin", bytes(BLOCK) + b"x" * 2 * BLOCK + bytes(BLOCK))
    assert writes.cached == [(BLOCK, 2 * BLOCK)]


def test_the_first_staging_that_works_is_taken_and_kept(datadir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FilesystemDriver(datadir=str(datadir))
    with driver.open_writer("unnamed") as writer:
        assert (driver._staging, names(datadir)) == (staging.unnamed, [])
        writer.commit()
    driver = FilesystemDriver(datadir=str(datadir))
    with monkeypatch.context() as patch:
        refuse(patch, "link", errno.ENOENT, lambda source, *args: source.startswith("/proc"))
        put(driver, "image", b"content")
        assert driver._staging is staging.named
    put(driver, "another", b"content")
    assert driver._staging is staging.named
    assert names(datadir) == ["another", "image", "unnamed"]
