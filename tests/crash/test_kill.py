"""Atomic: SIGKILL at any moment of an upload leaves nothing partial visible; purge and a retry do the rest.

Some moments are chosen by the clock, which also hits the inside of a system call, and some by counting the calls that
an upload makes; of the commit the long form hits every call, before and after.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.model import UploadRequest
from tests.crash.nursery import KINDS, Order, content_of, service_on, upload
from tests.filesystem.support import get, names, room_for_both
from tests.support.rounds import rounds

ROOT = Path(__file__).parents[2]
LONGEST = 0.05
"""Seconds until a kill by the clock: one to three uploads."""
COMMIT = 20
"""Begins and ends of calls from the first fsync: sixteen to eighteen are of the commit."""


class Nursery:
    """The other end of `tests.crash.nursery`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def let_die(self, order: Order, *, after: float | None = None) -> list[str]:
        """The images that a child began until it died: by itself, or `after` seconds from its first byte."""
        print(json.dumps(asdict(order)), file=self._orders, flush=True)
        child, begun = 0, list[str]()
        for line in self._answers:
            word, value = line.split()
            if word == "dead":
                assert int(value) == signal.SIGKILL
                return begun
            if word == "child":
                child = int(value)
            else:
                begun.append(value)
            if after is not None and child and begun:
                time.sleep(after)  # not to wait for anything: it is the random moment
                os.kill(child, signal.SIGKILL)
                after = None
        raise AssertionError("the nursery ended")

    def close(self) -> None:
        with self._process:
            self._orders.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    with room_for_both(tmp_path) as path:
        yield path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("kills", "stride"), [(4, 5), pytest.param(rounds(4), 1, marks=pytest.mark.long)])
def test_a_kill_at_any_moment_leaves_nothing_partial(
    nursery: Nursery, tmp_path: Path, kind: str, kills: int, stride: int
) -> None:  # fmt: skip
    for after, order in _moments(kind, kills, stride):
        with _datadir(tmp_path, f"killed {after} s after the first byte, or at {order}") as datadir:
            begun = nursery.let_die(replace(order, datadir=str(datadir)), after=after)
            assert len(begun) >= (2 if order.counts else 1)
            _expect_whole_after_purge(KINDS[kind](datadir=str(datadir)), datadir, begun)


@pytest.mark.parametrize("kind", KINDS)
def test_at_no_call_of_an_upload_is_anything_partial_visible(tmp_path: Path, kind: str) -> None:
    """A kill hits few of the calls into the system; this looks before and after each."""
    catalog, seen, whole = MemoryCatalog(), set[bool](), content_of("image")

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event.startswith("c_") and getattr(argument, "__module__", None) == os.open.__module__:
            seen.update(path.read_bytes() == whole for path in tmp_path.iterdir() if not path.name.startswith("."))

    catalog.create("image")
    service = service_on(KINDS[kind](datadir=str(tmp_path)), catalog)
    sys.setprofile(look)
    try:
        upload(service, catalog, "image")
    finally:
        sys.setprofile(None)
    assert seen == {True}


def _moments(kind: str, kills: int, stride: int) -> Iterator[tuple[float | None, Order]]:
    """Each at random in its own part of the time, of the calls, or of `stride` calls of the commit."""
    chance = random.Random(kills)
    order = Order("", kind)
    for number in range(kills):
        yield LONGEST * (number + chance.random()) / kills, order
        yield None, replace(order, moment=(number + chance.random()) / kills)
    for first in range(0, COMMIT, stride):
        yield None, replace(order, step=first + chance.randrange(stride))


@contextlib.contextmanager
def _datadir(parent: Path, told: str) -> Iterator[Path]:
    """A fresh datadir for one kill; a failure inside says when it was."""
    path = parent / "images"
    path.mkdir()
    try:
        yield path
    except Exception as error:
        raise AssertionError(f"{told}: {names(path)}") from error
    finally:
        shutil.rmtree(path)


def _expect_whole_after_purge(driver: FilesystemDriver, datadir: Path, begun: list[str]) -> None:
    _expect_whole_objects(driver, begun)
    hidden = [name for name in names(datadir) if name.startswith(".")]
    leftovers = list(driver.leftovers())
    assert [leftover.name for leftover in leftovers] == hidden
    assert len(hidden) <= (1 if isinstance(driver, KINDS["Named"]) else 0)
    for leftover in leftovers:
        driver.remove_leftover(leftover)
    visible = _expect_whole_objects(driver, begun)
    assert names(datadir) == sorted(visible)
    assert visible >= set(begun[:-1])
    _expect_retry(driver, begun[-1], taken=begun[-1] in visible)


def _expect_whole_objects(driver: FilesystemDriver, begun: list[str]) -> set[str]:
    visible = {info.key for info in driver.objects()}
    assert visible <= set(begun)
    for key in visible:
        assert get(driver, key) == content_of(key)
    return visible


def _expect_retry(driver: FilesystemDriver, image: str, *, taken: bool) -> None:
    """The image is taken over in the catalog, so the retry is another attempt, with a key of its own."""
    catalog = MemoryCatalog()
    catalog.create(image)
    lost = catalog.begin(UploadRequest(image), ["fast"])
    assert catalog.release(lost)
    upload(service_on(driver, catalog), catalog, image)
    (location,) = catalog.find(image).locations
    assert location.key != lost.key
    assert get(driver, location.key) == content_of(image)
    if taken:
        driver.delete(lost.key)
    with pytest.raises(errors.ObjectNotFound):
        driver.stat(lost.key)
