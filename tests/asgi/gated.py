"""A store whose writes and reads wait at a gate, and which remembers what was asked of it, and by which threads."""

from __future__ import annotations

import threading

from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo
from tests.http.faulty import FaultyDriver

PATIENCE = 60.0


class Gate:
    """Whoever comes is counted and waits until it is `open`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passes = 0
        self.arrivals = 0

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

    def await_arrival(self, number: int = 1) -> None:
        """Returns when so many have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.arrivals >= number, PATIENCE), "nobody came"


class GatedDriver(FaultyDriver):
    """`events` tells what happened, in order; `threads` who did it."""

    def __init__(self) -> None:
        super().__init__(MemoryDriver())
        self.events: list[str] = []
        self.threads: set[int] = set()
        self.writes, self.reads = Gate(), Gate()
        self._noted = threading.Condition()

    def note(self, event: str) -> None:
        with self._noted:
            self.threads.add(threading.get_ident())
            self.events.append(event)
            self._noted.notify_all()

    def await_event(self, event: str, count: int = 1) -> None:
        """Returns when it has happened so many times."""
        with self._noted:
            assert self._noted.wait_for(lambda: self.events.count(event) >= count, PATIENCE), f"no {event}"

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        self.note("open")
        return _GatedWriter(self, super()._open_writer(key, size))

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return _GatedReader(self, super()._open_reader(key, start, stop, etag))


class _GatedWriter(ObjectWriter):
    def __init__(self, driver: GatedDriver, inner: ObjectWriter) -> None:
        self._driver, self._inner = driver, inner

    def _write(self, chunk: bytes | memoryview) -> None:
        self._driver.note("write")
        self._driver.writes.arrive()
        self._inner._write(chunk)
        self._driver.note("written")

    def _commit(self) -> ObjectInfo:
        self._driver.note("commit")
        return self._inner._commit()

    def _abort(self) -> None:
        self._driver.note("abort")
        self._inner._abort()


class _GatedReader(ObjectReader):
    def __init__(self, driver: GatedDriver, inner: ObjectReader) -> None:
        self.info = inner.info
        self._driver, self._inner = driver, inner

    def _read(self, size: int) -> bytes:
        self._driver.note("read")
        self._driver.reads.arrive()
        data = self._inner._read(size)
        self._driver.note("have read")
        return data

    def _close(self) -> None:
        self._driver.note("close")
        self._inner._close()
