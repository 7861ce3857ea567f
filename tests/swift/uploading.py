"""Run in a process of its own: uploads to a sink, or downloads from it, and prints how much memory that took.

Arguments: upload or download, the auth URL, bytes, and the driver's options as JSON. The line printed: bytes of memory
above what the process had before.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from imgstore.drivers.swift import SwiftDriver

CHUNK = 1024 * 1024


def memory(field: str) -> int:
    """Bytes of this process's memory, as the kernel has them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def upload(driver: SwiftDriver, size: int) -> None:
    """An image of unknown length."""
    chunk = bytes(CHUNK)
    with driver.open_writer("image") as writer:
        for _ in range(size // CHUNK):
            writer.write(chunk)
        assert writer.commit().size == size


def download(driver: SwiftDriver, size: int) -> None:
    """All of an image."""
    with driver.open_reader("image") as reader:
        assert sum(map(len, reader)) == size


def main() -> None:
    """One transfer."""
    way, auth_url, size, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
    driver = SwiftDriver(
        auth_version="1", auth_url=auth_url, username="a:b", password="c", create_container=True, **options
    )
    with driver.open_writer("first") as writer:  # what every upload needs is loaded and connected
        writer.write(b"x")
        writer.commit()
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins again
    {"upload": upload, "download": download}[way](driver, size)
    print(memory("VmHWM") - before)  # noqa: T201 - that is what it is for
    driver.close()


if __name__ == "__main__":
    main()
