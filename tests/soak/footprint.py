"""What a process takes: threads, descriptors, memory, and what Python holds of it."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import ServiceProcess
from tests.support.waiting import until

QUIET = 3.0
PATIENCE = 60.0
HEAD = "\n     MiB      blocks   threads  descriptors"
INSIDE = Path(__file__).parent / "inside"


@dataclass(frozen=True)
class Footprint:
    """At one moment. `memory` in MiB, as the system counts it: with what the allocator keeps for later. `blocks`: the
    objects and buffers that Python has, after a collection of garbage."""

    threads: int
    descriptors: int
    memory: int
    blocks: int

    def line(self) -> str:
        """In a table, below HEAD."""
        return f"{self.memory:8}{self.blocks:12}{self.threads:10}{self.descriptors:13}"


def environment(told: Path) -> dict[str, str]:
    """Of a service whose footprint can be seen; it tells its blocks to the file `told`. As in `etc/imgstore.service`
    two heaps serve all threads: else each keeps what it once took, and memory tells of chance."""
    return {"MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(INSIDE), "BLOCKS": str(told)}


def settled(service: ServiceProcess, told: Path) -> Footprint:
    """What it takes once threads and descriptors have not changed for a while."""
    seen, since, end = _kernels(service), time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() < min(since + QUIET, end):
        time.sleep(0.2)
        now = _kernels(service)
        if now != seen:
            since = time.monotonic()
        seen = now
    return Footprint(*seen, service.memory("VmRSS") >> 20, _blocks(service, told))


def rise(values: Sequence[int]) -> float:
    """From the first to the last by the line through all of them, as a part of their mean: one that jumps does not
    count for more than the others."""
    slope = statistics.linear_regression(range(len(values)), values).slope
    return slope * (len(values) - 1) / statistics.fmean(values)


def _kernels(service: ServiceProcess) -> tuple[int, int]:
    directory = Path(f"/proc/{service.process.pid}")
    return len(os.listdir(directory / "task")), len(os.listdir(directory / "fd"))


def _blocks(service: ServiceProcess, told: Path) -> int:
    told.unlink(missing_ok=True)
    service.process.send_signal(signal.SIGUSR2)
    until(told.exists)
    return int(told.read_text())
