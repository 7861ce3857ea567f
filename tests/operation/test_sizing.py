"""The figures on the pages about memory and connections are those of the code."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from imgstore.driver import READ_SIZE
from imgstore.drivers.filesystem.direct import Buffers
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.model import MIB
from imgstore.service.options import OPTIONS
from imgstore.service.server.connections import ceiling
from imgstore.sql.database import CONNECTIONS
from imgstore.transfers import digests, fanout

OPERATIONS = Path(__file__).parent.parent.parent / "doc" / "operations"
MEMORY, FORMULA = (OPERATIONS / "memory.md").read_text(), re.compile(r"(?m)^    (\d+) MiB \+ threads")
DEFAULTS = {option.name: option.default for option in OPTIONS}


STORES = {"directories": None, "S3": S3Options(bucket="images"), "Swift": SwiftOptions(multi_tenant=True)}
SMALLER = S3Options(bucket="images", part_size=8 * MIB, concurrency=2)


def held(options: S3Options | SwiftOptions | None) -> tuple[int, int]:
    """Bytes of an upload and of a download."""
    if options is None:
        return Buffers().size * Buffers().count, 0
    part = options.part_size if isinstance(options, S3Options) else options.segment_size
    reading = (options.read_concurrency + 1) * options.read_block_size
    return part + (options.concurrency + 1) * part, reading


def process(options: S3Options | SwiftOptions | None, *, threads: int) -> tuple[int, int, int]:
    """MiB of an upload, of a download and of the process."""
    upload, download = held(options)
    upload += READ_SIZE + max(digests.DEFAULT_WINDOW, fanout.DEFAULT_WINDOW)
    download += READ_SIZE
    transfers = threads * max(upload, download) + DEFAULTS["copy_threads"] * (upload + download)
    (itself,) = FORMULA.findall(MEMORY)
    return upload // MIB, download // MIB, int(itself) + transfers // MIB


@pytest.mark.parametrize("name", STORES)
def test_bounded_memory_of_the_page_is_that_of_the_code(name: str) -> None:
    upload, download, total = process(STORES[name], threads=DEFAULTS["threads"])
    assert f"\n| {name} | {upload} | {download} | {total} |\n" in MEMORY


def test_example_with_smaller_parts_is_right() -> None:
    total = process(SMALLER, threads=32)[-1]
    assert f"`concurrency = 2` and `threads = 32` take {total} MiB" in " ".join(MEMORY.split())


def test_ceilings_of_connections_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (OPERATIONS / "connections.md").read_text()
    rows = [tuple(map(int, row)) for row in re.findall(r"(?m)^\| (\d+) \| (\d+) \| (\d+) \|$", page)]
    assert len(rows) == 4
    for limit, threads, connections in rows:
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert ceiling(threads) == connections
    databases = [tuple(map(int, row)) for row in re.findall(r"(?m)^\| (\d+) \| (\d+) \|$", page)]
    assert [number for _, number in databases] == [CONNECTIONS * processes + 5 for processes, _ in databases] != []
