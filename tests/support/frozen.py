"""A server that hangs: its processes are stopped. The kernel still takes connections and bytes, and nobody answers."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Inside, the process and its children are stopped."""
    family = _family(pid)
    try:
        for each in family:
            os.kill(each, signal.SIGSTOP)
        yield
    finally:
        for each in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    """The process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found
