"""How the service stops: requests under way have the grace period, and a second signal ends it.

No thread is ended: a connection is cut, and the request on it then fails and undoes itself. What hangs all the same (a
database, a store, in the kernel) does not keep the process from ending: at the end of the grace period it ends as by a
crash, which leaves nothing that the next start does not take back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from imgstore.service.server.ending import Ending

LOG = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class OpenConnections:
    """The connections that `cut` ends. They come and go on many threads."""

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: Any) -> None:
        """Adds an accepted connection, which talks through its `socket`."""
        with self._lock:
            self._connections.add(connection)

    def discard(self, connection: Any) -> None:
        """Removes a closed connection."""
        with self._lock:
            self._connections.discard(connection)

    def __iter__(self) -> Iterator[Any]:
        """Those that are open at this moment."""
        with self._lock:
            return iter(list(self._connections))

    def __len__(self) -> int:
        with self._lock:
            return len(self._connections)

    def cut(self) -> None:
        """Ends both directions of every connection, on whichever thread it is being served."""
        for connection in self:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)


class Stoppable(Protocol):
    """A server, as `serve` needs it."""

    ending: Ending

    def serve(self) -> None:
        """Serves until `stop`."""

    def stop(self) -> None:
        """Ends `serve`, after the requests under way."""

    def cut(self) -> None:
        """Ends the requests under way."""


def serve(server: Stoppable, *, announce: Callable[[], object] = lambda: None) -> None:
    """Serves with a prepared server until SIGTERM or SIGINT; called from the main thread. `announce` is called when a
    signal would end the server properly."""
    # On threads: the code that a signal interrupts may hold a lock that these steps need.
    steps = [threading.Thread(target=step) for step in (server.stop, server.cut)]
    begun: list[threading.Thread] = []
    ending = server.ending
    ends = [_last_resort(ending.over), _last_resort(ending.over - ending.cut)]

    def on_signal(number: int, frame: object) -> None:
        ending.begin()
        if steps:
            begun.append(steps.pop(0))
            begun[-1].start()
            ends.pop(0).start()

    for number in SIGNALS:
        signal.signal(number, on_signal)
    announce()
    server.serve()
    for step in begun:
        step.join()


def _last_resort(seconds: float) -> threading.Timer:
    """Ends the process if it still runs so many seconds after the start of the timer."""
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), _end)
    timer.daemon = True
    return timer


def _end() -> None:
    hung = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    LOG.critical("The process ends with work undone, which the next start takes back. These threads hang: %s", hung)
    os._exit(1)
