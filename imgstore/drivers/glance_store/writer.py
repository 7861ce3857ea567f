"""Objects being written: this library pushes, and a driver of glance_store pulls.

The driver's `add` runs on a thread of its own and reads from a pipe, to which `_write` hands one chunk after the other;
a chunk was copied when `_write` returns. Memory: one chunk, and what the driver buffers. In an upload that is given up
the pipe raises. The driver may remove then what it made; what it leaves is removed afterwards.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from concurrent.futures import Future, wait

from imgstore import errors
from imgstore.driver import ObjectWriter
from imgstore.driver.background import WHOLE, undo_soon
from imgstore.driver.translate import forget_frames
from imgstore.drivers.glance_store.bridge import Bridge
from imgstore.model import ObjectInfo

Added = tuple[str, int]
"""URL and size."""


class Aborted(Exception):
    """What the driver reads when the upload is given up."""


class Pipe:
    """A file of chunks that come from another thread."""

    def __init__(self) -> None:
        self._chunks: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._taken = threading.Event()
        self._rest = memoryview(b"")
        self._over = False
        self._aborted = False

    def give(self, chunk: bytes | memoryview, patience: float) -> bool:
        """Hands a chunk over. Whether it was read, or will never be, within `patience` seconds."""
        self._taken.clear()
        self._chunks.put(memoryview(chunk))
        return self._taken.wait(patience)

    def end(self) -> None:
        """No more chunks."""
        self._chunks.put(None)

    def abort(self) -> None:
        """The same, and what was read is worth nothing."""
        self._aborted = True
        self._chunks.put(None)

    def close(self) -> None:
        """Nobody reads any more."""
        self._taken.set()

    def read(self, size: int = -1) -> bytes:
        """The next bytes; b"" at the end. Called by the driver. Raises Aborted."""
        if not self._rest and not self._over:
            chunk = self._chunks.get()
            self._over, self._rest = chunk is None, memoryview(b"") if chunk is None else chunk
        if self._aborted:
            raise Aborted
        piece = bytes(self._rest if size < 0 else self._rest[:size])
        self._rest = self._rest[len(piece) :]
        if not self._rest:
            self._taken.set()
        return piece


class GlanceStoreWriter(ObjectWriter):
    """One object. Nothing is sent before its first byte, or its commit."""

    def __init__(self, bridge: Bridge, key: str, size: int | None, *, patience: float) -> None:
        self._bridge = bridge
        self._key = key
        self._size = size
        self._patience = patience
        self._pipe = Pipe()
        self._done: Future[Added] = Future()
        self._begun = False

    def _write(self, chunk: bytes | memoryview) -> None:
        self._begin()
        in_time = self._pipe.give(chunk, self._patience)
        if self._done.done():
            self._done.result()
            raise errors.StoreUnavailable("Image storage ended an object before its last byte.")
        if not in_time:
            raise errors.StoreUnavailable(f"Image storage took no bytes for {self._patience:g} s.")

    def _commit(self) -> ObjectInfo:
        self._begin()
        self._pipe.end()
        if not wait([self._done], self._patience).done:
            raise errors.StoreUnavailable(f"Image storage did not end an object in {self._patience:g} s.")
        url, size = self._done.result()
        if url != self._bridge.url(self._key):
            detail = "the driver gives other locations than url_template says: write them as they are"
            raise errors.StoreUnavailable("Image storage has put an object elsewhere.", detail=detail)
        return ObjectInfo(self._key, size)

    def _abort(self) -> None:
        if self._begun:
            undo_soon(f"object {self._key}", self._undo)

    def _undo(self) -> None:
        """The driver's thread ends first: what it makes afterwards, nobody would remove."""
        self._pipe.abort()
        if not wait([self._done], WHOLE).done:
            raise errors.StoreUnavailable("Image storage goes on with an upload that was given up.")
        ended, self._done = self._done, Future()  # it has the failure, whose frames have this writer
        if not isinstance(ended.exception(), errors.ObjectExists):  # else another one's is there
            with contextlib.suppress(errors.ObjectNotFound):
                self._remove(ended)

    def _remove(self, ended: Future[Added]) -> None:
        if ended.exception() is None:
            self._bridge.delete_at(ended.result()[0])
        else:
            self._bridge.delete_unfinished(self._key)

    def _begin(self) -> None:
        if not self._begun:
            self._done.add_done_callback(lambda _: self._pipe.close())
            threading.Thread(
                target=self._add, args=(self._done,), name="imgstore-glance-store-add", daemon=True
            ).start()
            self._begun = True

    def _add(self, done: Future[Added]) -> None:
        try:
            done.set_result(self._bridge.add(self._key, self._pipe, self._size))
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the writer's thread
            forget_frames(error)
            done.set_exception(error)
            del done  # the failure's traceback has this frame
