"""Memory that the hypervisor leaves alone while a comparison runs.

Many hypervisors take a guest's free memory back (free page reporting, ballooning), and the next use of each page then
costs a fault outside the guest: up to 2.5 CPU seconds for each GiB were seen, ten times a write into the page cache, on
whichever side used it first. They take pieces of 2 MiB and more. So one page of every MiB is held here: what is between
stays free for everybody, and in pieces too small to be taken. No side pays then, whatever ran before it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator

from bench.body import MIB


@contextlib.contextmanager
def kept_from_the_hypervisor(size: int) -> Iterator[None]:
    """Inside, `size` bytes of free memory, or half of what is available, stay this machine's."""
    size = min(size, _available() // 2) // MIB * MIB
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        zeros = bytes(MIB)
        for start in range(0, size, MIB):
            memory[start : start + MIB] = zeros
        for start in range(0, size, MIB):
            memory.madvise(mmap.MADV_DONTNEED, start + mmap.PAGESIZE, MIB - mmap.PAGESIZE)
        yield


def _available() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
