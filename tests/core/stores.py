"""A store in memory that a test can look into and make fail at any step."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import TypeVar

from imgstore.driver import ObjectWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo

T = TypeVar("T")

HOOKS = ("url", "open", "write", "commit", "committed", "abort", "delete")
"""`committed` comes after the object is there, and before its writer hears of it."""


class HookedStore(MemoryDriver):
    """Calls what a test put under the name of a hook, on whichever thread it is, and notes the calls."""

    def __init__(self, *, capacity: int | None = None) -> None:
        super().__init__(capacity=capacity)
        self.hooks: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []
        self.chunks: list[bytes] = []
        self.seen = 0
        self.threads: set[str] = set()

    def fails(self, hook: str, error: BaseException, *, after: int = 0) -> None:
        """At `hook`, but for the first `after` times."""
        left = [after]

        def act() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise copy.copy(error)  # its `store` is filled in

        self.hooks[hook] = act

    def happens(self, hook: str) -> None:
        self.calls.append(hook)
        if hook in self.hooks:
            self.hooks[hook]()

    def call(self, hook: str, action: Callable[[], T]) -> T:
        self.happens(hook)
        return action()

    def url(self, key: str) -> str:
        return self.call("url", lambda: super(HookedStore, self).url(key))

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return _HookedWriter(self, self.call("open", lambda: super(HookedStore, self)._open_writer(key, size)))

    def _delete(self, key: str) -> None:
        self.call("delete", lambda: super(HookedStore, self)._delete(key))


class _HookedWriter(ObjectWriter):
    def __init__(self, store: HookedStore, inner: ObjectWriter) -> None:
        self._store = store
        self._inner = inner

    def _write(self, chunk: bytes | memoryview) -> None:
        store = self._store
        store.threads.add(threading.current_thread().name)
        store.seen += len(chunk)
        if isinstance(chunk, bytes):
            store.chunks.append(chunk)
        store.call("write", lambda: self._inner._write(chunk))

    def _commit(self) -> ObjectInfo:
        info = self._store.call("commit", self._inner._commit)
        return self._store.call("committed", lambda: info)

    def _abort(self) -> None:
        self._store.call("abort", self._inner._abort)
