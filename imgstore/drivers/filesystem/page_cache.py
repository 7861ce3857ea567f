"""Which images stay in the page cache: those that fit. The image that was just uploaded is the one that is read next.

What is written through the cache can be read from memory at once; but a long image drives out what others read, and
when memory is short it waits for the disk in any case. So all uploads of a process together have a SHARE of the memory
that is available. An upload of known size gets its whole size or nothing. One of unknown size gets a STEP after the
other, until there is no more, and the rest of it goes past the cache.

Memory: none; a few system calls for an upload longer than `Buffers.start`, none for a shorter one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from imgstore.driver.forks import OfOneProcess
from imgstore.model import MIB

SHARE = 4
"""One part in so many of the memory that is available."""
STEP = 64 * MIB
"""Bytes by which an upload of unknown size asks for more; a multiple of 64 KiB, as O_DIRECT wants it."""


class CacheShare(OfOneProcess):
    """What the uploads of this process may have in the page cache. Safe to use from several threads."""

    def __init__(self, available: Callable[[], int | None] | None = None, *, step: int = STEP) -> None:
        super().__init__()
        self.step = step
        self._available = available or available_memory
        self._lock = threading.Lock()
        self._taken = 0

    def take(self, size: int) -> bool:
        """Whether there is room for `size` bytes more. If so they are taken until they are given back."""
        whole = self._available() or 0
        with self._lock:
            fits = self._taken + size <= whole // SHARE
            self._taken += size if fits else 0
            return fits

    def give_back(self, size: int) -> None:
        """Ends a claim to `size` bytes."""
        with self._lock:
            self._taken -= size

    def _forked(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0


class Claim:
    """What one upload has of the share; `size` in bytes, None for unknown. Belongs to one thread."""

    def __init__(self, share: CacheShare, size: int | None) -> None:
        self._share = share
        self._size = size
        self._taken = 0

    def room(self, start: int) -> int:
        """Bytes of the file that may go through the cache, of which the first `start` always do. It is asked again
        when they are written, and asks for more then."""
        wanted = max(self._size - start, 0) if self._size is not None else self._taken + self._share.step
        more = wanted - self._taken
        if more and self._share.take(more):
            self._taken = wanted
        return start + self._taken

    def end(self) -> None:
        """Gives all of it back; a no-op the second time."""
        taken, self._taken = self._taken, 0
        self._share.give_back(taken)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that programs may use without driving out other programs: of the machine, and not more than the control
    groups of this process allow. None where the system does not tell."""
    return min((*_machine(root), *_limits(root)), default=None)


def _machine(root: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024


def _limits(root: Path) -> Iterator[int]:
    """Of the groups and of those they are in; a container sees its own as the root. `max` is no limit."""
    for folder, name in _groups(root):
        for group in (folder, *folder.parents):
            with contextlib.suppress(OSError, ValueError):
                yield int((group / name).read_text())


def _groups(root: Path) -> Iterator[tuple[Path, str]]:
    """Folder and file of the limit, in version 2 and in version 1."""
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield root / "sys/fs/cgroup" / path.lstrip("/"), "memory.max"
            elif "memory" in controllers.split(","):
                yield root / "sys/fs/cgroup/memory" / path.lstrip("/"), "memory.limit_in_bytes"
