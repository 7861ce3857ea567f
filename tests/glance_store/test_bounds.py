"""What a driver of glance_store does wrong or never ends costs its store a bound, and leaves nothing."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pytest

from imgstore import errors
from imgstore.driver.bounded_calls import MOST, BoundedCalls
from imgstore.driver.writer import Admission
from imgstore.drivers.glance_store import GlanceStoreDriver
from imgstore.drivers.glance_store.writer import GlanceStoreWriter
from tests.support.garbage import freed_at_once
from tests.support.waiting import until

Add = Callable[[BinaryIO], tuple[str, int]]
URL = "rbd://key"


class Bridge:
    """A driver of glance_store that adds as it is told."""

    def __init__(self, add: Add) -> None:
        self._add = add
        self.removed: list[str] = []

    def url(self, key: str) -> str:
        return URL

    def add(self, key: str, file: BinaryIO, size: int | None) -> tuple[str, int]:
        return self._add(file)

    def delete_at(self, url: str) -> None:
        self.removed.append(url)

    def delete_unfinished(self, key: str) -> None:
        self.removed.append(f"unfinished {key}")


@contextlib.contextmanager
def written(add: Add) -> Iterator[list[str]]:
    """Inside, an object was written; what was removed of it."""
    bridge: Any = Bridge(add)
    writer = GlanceStoreWriter(bridge, "key", None, patience=0.05)
    writer._arm("key", Admission(size=None, limit=None), capacity=None, store="ceph")
    with contextlib.suppress(errors.StoreError), writer:
        writer.write(b"four")
        writer.commit()
    yield bridge.removed


def failing(error: Exception) -> Add:
    def add(file: BinaryIO) -> tuple[str, int]:
        file.read(1)
        raise error

    return add


def elsewhere(file: BinaryIO) -> tuple[str, int]:
    return "rbd://other", sum(map(len, iter(lambda: file.read(9), b"")))


def late(file: BinaryIO) -> tuple[str, int]:
    """It takes no byte for longer than the patience, and everything then."""
    threading.Event().wait(0.2)
    return URL, len(file.read(9))


WAYS: dict[str, tuple[Add, list[str]]] = {
    "fails": (failing(errors.StoreUnavailable("down")), ["unfinished key"]),
    "the key is taken": (failing(errors.ObjectExists("there")), []),
    "another location": (elsewhere, ["rbd://other"]),
    "too slow": (late, ["unfinished key"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_undone_and_freed_whatever_the_driver_does(way: str) -> None:
    add, expected = WAYS[way]
    with freed_at_once(), written(add) as removed:
        until(lambda: removed == expected)
    threads = {thread.name for thread in threading.enumerate()}
    assert not {name for name in threads if name.startswith("imgstore-glance-store")}


def test_contained_calls_that_hang_are_so_many_and_no_more() -> None:
    calls, end, begun = (
        BoundedCalls(patience=0.01, thread_name="imgstore-glance-store"),
        threading.Event(),
        threading.Semaphore(0),
    )

    def hang() -> None:
        begun.release()
        end.wait()

    for _ in range(MOST):
        with pytest.raises(errors.StoreUnavailable, match="did not answer in time while reading"):
            calls.run("reading", hang)
    with pytest.raises(errors.StoreUnavailable, match=f"{MOST} calls hang"):
        calls.run("reading", hang)
    assert sum(begun.acquire(blocking=False) for _ in range(MOST + 1)) == MOST
    end.set()
    until(lambda: not any(thread.name == "imgstore-glance-store" for thread in threading.enumerate()))
    assert calls.run("reading", lambda: "read") == "read"


def test_right_blame_a_driver_whose_library_is_missing_is_no_store_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "os_brick", None)
    monkeypatch.delitem(sys.modules, "glance_store._drivers.cinder", raising=False)
    driver = GlanceStoreDriver(driver="cinder", url_template="cinder://{key}")
    with pytest.raises(errors.ConfigurationError, match=r"driver 'cinder' cannot be loaded .*os_brick"):
        driver.check()
