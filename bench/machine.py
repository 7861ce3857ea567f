"""The machine a run was made on, and what else it was doing: figures without these two say nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("imgstore-backends", "glance_store")
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class CpuTime:
    """Seconds since boot, over all cores: spent on work, and taken away by the hypervisor."""

    busy: float
    steal: float

    @classmethod
    def now(cls) -> CpuTime:
        """What /proc/stat says. Guests' time is inside user and nice, and not counted twice."""
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
        tick = os.sysconf("SC_CLK_TCK")
        return cls((user + nice + system + irq + softirq) / tick, steal / tick)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process, with those of its threads that have ended."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def load_found(seconds: float = 1.0) -> dict[str, object]:
    """What runs while this program waits `seconds`."""
    before, started = CpuTime.now(), time.monotonic()
    time.sleep(seconds)
    after, elapsed = CpuTime.now(), time.monotonic() - started
    one, five, fifteen, running, *_ = Path("/proc/loadavg").read_text().split()
    return {
        "loadavg": f"{one} {five} {fifteen}",
        "running": int(running.partition("/")[0]) - 1,
        "busy cores": round((after.busy - before.busy) / elapsed, 2),
        "stolen cores": round((after.steal - before.steal) / elapsed, 2),
    }


def facts(directory: Path) -> dict[str, object]:
    """What the figures depend on and a run cannot change."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION,
        "filesystem": filesystem_type(directory),
        **{name: _version(name) for name in PACKAGES},
    }


def installed(package: str) -> bool:
    """Whether this interpreter has the distribution `package`."""
    return _version(package) is not None


def shared_memory(room: int) -> Path | None:
    """The directory whose files are memory, if it has more than `room` bytes left."""
    there = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > room
    return SHARED_MEMORY if there else None


def filesystem_type(directory: Path) -> str:
    """The type of the filesystem that holds `directory`, as the kernel names it."""
    wanted = directory.resolve()
    best, kind = Path("/"), "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        point = Path(mount.split()[4].replace("\\040", " "))
        if wanted.is_relative_to(point) and point.is_relative_to(best):
            best, kind = point, source.split()[0]
    return kind


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
