"""Memory is a formula (law 6), however slow the server and however long the image: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore.model import MIB
from tests.s3.support import KEY
from tests.support.sink import S3Sink

ROOT = Path(__file__).parent.parent.parent
GIBIBYTE = 1024 * MIB
PART, CONCURRENCY, BLOCK = 16 * MIB, 4, 12 * MIB
UPLOAD = PART + (CONCURRENCY + 1) * PART
"""What the driver says of itself, with its defaults: multipart_threshold + (concurrency + 1) * part_size bytes."""
SLACK = 24 * MIB
"""Threads, buffers of sockets, what the allocator keeps of a MiB here and there; not a part more than promised."""


@pytest.fixture
def sink() -> Iterator[S3Sink]:
    with S3Sink() as sink:
        yield sink


def peak(sink: S3Sink, **order: Any) -> int:
    """Bytes beyond idle, in a process that does what `order` says."""
    options = {
        "endpoint_url": sink.url,
        "bucket": "bucket",
        "access_key": "a",
        "secret_key": "s",
        "region": "us-east-1",
    }
    order["options"] = {**options, **order.get("options", {})}
    run = subprocess.run(
        [sys.executable, "-m", "tests.s3.one_transfer"], cwd=ROOT, input=json.dumps({"key": KEY, **order}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found: int = json.loads(run.stdout)
    return found


def test_law_6_a_gibibyte_of_unknown_length_while_every_part_takes_a_second(sink: S3Sink) -> None:
    sink.delays["UploadPart"] = 1.0
    assert peak(sink, kind="upload", size=GIBIBYTE, declared=False) < UPLOAD + SLACK
    assert sink.objects[f"bucket/{KEY}"].size == GIBIBYTE
    assert sink.counts["UploadPart"] == GIBIBYTE // PART
    assert sink.peaks["UploadPart"] == CONCURRENCY
    assert sink.uploads == {}


@pytest.mark.parametrize("declared", [True, False])
def test_law_6_the_options_are_what_it_depends_on(sink: S3Sink, declared: bool) -> None:
    options = {"part_size": 4 * MIB, "concurrency": 2, "multipart_threshold": 8 * MIB}
    found = peak(sink, kind="upload", size=256 * MIB, declared=declared, options=options)
    assert found < 8 * MIB + 3 * 4 * MIB + SLACK
    assert sink.counts["UploadPart"] == 64
    assert sink.peaks["UploadPart"] <= 2


@pytest.mark.parametrize(("ahead", "block"), [(1, BLOCK), (2, BLOCK), (4, 4 * MIB)])
def test_law_6_a_download_that_is_taken_slowly(sink: S3Sink, ahead: int, block: int) -> None:
    sink.add(f"bucket/{KEY}", 512 * MIB)
    sink.add("bucket/warm", 32 * MIB)
    options = {"read_concurrency": ahead, "read_block_size": block}
    found = peak(sink, kind="download", warm="warm", pause=0.005, options=options)
    assert found < (0 if ahead == 1 else (ahead + 1) * block) + SLACK
