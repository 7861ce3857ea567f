"""Clients that are slow for ever: heads and bodies that come a byte a second, and clients that read nothing."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.running import Running

PAUSE = 1.0
"""Seconds between two bytes."""
AGAIN = 10.0
"""Seconds after which a client whose connection was ended comes again."""
SMALL = 4096


@dataclass(frozen=True)
class Manner:
    """What a client sends at once, and what now and then; nothing, if it only does not read."""

    first: bytes
    then: bytes = b""


def dripping_head() -> Manner:
    """Never ends its first header."""
    return Manner(b"GET /v2/images HTTP/1.1\r\nX-Slow: ", b"a")


def dripping_body(image_id: str, *, store: str, size: int = 1 << 20) -> Manner:
    """Sends an image that takes days."""
    head = f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    return Manner(f"{head}X-Image-Meta-Store: {store}\r\nContent-Length: {size}\r\n\r\n".encode(), b"a")


def not_reading(image_id: str) -> Manner:
    """Asks for an image, and reads nothing of it."""
    return Manner(f"GET /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\n\r\n".encode())


@dataclass
class _Client:
    address: tuple[str, int]
    manner: Manner
    connection: socket.socket | None = None
    next: float = field(default=0.0)

    def go_on(self) -> None:
        """Sends the next byte; comes again some time after its end."""
        try:
            if self.connection is None:
                self._begin()
            elif _ended(self.connection):
                self.end()
            else:
                self.connection.send(self.manner.then)
        except OSError:
            self.end()

    def end(self) -> None:
        """Goes."""
        if self.connection is not None:
            self.connection.close()
        self.connection, self.next = None, time.monotonic() + AGAIN

    def _begin(self) -> None:
        if time.monotonic() < self.next:
            return
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.connection.settimeout(PAUSE)
        self.connection.connect(self.address)
        self.connection.sendall(self.manner.first)


class SlowClients(Running):
    """One client of each of `manners`, all on one thread. Use it as a context manager."""

    def __init__(self, address: tuple[str, int], manners: Sequence[Manner]) -> None:
        self._clients = [_Client(address, manner) for manner in manners]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-clients")

    @property
    def connected(self) -> int:
        """How many are connected now."""
        return sum(client.connection is not None for client in self._clients)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        with contextlib.ExitStack() as ended:
            for client in self._clients:
                ended.callback(client.end)
            while not self._stopped.wait(PAUSE):
                for client in self._clients:
                    client.go_on()


def _ended(connection: socket.socket) -> bool:
    """Whether the service has closed its side, whatever there is to be read."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))
