"""Bodies, requests and downloads for the S3 tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imgstore.driver import StoreDriver
from imgstore.testing.bench import body
from imgstore.testing.faults import FaultProxy, Seen

Like = dict[str, Any]
"""What a request must be like that a fault happens to."""

KEY = "7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e"
OTHER = f"{KEY}.2"
PART = 64 * 1024
SMALL = body(1000)
LARGE = body(PART * 2 + 5)

PUT: Like = {"method": "PUT", "query": "^$"}
BEGIN: Like = {"method": "POST", "query": "^uploads"}
ANY_PART: Like = {"method": "PUT", "query": "partNumber="}
SECOND_PART: Like = {"method": "PUT", "query": "partNumber=2"}
COMPLETE: Like = {"method": "POST", "query": "uploadId="}
ABORT: Like = {"method": "DELETE", "query": "uploadId="}
LIST_PARTS: Like = {"method": "GET", "query": "uploadId"}
LIST_UPLOADS: Like = {"method": "GET", "query": "^uploads"}


__all__ = [
    "ABORT", "ANY_PART", "BEGIN", "COMPLETE", "KEY", "LARGE", "LIST_PARTS", "LIST_UPLOADS", "OTHER", "PART", "PUT",
    "SECOND_PART", "SMALL", "Like", "body", "get", "seen_meanwhile",
]  # fmt: skip


def get(driver: StoreDriver, key: str = KEY) -> bytes:
    """All bytes of an object."""
    with driver.open_reader(key) as reader:
        return b"".join(reader)


@contextmanager
def seen_meanwhile(proxy: FaultProxy) -> Iterator[list[Seen]]:
    """The requests that came inside, at its end."""
    proxy.wait_until_idle()
    before, seen = len(proxy.requests), list[Seen]()
    yield seen
    proxy.wait_until_idle()
    seen += proxy.requests[before:]
