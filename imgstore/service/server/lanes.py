"""Threads kept for some requests, so that others cannot take them all (contained): a lane is a pool of its own.

Which lane a request takes is read from its first line, before any thread has it. What no lane takes is served by the
server's own threads. All threads are daemons: one that hangs in the kernel must not keep the process from ending.
"""

from __future__ import annotations

import logging
import queue
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cheroot.workers.threadpool import _SHUTDOWNREQUEST, ThreadPool, WorkerThread  # type: ignore[attr-defined]  # private

LOG = logging.getLogger(__name__)

Takes = Callable[[str, str], bool]
"""Whether a lane takes requests of this method on this path."""


@dataclass(frozen=True, slots=True)
class Lane:
    """`threads` for the requests that it takes; their bodies are short, and must be whole within the read timeout."""

    name: str
    threads: int
    takes: Takes


@dataclass(frozen=True, slots=True)
class Load:
    """Threads of a lane, busy ones and all; requests that wait for one, and those that waited in vain so far."""

    busy: int
    size: int
    waiting: int
    in_vain: int


class Waiting(queue.Queue[Any]):
    """Connections whose request waits for a thread, in the order of coming."""

    in_vain = 0

    def late(self, before: float) -> list[Any]:
        """Takes out those whose request came before that moment, by time.monotonic."""
        found = []
        with self.mutex:
            while self.queue and self.queue[0] is not _SHUTDOWNREQUEST and self.queue[0].head.whole_at < before:
                found.append(self.queue.popleft())
            self.in_vain += len(found)
        return found

    def last(self) -> list[Any]:
        """Takes out the one that came last, if there is one."""
        with self.mutex:
            found = [self.queue.pop()] if self.queue and self.queue[-1] is not _SHUTDOWNREQUEST else []
            self.in_vain += len(found)
        return found


class Pool(ThreadPool):
    """Threads of a server: none of its requests waits for one without end, and the end of the threads has a bound."""

    _threads: list[WorkerThread]

    def __init__(self, server: Any, *, threads: int) -> None:
        super().__init__(server, min=threads, max=threads)
        self._queue = self.waiting = Waiting()
        self.get = self.waiting.get

    def _spawn_worker(self) -> WorkerThread:
        worker = WorkerThread(self.server)  # type: ignore[no-untyped-call]  # of the stub
        worker.daemon = True
        worker.start()
        return worker

    def load(self) -> Load:
        """What there is to do, at the moment."""
        return Load(self.max - min(self.max, self.idle), self.max, self.waiting.qsize(), self.waiting.in_vain)

    def stop(self, timeout: float | None = None) -> None:
        """Ends the threads; one that has not ended by the time that requests have is told of and left."""
        ending = self.server.ending
        for _ in self._threads:
            self.waiting.put(_SHUTDOWNREQUEST)
        for worker in self._threads:
            worker.join(ending.left(ending.served))
        if left := sum(worker.is_alive() for worker in self._threads):
            LOG.error("%s requests go on after the grace period, and end with the process", left)
        self._threads.clear()


class LanePool:
    """The threads of one lane. It is also the server as these threads see it: one whose requests are the lane's."""

    def __init__(self, server: Any, lane: Lane) -> None:
        self._server = server
        self.lane = lane
        self.requests = Pool(self, threads=lane.threads)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    @property
    def interrupt(self) -> object:
        """The server's."""
        return self._server.interrupt

    @interrupt.setter
    def interrupt(self, cause: object) -> None:
        self._server.interrupt = cause


def request_of(head: bytes) -> tuple[str, str]:
    """Method and path in the head of a request, as far as they can be told."""
    parts = head.lstrip(b"\r\n").partition(b"\n")[0].decode("latin-1").split()
    method, target = (parts[0], parts[1]) if len(parts) > 1 else ("", "")
    if "://" in target.partition("?")[0]:
        target = "/" + target.partition("://")[2].partition("/")[2]
    return method, urllib.parse.unquote(target.partition("?")[0])
