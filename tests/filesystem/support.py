"""What the filesystem driver's tests share: drivers pinned to one way of working, and what is open or left."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.direct import Buffers
from imgstore.drivers.filesystem.directory import Directory


class Unnamed(FilesystemDriver):
    """Stages by O_TMPFILE alone."""

    STAGINGS = (staging.unnamed,)


class Named(FilesystemDriver):
    """Stages under hidden names alone."""

    STAGINGS = (staging.named,)


class Direct(Named):
    """Goes past the page cache early, in small buffers."""

    BUFFERS = Buffers(start=64 * 1024, size=64 * 1024, count=2)

    def __init__(self, *, direct_io: str = "on", **options: Any) -> None:
        super().__init__(direct_io=direct_io, **options)


BOTH: list[type[FilesystemDriver]] = [Unnamed, Named]


@contextlib.contextmanager
def room_for_both(path: Path) -> Iterator[Path]:
    """`path`, or a directory in memory where its filesystem knows no files without a name (overlays before Linux 6)."""
    try:
        with Directory(str(path)) as directory:
            staging.unnamed(directory, "probe", 0o600).discard()
    except OSError:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
            yield Path(memory)
    else:
        yield path


def open_descriptors() -> dict[str, str]:
    """What this process has open, by number."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # the listing's own descriptor
    return found


def names(datadir: Path) -> list[str]:
    """Everything in a datadir, hidden names included."""
    return sorted(os.listdir(datadir))


def put(driver: FilesystemDriver, key: str, content: bytes, *, size: int | None = None) -> None:
    """Writes an object in one go."""
    with driver.open_writer(key, size=size) as writer:
        writer.write(content)
        writer.commit()


def get(driver: FilesystemDriver, key: str) -> bytes:
    """Reads a whole object."""
    with driver.open_reader(key) as reader:
        return b"".join(reader)
