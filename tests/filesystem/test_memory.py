"""Memory is a formula: an upload holds nothing besides the caller's chunk, a download one chunk, however long it is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.model import MIB
from tests.filesystem.support import put

SMALL = 128 * 1024
"""Bytes for what does not hold an image's bytes: objects, tuples, the interpreter's own."""


class Peak:
    """Most bytes that were held at once."""

    bytes = 0


@contextmanager
def traced() -> Iterator[Peak]:
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("thin", [False, True], ids=["whole", "thin"])
@pytest.mark.parametrize("wrap", [bytes, memoryview])
@pytest.mark.parametrize("size", [None, 40 * MIB])
def test_an_upload_holds_nothing_besides_the_callers_chunk(
    kind: type[FilesystemDriver], datadir: Path, thin: bool, wrap: type[bytes] | type[memoryview], size: int | None
) -> None:
    driver = kind(datadir=str(datadir), thin_provisioning=thin, free_space_reserve=1, fsync=False)
    chunk = wrap(b"x" * MIB + bytes(MIB))
    with traced() as peak:
        writer = driver.open_writer("image", size=size)
        for _ in range(20):
            writer.write(chunk)
    writer.abort()
    assert peak.bytes < SMALL


def test_a_download_holds_one_chunk(kind: type[FilesystemDriver], datadir: Path) -> None:
    chunk_size = 8 * SMALL
    driver = kind(datadir=str(datadir), chunk_size=chunk_size, fsync=False)
    put(driver, "image", bytes(20 * chunk_size))
    with traced() as peak, driver.open_reader("image") as reader:
        while reader.read(2 * chunk_size):
            pass
    assert peak.bytes < chunk_size + SMALL
