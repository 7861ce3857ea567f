"""What a process takes: threads, descriptors, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import ServiceProcess

QUIET = 3.0
PATIENCE = 60.0


@dataclass(frozen=True)
class Footprint:
    """At one moment; memory in MiB."""

    threads: int
    descriptors: int
    memory: int


def footprint(service: ServiceProcess) -> Footprint:
    """What it takes now."""
    directory = Path(f"/proc/{service.process.pid}")
    threads, descriptors = (len(os.listdir(directory / name)) for name in ("task", "fd"))
    return Footprint(threads, descriptors, service.memory("VmRSS") >> 20)


def settled(look: Callable[[], Footprint]) -> Footprint:
    """What it takes once threads and descriptors have not changed for a while."""
    seen, since, end = look(), time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() < min(since + QUIET, end):
        time.sleep(0.2)
        now = look()
        if (now.threads, now.descriptors) != (seen.threads, seen.descriptors):
            since = time.monotonic()
        seen = now
    return seen
