"""How the tests of inspection push bytes through a tap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imgstore.model import Attempt
from imgstore.transfers.inspection import FormatInspection
from imgstore.transfers.taps import Tap

IMAGE = "7a3f1c52-2f0a-4a7d-9f7e-0d8f5a3c1b2e"


def tap_for(disk_format: str, container_format: str = "bare", *, size: int | None = None) -> Tap | None:
    return FormatInspection()(attempt_of(disk_format, container_format), size=size)


def attempt_of(disk_format: str, container_format: str = "bare") -> Attempt:
    return Attempt(IMAGE, 1, "project", disk_format, container_format)


def push(tap: Tap | None, chunks: Iterable[bytes | memoryview]) -> Mapping[str, str | int]:
    if tap is None:
        return {}
    try:
        for chunk in chunks:
            tap.write(chunk)
        return tap.finish()
    finally:
        tap.close()


def inspect(
    data: bytes, disk_format: str, container_format: str = "bare", *, step: int = 4096
) -> Mapping[str, str | int]:
    """The findings on `data`, pushed `step` bytes at a time."""
    chunks = (data[start : start + step] for start in range(0, len(data), step))
    return push(tap_for(disk_format, container_format), chunks)
