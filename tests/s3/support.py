"""Uploads and downloads for the S3 tests."""

from __future__ import annotations

from typing import Any

from imgstore.driver import StoreDriver
from imgstore.model import ObjectInfo
from imgstore.testing.bench import body, pieces

Like = dict[str, Any]
"""What a request must be like that a fault happens to."""

KEY = "7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e"

__all__ = ["KEY", "Like", "body", "get", "put"]


def put(driver: StoreDriver, data: bytes, key: str = KEY, *, declared: bool = True) -> ObjectInfo:
    """Commits an object, in chunks of 10,000 bytes."""
    with driver.open_writer(key, size=len(data) if declared else None) as writer:
        for piece in pieces(data, 10_000):
            writer.write(piece)
        return writer.commit()


def get(driver: StoreDriver, key: str = KEY) -> bytes:
    """All bytes of an object."""
    with driver.open_reader(key) as reader:
        return b"".join(reader)
