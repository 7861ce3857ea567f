"""One measurement of one side, in a process of its own, so that its memory and its CPU time are its own.

`measure` starts that process - `python -m bench.measure`, the order as JSON on its standard input - and reads the
answer, JSON on its standard output. Before each, dirty pages are settled, so that no side pays for the write-back of
another.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import CpuTime
from bench.sides import SIDES, Run, prepare

GIB = 1024**3
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Measurement:
    """One run: seconds on the clock, of CPU, and of that in the kernel; bytes of memory above idle; cores that others
    used meanwhile."""

    side: str
    size: int
    seconds: float
    cpu_seconds: float
    kernel_seconds: float
    peak: int
    others: float
    digests: dict[str, str]

    @property
    def mib_per_second(self) -> float:
        """Throughput."""
        return self.size / (1024**2) / self.seconds

    @property
    def cpu_per_gib(self) -> float:
        """CPU seconds for each GiB."""
        return self.cpu_seconds * GIB / self.size

    @property
    def kernel_per_gib(self) -> float:
        """CPU seconds in the kernel for each GiB."""
        return self.kernel_seconds * GIB / self.size


class SideFailed(Exception):
    """A side did not finish; the text is what it said last."""


def measure(side: str, *, size: int, datadir: Path, source: Path | None) -> Measurement:
    """Runs `side` once below `datadir` in a fresh process. Raises SideFailed."""
    target = datadir / "target"
    target.mkdir()
    order = {"side": side, "size": size, "datadir": str(target), "source": source and str(source)}
    os.sync()
    try:
        return in_child("bench.measure", order)
    finally:
        shutil.rmtree(target)


def in_child(module: str, order: Mapping[str, object]) -> Measurement:
    """Runs `module` in a fresh process, which carries out `order` and answers. Raises SideFailed."""
    child = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, input=json.dumps(order), capture_output=True, text=True, check=False
    )
    if child.returncode:
        raise SideFailed(f"{order['side']}: {child.stderr[-2000:]}")
    return Measurement(**json.loads(child.stdout))


def measured(side: str, size: int, run: Run) -> Measurement:
    """Runs `run` under the clock, in this process."""
    idle = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    (user, kernel), machine, started = _cpu_seconds(), CpuTime.now(), time.perf_counter()
    digests = run()
    seconds = time.perf_counter() - started
    user, kernel = (after - before for after, before in zip(_cpu_seconds(), (user, kernel), strict=True))
    others = CpuTime.now().busy - machine.busy - user - kernel
    return Measurement(
        side, size, seconds, user + kernel, kernel, _memory("VmHWM") - idle, max(0.0, others / seconds), digests
    )


def _cpu_seconds() -> tuple[float, float]:
    """In user mode and in the kernel, children that ended included."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime


def _memory(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def main() -> None:
    """The child: one order in, one measurement out."""
    order = json.load(sys.stdin)
    source = order["source"] and Path(order["source"])
    run = prepare(SIDES[order["side"]], size=order["size"], datadir=Path(order["datadir"]), source=source)
    json.dump(asdict(measured(order["side"], order["size"], run)), sys.stdout)


if __name__ == "__main__":
    main()
