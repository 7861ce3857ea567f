"""Memory is a formula, whatever the size, whether the length is known or not, however slow the storage.

The transfers are made in a process of its own, to and from a sink: a server that keeps nothing of a gigabyte.
"""

from __future__ import annotations

from typing import Any

import pytest

from imgstore.model import MIB
from tests.support.memory import peak
from tests.support.sink import SwiftSink

SLACK = 24 * MIB
"""For what holds no bytes of the image: threads, sockets, the allocator's own."""

LONG = pytest.param(1024 * MIB, marks=pytest.mark.long)
sizes = pytest.mark.parametrize("size", [96 * MIB, LONG])


def options(sink: SwiftSink, **others: int) -> dict[str, Any]:
    """Of a driver on the sink."""
    account = {"auth_version": "1", "auth_url": sink.auth_url, "username": "a:b", "password": "c"}
    return {**account, "create_container": True, **others}


@sizes
def test_an_upload_of_unknown_length_stays_within_the_formula_on_a_slow_server(size: int) -> None:
    segment, threshold, concurrency = 8 * MIB, 4 * MIB, 3
    with SwiftSink() as sink:
        sink.containers.add("glance")
        sink.delays["PutObject"] = 0.05
        sizes = {"segment_size": segment, "large_object_threshold": threshold, "largest_unknown_size": size}
        found = peak("swift", options(sink, concurrency=concurrency, **sizes), "image", size=size, declared=False)
        assert sink.objects["glance/image"].size == size
        assert len(sink.objects["glance/image"].segments) == size // segment + 1  # the first two are together one
    assert threshold + concurrency * segment < found <= threshold + (concurrency + 1) * segment + SLACK


@pytest.mark.parametrize("size", [192 * MIB, LONG])
def test_segments_that_grow_are_fewer_in_memory_as_they_do(size: int) -> None:
    """Of 40 segments at most, 40 MiB altogether at first: the largest one is the bound."""
    segment, concurrency = MIB, 2
    with SwiftSink(max_manifest_segments=40) as sink:
        sink.containers.add("glance")
        sink.delays["PutObject"] = 0.02
        values = options(sink, segment_size=segment, concurrency=concurrency, largest_unknown_size=size)
        found = peak("swift", values, "image", size=size, declared=False)
        sizes = [sink.objects[name].size for name in sink.objects["glance/image"].segments]
    assert len(sizes) <= 40
    assert max(sizes) > 2 * (concurrency + 1) * segment
    assert found <= segment + max(max(sizes), (concurrency + 1) * segment) + SLACK


@sizes
@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.long), 4])
def test_a_download_holds_the_ranges_that_it_asked_for(concurrency: int, size: int) -> None:
    block = 4 * MIB
    with SwiftSink() as sink:
        sink.add("glance/image", size)
        values = options(sink, read_concurrency=concurrency, read_block_size=block)
        found = peak("swift", values, "image", pause=0)
    assert found <= (0 if concurrency == 1 else (concurrency + 1) * block) + SLACK
