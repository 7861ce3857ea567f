"""What fits stays in the page cache, what does not goes past it; all uploads of a process together have one share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.page_cache import SHARE, CacheShare, available_memory
from imgstore.model import MIB
from tests.filesystem.support import BUFFERS, CONTENT, SIZE, START, Direct, Writes, get

BEYOND = len(CONTENT) - START
"""Bytes of the content that do not go through the cache in any case."""


@pytest.fixture
def driver(datadir: Path, monkeypatch: pytest.MonkeyPatch) -> FilesystemDriver:
    """On a disk of its own, beside which there is memory for the content once, and a bit."""
    monkeypatch.setattr(os, "major", lambda device: 254)
    monkeypatch.setattr(Direct, "CACHE", CacheShare(lambda: (BEYOND + 1) * SHARE, step=2 * SIZE))
    return Direct(datadir=str(datadir), direct_io="auto")


def test_an_image_that_fits_stays_in_the_cache(driver: FilesystemDriver, writes: Writes) -> None:
    for key in ("first", "second"):
        with driver.open_writer(key, size=len(CONTENT)) as writer:
            writer.write(CONTENT)
            writer.commit()
    assert writes.direct == []
    assert get(driver, "second") == CONTENT


def test_an_image_that_does_not_fit_goes_past_the_cache(driver: FilesystemDriver, writes: Writes) -> None:
    with driver.open_writer("image", size=len(CONTENT) + 2) as writer:
        writer.write(CONTENT + b"..")
        writer.commit()
    assert writes.direct[0] == (START, SIZE)


def test_an_image_of_unknown_size_leaves_the_cache_where_its_room_ends(
    driver: FilesystemDriver, writes: Writes
) -> None:
    for chunk in (1000, len(CONTENT)):
        with driver.open_writer("image", size=None) as writer:
            for start in range(0, len(CONTENT), chunk):
                writer.write(CONTENT[start : start + chunk])
            writer.commit()
        assert writes.direct == [(START + 4 * SIZE, SIZE)]
        assert get(driver, "image") == CONTENT
        driver.delete("image")
        writes.calls.clear()


def test_uploads_together_have_one_share_until_they_end(driver: FilesystemDriver, writes: Writes) -> None:
    with driver.open_writer("first", size=len(CONTENT)) as first:
        first.write(CONTENT)
        with driver.open_writer("second", size=len(CONTENT)) as second:
            second.write(CONTENT)
            second.commit()  # an abort would drop what the lane has not written yet
        assert len(writes.direct) == BEYOND // SIZE
    writes.calls.clear()
    with driver.open_writer("third", size=len(CONTENT)) as third:
        third.write(CONTENT)
    assert writes.direct == []


def test_where_the_system_does_not_tell_only_the_beginning_is_cached(
    driver: FilesystemDriver, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Direct, "CACHE", CacheShare(lambda: None))
    with driver.open_writer("image", size=len(CONTENT)) as writer:
        writer.write(CONTENT)
    assert writes.direct[0] == (START, SIZE)


@pytest.mark.parametrize(
    ("groups", "limits", "available"),
    [
        ("", {}, 7 * MIB),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": 5 * MIB}, 5 * MIB),
        ("0::/of/the/host", {"memory.max": 4 * MIB}, 4 * MIB),
        ("3:cpu,memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": 3 * MIB}, 3 * MIB),
        ("0::/a", {"a/memory.max": 9 * MIB}, 7 * MIB),
    ],
)
def test_memory_is_what_the_machine_and_the_control_groups_leave(
    tmp_path: Path, groups: str, limits: dict[str, object], available: int
) -> None:
    told = {"proc/meminfo": f"MemTotal: 99999 kB\nMemAvailable: {7 * 1024} kB\n", "proc/self/cgroup": groups}
    for name, text in {**told, **{f"sys/fs/cgroup/{name}": each for name, each in limits.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert available_memory(tmp_path) == available


def test_nobody_knows_of_memory_on_another_system(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


def test_a_step_ends_where_a_write_past_the_cache_may_begin() -> None:
    assert CacheShare().step % BUFFERS.size == 0
