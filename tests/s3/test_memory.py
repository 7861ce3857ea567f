"""Bounded memory: a formula, however slow the server and however long the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from imgstore.model import MIB
from tests.s3.support import KEY
from tests.support.memory import peak
from tests.support.sink import S3Sink

NAME = f"bucket/{KEY}"
PART, CONCURRENCY, BLOCK = 16 * MIB, 4, 12 * MIB
UPLOAD = PART + (CONCURRENCY + 1) * PART
"""What the driver says of itself, with its defaults: multipart_threshold + (concurrency + 1) * part_size bytes."""
SLACK = 24 * MIB
"""Threads, buffers of sockets, what the allocator keeps of a MiB here and there; not a part more than promised."""

LONG = 512 * MIB
"""A twentieth of it that stays in memory is more than SLACK."""


@pytest.fixture
def sink() -> Iterator[S3Sink]:
    with S3Sink() as sink:
        yield sink


def taken(sink: S3Sink, options: dict[str, Any], **order: Any) -> int:
    """Bytes beyond idle at the peak of a transfer."""
    where = {"endpoint_url": sink.url, "bucket": "bucket", "region": "us-east-1", "access_key": "a", "secret_key": "s"}
    return peak("s3", {**where, **options}, KEY, **order)


@pytest.mark.parametrize("size", [160 * MIB, pytest.param(LONG, marks=pytest.mark.long)])
def test_an_upload_of_unknown_length_to_a_slow_server(sink: S3Sink, size: int) -> None:
    sink.delays["UploadPart"] = 0.5
    assert taken(sink, {}, size=size, declared=False) < UPLOAD + SLACK
    assert sink.objects[NAME].size == size
    assert sink.counts["UploadPart"] == size // PART
    assert sink.peaks["UploadPart"] == CONCURRENCY
    assert sink.uploads == {}


@pytest.mark.parametrize("declared", [pytest.param(True, marks=pytest.mark.long), False])
def test_the_options_decide_how_much_an_upload_takes(sink: S3Sink, declared: bool) -> None:
    options = {"part_size": 4 * MIB, "concurrency": 2, "multipart_threshold": 8 * MIB}
    assert taken(sink, options, size=64 * MIB, declared=declared) < 8 * MIB + 3 * 4 * MIB + SLACK
    assert sink.counts["UploadPart"] == 16
    assert sink.peaks["UploadPart"] <= 2


@pytest.mark.parametrize(
    ("ahead", "block", "size"),
    [
        (4, 4 * MIB, 96 * MIB), pytest.param(1, BLOCK, 96 * MIB, marks=pytest.mark.long),
        pytest.param(2, BLOCK, LONG, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_a_download_that_is_taken_slowly(sink: S3Sink, ahead: int, block: int, size: int) -> None:
    sink.add(NAME, size)
    options = {"read_concurrency": ahead, "read_block_size": block}
    assert taken(sink, options, pause=0.005) < (0 if ahead == 1 else (ahead + 1) * block) + SLACK
