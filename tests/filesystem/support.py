"""What the filesystem driver's tests share: drivers pinned to one way of working, calls that fail or are noted, what is
open or left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.direct import Buffers
from imgstore.drivers.filesystem.directory import Directory

if TYPE_CHECKING:
    import pytest


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

BUFFERS = Direct.BUFFERS
START, SIZE = BUFFERS.start, BUFFERS.size
CONTENT = random.Random(1).randbytes(START + 5 * SIZE + 1001)
"""For the tests of Direct: some buffers, and what is beside them."""
Write = Callable[[int, memoryview, int], int]


class Writes:
    """What is written, and how: each call with its offset, its length and whether it goes past the page cache.

    A filesystem that refuses O_DIRECT is made to take it. `instead` writes in place of the calls past the cache.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, int, bool]] = []
        self.instead: Write | None = None
        self.real = os.pwrite
        self._direct: set[int] = set()
        self._fcntl = fcntl.fcntl
        patch.setattr(os, "pwrite", self._pwrite)
        patch.setattr(fcntl, "fcntl", self._set)

    @property
    def direct(self) -> list[tuple[int, int]]:
        """Offset and length of what went past the cache."""
        return [(offset, length) for offset, length, direct in self.calls if direct]

    @property
    def cached(self) -> list[tuple[int, int]]:
        """Offset and length of what went through it."""
        return [(offset, length) for offset, length, direct in self.calls if not direct]

    def _set(self, fd: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL:
            (self._direct.add if flags & os.O_DIRECT else self._direct.discard)(fd)
        try:
            return self._fcntl(fd, command, flags)
        except OSError:
            return 0

    def _pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        direct = fd in self._direct
        self.calls.append((offset, len(data), direct))
        return (self.instead if direct and self.instead else self.real)(fd, data, offset)


def failing(number: int) -> Callable[..., Any]:
    """A call that fails with this errno."""

    def call(*args: object, **kwargs: object) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def refuse(
    patch: pytest.MonkeyPatch,
    name: str,
    number: int,
    when: Callable[..., bool] = lambda *args: True,
    *,
    module: ModuleType = os,
) -> None:
    """Calls of `os.<name>` fail with this errno: all, or those where `when` says so of the arguments."""
    real, fail = getattr(module, name), failing(number)

    def call(*args: Any, **kwargs: Any) -> Any:
        return (fail if when(*args) else real)(*args, **kwargs)

    patch.setattr(module, name, call)


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


def lanes() -> list[threading.Thread]:
    """The threads that write past the page cache."""
    return [thread for thread in threading.enumerate() if thread.name == "imgstore-direct"]


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


def put_in_chunks(driver: FilesystemDriver, content: bytes, *, chunk: int = 10_000) -> None:
    """Out of one buffer that is filled again and again, as a host does that reads into its own."""
    buffer = bytearray(chunk)
    with driver.open_writer("image") as writer:
        for start in range(0, len(content), chunk):
            piece = content[start : start + chunk]
            buffer[: len(piece)] = piece
            writer.write(memoryview(buffer)[: len(piece)])
        assert writer.commit().size == len(content)


def get(driver: FilesystemDriver, key: str) -> bytes:
    """Reads a whole object."""
    with driver.open_reader(key) as reader:
        return b"".join(reader)
