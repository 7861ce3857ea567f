"""What a driver is asked to do while something fails, and what each failure must be called."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeAlias

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver
from tests.filesystem.support import get

KEY = "image"
CONTENT = bytes(range(256)) * 8 + bytes(5000) + b"end"
EXPECTED = {
    errno.ENOSPC: errors.StoreFull,
    errno.EDQUOT: errors.StoreFull,
    errno.EFBIG: errors.StoreFull,
    errno.EIO: errors.StoreUnavailable,
    errno.EROFS: errors.StoreUnavailable,
    errno.EACCES: errors.StoreUnavailable,
}

Scenario: TypeAlias = Callable[[FilesystemDriver], object]


def write(driver: FilesystemDriver) -> None:
    with driver.open_writer(KEY, size=len(CONTENT)) as writer:
        for start in range(0, len(CONTENT), 1000):
            writer.write(CONTENT[start : start + 1000])
        writer.commit()


def abort(driver: FilesystemDriver) -> None:
    writer = driver.open_writer(KEY)
    writer.write(CONTENT)
    writer.abort()


def read(driver: FilesystemDriver) -> None:
    assert get(driver, "present") == CONTENT


def purge(driver: FilesystemDriver) -> None:
    for leftover in driver.leftovers():
        driver.remove_leftover(leftover)


SCENARIOS: dict[str, Scenario] = {
    "write": write,
    "abort": abort,
    "read": read,
    "look up": lambda driver: driver.stat("present"),
    "delete": lambda driver: driver.delete("present"),
    "list": lambda driver: list(driver.objects()),
    "measure": lambda driver: driver.space(),
    "purge": purge,
    "check": lambda driver: driver.check(),
}
