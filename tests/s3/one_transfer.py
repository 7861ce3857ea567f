"""One upload or download in a process of its own, for the test of memory: prints bytes beyond idle at the peak.

Run as `python -m tests.s3.one_transfer`, the order as JSON on standard input. A small transfer goes before, so that
modules, client and connections count as idle.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from imgstore.drivers.s3 import S3Driver
from imgstore.model import MIB

BLOCK = bytes(range(256)) * (MIB // 256)


def memory(field: str) -> int:
    """Bytes, from /proc: VmRSS (present), VmHWM (peak)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def upload(driver: S3Driver, key: str, size: int, *, declared: bool) -> None:
    with driver.open_writer(key, size=size if declared else None) as writer:
        for _ in range(size // MIB):
            writer.write(BLOCK)
        writer.commit()


def download(driver: S3Driver, key: str, *, pause: float) -> None:
    with driver.open_reader(key) as reader:
        while reader.read(MIB):
            time.sleep(pause)


def main() -> None:
    order = json.load(sys.stdin)
    driver = S3Driver(**order["options"])
    upload(driver, "first", MIB, declared=True)
    if "pause" in order:
        download(driver, "first", pause=0)
    Path("/proc/self/clear_refs").write_text("5")
    idle = memory("VmRSS")
    if "pause" in order:
        download(driver, order["key"], pause=order["pause"])
    else:
        upload(driver, order["key"], order["size"], declared=order["declared"])
    driver.close()
    json.dump(memory("VmHWM") - idle, sys.stdout)


if __name__ == "__main__":
    main()
