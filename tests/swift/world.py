"""What the driver's tests work with: a fresh account of a real Swift, drivers on it, a proxy that breaks things."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from imgstore.driver import StoreDriver
from imgstore.driver.place import MARK_NAME, text_of
from imgstore.drivers.swift import SwiftDriver
from imgstore.model import ObjectInfo
from imgstore.testing.faults import FaultProxy
from tests.support.swift import SwiftAccount, SwiftServer, SwiftSettings
from tests.swift.subject import CONTAINER, SEGMENTS, options_of, segments_of

KEY = "8f0a3a0e-6c1b-4f7e-9d43-0b6b6a1f7a10"
SEGMENT = 1000
"""Bytes of a segment of the tests' drivers, and the largest image that is one object."""
MARK = "0123456789abcdef" * 2
"""The mark of a world's place."""
ODD = SwiftSettings(listing_limit=3, policies=("gold", "silver"), tempurl_digests=("sha1",), remembers=True)
"""A server whose listings are short, with two policies, that signs URLs by SHA-1 only."""
FEW = SwiftSettings(max_file_size=8192, max_manifest_segments=8, remembers=True)
"""At most eight segments of at most 8192 bytes."""

KEPT: set[str] = set()
"""The keys under which `put` committed an object in this test."""


def body(size: int, seed: int = 0) -> bytes:
    """`size` bytes that do not repeat; another `seed`, other bytes."""
    return random.Random(seed).randbytes(size)


def md5(data: bytes) -> str:
    """The digest that Swift has as an ETag."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class World:
    """One account. What is opened here is closed with it."""

    def __init__(self, server: SwiftServer, stack: contextlib.ExitStack) -> None:
        self.server = server
        self.account: SwiftAccount = server.account()
        self._stack = stack

    def options(self, **options: Any) -> dict[str, Any]:
        """The options of a driver on the account; `options` are others."""
        return options_of(self.account, **{"segment_size": SEGMENT, "max_attempts": 3, **options})

    def driver(self, **options: Any) -> SwiftDriver:
        """A driver; closed at the end."""
        driver = SwiftDriver(**self.options(**options))
        self._stack.callback(driver.close)
        return driver

    def proxy(self) -> FaultProxy:
        """A proxy before the server; ended at the end."""
        return self._stack.enter_context(FaultProxy(self.server.url))

    def through(self, proxy: FaultProxy, **options: Any) -> SwiftDriver:
        """A driver that reaches the server through the proxy only."""
        return self.driver(auth_url=f"{proxy.url}/auth/v1.0", **options)

    def make(self) -> None:
        """Creates the containers of the images and of the segments."""
        for name in (CONTAINER, SEGMENTS):
            self.account.container(name)

    def mark(self, mark: str = MARK) -> None:
        """Leaves a mark in the place of the store."""
        self.put(f"{CONTAINER}/{MARK_NAME}", text_of(mark))

    def unmark(self) -> None:
        """Takes the mark away."""
        self.account.delete(f"{CONTAINER}/{MARK_NAME}")

    def empty(self) -> None:
        """Takes the place away; nothing else may be there."""
        self.unmark()
        for name in (CONTAINER, SEGMENTS):
            assert self.account.delete(name).status == 204

    def put(self, path: str, data: bytes = b"", **options: Any) -> None:
        """Stores an object past the driver."""
        answer = self.account.put(path, data, **options)
        assert answer.status == 201, answer

    def put_manifest(self, *lines: dict[str, Any], key: str = KEY) -> None:
        """A static large object past the driver."""
        self.put(f"{CONTAINER}/{key}", json.dumps(lines).encode(), query="multipart-manifest=put")

    def put_dynamic(self, data: bytes, *, chunk: int, key: str = KEY) -> None:
        """A dynamic large object as glance_store 5.7 writes it: chunks beside the manifest, named by number."""
        for number, start in enumerate(range(0, len(data), chunk), start=1):
            self.put(f"{CONTAINER}/{key}-{number:05d}", data[start : start + chunk])
        self.put(f"{CONTAINER}/{key}", headers={"X-Object-Manifest": f"{CONTAINER}/{key}-"})

    def put_static(self, data: bytes, *, chunk: int) -> None:
        """A static large object as `swift upload --use-slo` writes it."""
        lines = []
        for number, start in enumerate(range(0, len(data), chunk)):
            name = f"{SEGMENTS}/{KEY}/slo/1700000000.000000/{len(data)}/{chunk}/{number:08d}"
            piece = data[start : start + chunk]
            self.put(name, piece)
            lines.append({"path": name, "etag": md5(piece), "size_bytes": len(piece)})
        self.put_manifest(*lines)

    def segments(self) -> set[str]:
        """The names of all segments."""
        return set(self.account.objects(SEGMENTS))

    def segments_of(self, key: str) -> list[str]:
        """`container/name` of the segments that the object's manifest names."""
        return segments_of(self.account, f"{CONTAINER}/{key}")


def put(driver: StoreDriver, data: bytes, key: str = KEY, *, declared: bool = True, step: int = 700) -> ObjectInfo:
    """Commits an object, written in chunks of `step` bytes."""
    with driver.open_writer(key, size=len(data) if declared else None) as writer:
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
        info = writer.commit()
    KEPT.add(key)
    return info


def read(driver: StoreDriver, key: str = KEY, *, start: int = 0, stop: int | None = None) -> bytes:
    """What the driver reads."""
    with driver.open_reader(key, start=start, stop=stop) as reader:
        return b"".join(reader)


def die(driver: StoreDriver, size: int, key: str = KEY) -> None:
    """An upload whose process was killed: its segments are sent, and nobody aborts it."""
    writer = driver.open_writer(key)
    writer.write(body(size))
    writer._MultipartWriter__sender.finish()  # type: ignore[attr-defined]  # as a process that dies after its last byte


Worlds = Callable[[SwiftSettings], World]


@contextlib.contextmanager
def world_on(server: SwiftServer, *, marked: bool = True) -> Iterator[World]:
    """A world with the place of a store; on the way out its account must hold nothing but what `put` committed, and
    nothing without that."""
    KEPT.clear()
    with contextlib.ExitStack() as stack:
        world = World(server, stack)
        world.make()
        if marked:
            world.mark()
        yield world
        objects = world.account.objects(CONTAINER) if CONTAINER in world.account.containers() else {}
        for key in KEPT.intersection(objects):
            world.driver().delete(key)
        assert world.account.everything() == set(), "an object or a segment was left"
