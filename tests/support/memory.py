"""Bytes that one transfer takes at its peak, beyond idle: measured in a process of its own, which `peak` starts.

A small transfer goes before, so that modules, client and connections count as idle.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from imgstore.config.registry import driver_class
from imgstore.driver import StoreDriver
from imgstore.model import MIB

ROOT = Path(__file__).parent.parent.parent
BLOCK = bytes(range(256)) * (MIB // 256)


def peak(driver: str, options: dict[str, Any], key: str, **order: Any) -> int:
    """Of an upload of `size` bytes, the length `declared` or not; or of a download with a `pause` for each MiB."""
    command = [sys.executable, "-m", "tests.support.memory", driver, json.dumps(options), key, json.dumps(order)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def memory(field: str) -> int:
    """Bytes, from /proc: VmRSS (present), VmHWM (peak)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def upload(driver: StoreDriver, key: str, *, size: int, declared: bool) -> None:
    with driver.open_writer(key, size=size if declared else None) as writer:
        for _ in range(size // MIB):
            writer.write(BLOCK)
        writer.commit()


def download(driver: StoreDriver, key: str, *, pause: float) -> None:
    with driver.open_reader(key) as reader:
        while reader.read(MIB):
            time.sleep(pause)


def main(name: str, options: str, key: str, order: str) -> None:
    driver, wanted = driver_class(name)(**json.loads(options)), json.loads(order)
    transfer = download if "pause" in wanted else upload
    upload(driver, "first", size=MIB, declared=True)
    download(driver, "first", pause=0)
    Path("/proc/self/clear_refs").write_text("5")
    idle = memory("VmRSS")
    transfer(driver, key, **wanted)
    driver.close()
    sys.stdout.write(str(memory("VmHWM") - idle))


if __name__ == "__main__":
    main(*sys.argv[1:])
