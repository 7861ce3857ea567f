"""The end of a connection whose client may still send: it is read on for a while, so that the client sees the answer.

A close with bytes unread would reset the connection, and with it the answer. No thread waits for that (contained): the
loop that watches heads reads what comes, and drops it. `Lingering` has the shape of a head, which is never whole.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import Final

from imgstore.service.server.heads import Clock, Progress

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 256 << 20
"""How long, and for how much, a closing connection goes on reading. A client that watches for the answer needs a round
trip and the two socket buffers (a few MiB each): far less than either bound. A client that looks only after its last
byte gets the answer, too, if it can send the rest within them. The time frees the descriptor of a refused client; the
size, about what 1 Gbit/s carries in that time, limits the work that a client on the same machine can cause."""
_AT_ONCE: Final = 1 << 20
"""Bytes after which others have their turn."""
_SCRATCH: Final = bytearray(1 << 18)
"""Where they go: nobody looks at it, so all connections may share it. It is not decrypted either."""


class Lingering:
    """Ends our side of a connection. `deadline`: when the whole is to be closed, by the clock."""

    def __init__(self, sock: socket.socket, *, clock: Clock = time.monotonic) -> None:
        self._socket = sock
        self._clock = clock
        self._left = LINGER_BYTES
        self.since = clock()
        self.deadline = self.since + LINGER_SECONDS
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)

    @property
    def seen(self) -> bytes:
        """Nothing that is a request."""
        return b""

    def next(self) -> None:
        """No request follows."""

    def advance(self) -> Progress:
        """Reads what is there. Never waits."""
        try:
            self._socket.settimeout(0)
            return self._advance()
        except BlockingIOError:
            return Progress.WAITING
        except OSError:
            return Progress.BROKEN

    def _advance(self) -> Progress:
        turn = max(0, self._left - _AT_ONCE)
        while self._left > turn:
            count = socket.socket.recv_into(self._socket, _SCRATCH)
            if not count:
                return Progress.BROKEN
            self._left -= count
        return Progress.WAITING if self._left > 0 else Progress.BROKEN

    def wait(self) -> None:
        """Reads to the end, or to the deadline, on the caller's thread."""
        watched = select.poll()
        watched.register(self._socket, select.POLLIN)
        while self.advance() is Progress.WAITING and (seconds := self.deadline - self._clock()) > 0:
            watched.poll(seconds * 1000)

    def refuse(self, status: str = "", message: str = "", *, retry_after: int | None = None) -> None:
        """Its answer was sent."""
