"""A driver that fails, or waits, where a test tells it to, around one that works; and that counts its open readers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo

PATIENCE = 60.0
POINTS = ("open for writing", "write", "commit", "open for reading", "read")


@dataclass
class Failure:
    """Raised at `point`, `times` times (None: always), and when `after` bytes went through."""

    point: str
    error: Exception
    times: int | None = None
    after: int = 0


class Gate:
    """Whoever comes when `after` bytes went through is counted, and waits until it is `open`."""

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.arrivals = 0
        self._passes = 0
        self._changed = threading.Condition()

    def arrive(self) -> None:
        with self._changed:
            self.arrivals += 1
            number = self.arrivals
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._passes >= number, PATIENCE), "nobody opened the gate"

    def open(self, passes: int = 1_000_000) -> None:
        """So many more may pass."""
        with self._changed:
            self._passes += passes
            self._changed.notify_all()

    def wait_until_reached(self, number: int = 1) -> None:
        """Returns when so many have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.arrivals >= number, PATIENCE), "nobody came"


class FaultyDriver(StoreDriver):
    """`failing` sets the failure for a while, `pausing` a gate, `gate` one that stays. `readers` are open at present,
    `opened` is where in which object they began; `events` tells what happened, in order, and `threads` who did it."""

    def __init__(self, inner: StoreDriver | None = None) -> None:
        self.inner = MemoryDriver() if inner is None else inner
        self.failure: Failure | None = None
        self.readers = 0
        self.opened: list[tuple[str, int]] = []
        self.events: list[str] = []
        self.threads: set[int] = set()
        self._gates: dict[str, Gate] = {}
        self._changed = threading.Condition()

    def gate(self, point: str, *, after: int = 0) -> Gate:
        assert point in POINTS
        self._gates[point] = Gate(after)
        return self._gates[point]

    @contextlib.contextmanager
    def failing(self, point: str, error: Exception, *, times: int | None = None, after: int = 0) -> Iterator[Failure]:
        assert point in POINTS
        self.failure = Failure(point, error, times, after)
        try:
            yield self.failure
        finally:
            self.failure = None

    @contextlib.contextmanager
    def pausing(self, point: str, *, after: int = 0) -> Iterator[Gate]:
        gate = self.gate(point, after=after)
        try:
            yield gate
        finally:
            del self._gates[point]
            gate.open()

    def count_readers(self, change: int) -> None:
        with self._changed:
            self.readers += change
            self._changed.notify_all()

    def all_closed(self, patience: float) -> bool:
        """Whether every reader is closed; a server may close one a moment after its client has the last byte."""
        with self._changed:
            return self._changed.wait_for(lambda: self.readers == 0, patience)

    def note(self, event: str) -> None:
        with self._changed:
            self.threads.add(threading.get_ident())
            self.events.append(event)
            self._changed.notify_all()

    def wait_for_event(self, event: str, count: int) -> None:
        """Returns when it has happened so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.events.count(event) >= count, PATIENCE), f"no {event}"

    def strike(self, point: str, done: int = 0) -> None:
        """Where the failure, or the pause, happens."""
        self.note(point)
        gate = self._gates.get(point)
        if gate is not None and done >= gate.after:
            gate.arrive()
        failure = self.failure
        if failure is None or failure.point != point or done < failure.after or failure.times == 0:
            return
        if failure.times is not None:
            failure.times -= 1
        raise failure.error

    def check(self) -> None:
        self.inner.check()

    def url(self, key: str) -> str:
        return self.inner.url(key)

    def key_from_url(self, url: str) -> str:
        return self.inner.key_from_url(url)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        self.strike("open for writing")
        return _FaultyWriter(self, self.inner.open_writer(key, size=size))

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        self.strike("open for reading")
        self.opened.append((key, start))
        return _FaultyReader(self, self.inner.open_reader(key, start=start, stop=stop, etag=etag), start)

    def _stat(self, key: str) -> ObjectInfo:
        self.strike("open for reading")
        return self.inner._stat(key)

    def _delete(self, key: str) -> None:
        self.inner._delete(key)


class _FaultyWriter(ObjectWriter):
    """Around a whole writer, which counts, holds and aborts by itself."""

    def __init__(self, driver: FaultyDriver, inner: ObjectWriter) -> None:
        self._driver, self._inner, self._done = driver, inner, 0

    def _write(self, chunk: bytes | memoryview) -> None:
        self._driver.strike("write", self._done)
        self._inner.write(chunk)
        self._done += len(chunk)
        self._driver.note("written")

    def _commit(self) -> ObjectInfo:
        self._driver.strike("commit")
        return self._inner.commit()

    def _abort(self) -> None:
        self._driver.note("abort")
        self._inner.abort()


class _FaultyReader(ObjectReader):
    """Delivers small pieces, so that a failure hits the middle; `after` counts from the start of the object."""

    def __init__(self, driver: FaultyDriver, inner: ObjectReader, start: int) -> None:
        self.info = inner.info
        self._driver, self._inner, self._done = driver, inner, start
        driver.count_readers(+1)

    def _read(self, size: int) -> bytes:
        self._driver.strike("read", self._done)
        data = self._inner.read(min(size, 65536))
        self._done += len(data)
        self._driver.note("have read")
        return data

    def _close(self) -> None:
        self._driver.note("close")
        self._driver.count_readers(-1)
        self._inner.close()
