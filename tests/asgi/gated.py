"""A store whose writes and reads wait at a gate, and which remembers what was asked of it, and by which threads."""

from __future__ import annotations

import threading

from imgstore.drivers.memory import MemoryDriver
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

    def strike(self, point: str, done: int = 0) -> None:
        """Notes what begins, which waits at its gate; an opened reader is none of the events."""
        if point != "open for reading":
            self.note(point.removesuffix(" for writing"))
        if gate := {"write": self.writes, "read": self.reads}.get(point):
            gate.arrive()
        super().strike(point, done)
