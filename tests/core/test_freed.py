"""Bounded memory: what a transfer took is freed when it ends, however it ends. Nothing is left to the collector of
garbage, which may come hours later."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import cast

import pytest

from imgstore import errors
from imgstore.driver import StoreDriver, ranged
from imgstore.driver.multipart import PartSender
from imgstore.driver.part_sizes import PartSizes
from imgstore.driver.ranged import Opened, RangedReader
from imgstore.drivers.memory import MemoryStorage
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.errors import Passing
from imgstore.first_failure import untraced
from imgstore.model import ObjectInfo, UploadRequest
from imgstore.transfers.begin import ANY
from imgstore.transfers.digests import Digests
from tests.core.parted_storage import PART, PartDriver, PartStorage, RangeBody
from tests.core.scripted import Opening, Reading, ScriptedDriver
from tests.core.world import DOWN, MIB, NAMES, World
from tests.support.garbage import freed_at_once

BODY = [bytes(MIB)] * 2
"""More than the digests take on the owner's thread."""
ALIVE: list[object] = []
NOBODY = "http://127.0.0.1:1"
S3 = S3Driver(bucket="images", endpoint_url=NOBODY, access_key="k", secret_key="s", region="r", max_attempts=2)
SWIFT = SwiftDriver(auth_version="1", auth_url=NOBODY, username="a:u", password="p", max_attempts=2)


def upload(*fails: str, stores: tuple[str, ...] = (), mode: str = "all", limit: int | None = None) -> None:
    """An upload to `stores`, of which the first ones fail in turn at these hooks."""
    world = World(*stores, mode=mode, limit=limit, capacities=dict.fromkeys(NAMES, 100 * MIB))
    for hook, driver in zip(fails, world.drivers.values(), strict=False):
        driver.fails(hook, DOWN)
    world.upload(BODY)


def given_up() -> None:
    with World().begin() as session:
        session.write(BODY[0])


def refused_as_busy() -> None:
    world = World(transfers=1, wait=0.01)
    world.rows.create("another")
    with world.begin():
        world.service.begin(UploadRequest("another"))


def read(*openings: Opening, stores: tuple[str, ...] = ("fast",)) -> None:
    """A download from stores that follow this script."""
    reading = Reading({name: ScriptedDriver(*openings) for name in stores}, size=100)
    ALIVE.append(reading)  # it is its own service's source
    reading.read()


def read_by_ranges() -> None:
    """The body ends early each time."""
    opened = Opened(ObjectInfo("key", 100, etag="v1"), RangeBody(bytes(10)), 0, 100)
    with RangedReader(opened, stop=100, fetch=lambda start, stop: RangeBody(b""), block_size=10) as reader:
        reader._arm(0, 100)
        b"".join(reader)


def part() -> None:
    def send(part: object) -> None:
        raise errors.StoreUnavailable("down")

    sender = PartSender(send, sizes=PartSizes(first=10, most=1000, largest=10_000), concurrency=2)
    try:
        sender.write(bytes(1000))
    finally:
        sender.cancel()


def digest() -> None:
    """Whose thread fails."""
    digests, no_bytes = Digests(["sha512"], inline=0), cast("bytes", "text")
    digests.start(BODY[0])
    try:
        digests.start(no_bytes)
        digests.hexdigests()
    finally:
        digests.close()


def in_parts(storage: type[MemoryStorage] = PartStorage) -> None:
    """Where the storage takes no parts, the undo fails too."""
    driver = PartDriver.on(storage())
    with driver.open_writer("key") as writer:
        writer.write(bytes(5 * PART))
        writer.commit()


def unanswered(driver: StoreDriver) -> None:
    """The driver's own library keeps the failure in its frames."""
    with driver.open_reader("key"):
        pass


WAYS: dict[str, Callable[[], None]] = {
    "stored": upload,
    "stored in several": partial(upload, stores=NAMES),
    "given up": given_up,
    "over the quota": partial(upload, limit=MIB),
    "busy": refused_as_busy,
    "a store fails": partial(upload, "write"),
    "a store fails at the end": partial(upload, "commit"),
    "one of several fails": partial(upload, "write", stores=NAMES),
    "one is left out": partial(upload, "write", stores=NAMES, mode=ANY),
    "all fail": partial(upload, *["write"] * 3, stores=NAMES, mode=ANY),
    "read": partial(read, Opening(bytes(100))),
    "read at the second try": partial(read, Opening(bytes(100), breaks_at=50), Opening(bytes(100))),
    "the read breaks for good": partial(read, Opening(bytes(100), breaks_at=50)),
    "the read breaks at the second store": partial(read, Opening(bytes(100), breaks_at=50), stores=NAMES[:2]),
    "another object": partial(read, Opening(bytes(99))),
    "read by ranges": read_by_ranges,
    "in parts": in_parts,
    "the undo fails": partial(in_parts, MemoryStorage),
    "part": part,
    "S3 does not answer": partial(unanswered, S3),
    "Swift does not answer": partial(unanswered, SWIFT),
    "digest": digest,
}


@pytest.mark.parametrize("way", WAYS)
def test_bounded_memory_what_a_transfer_took_is_freed_when_it_ends(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "FIRST_PAUSE", 0.0)
    with freed_at_once(), contextlib.suppress(errors.ImgstoreError, TypeError):
        WAYS[way]()


def test_right_blame_a_failure_that_is_kept_without_its_traceback_is_the_same() -> None:
    """Whatever its class wants to be made of."""
    with pytest.raises(Passing) as caught:
        raise Passing("busy", detail="503", pause=2.0)
    twin = untraced(caught.value)
    assert (type(twin), str(twin), vars(twin)) == (Passing, "busy", vars(caught.value))
    assert (twin.__traceback__, twin.pause) == (None, 2.0)
