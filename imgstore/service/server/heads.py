"""The heads of requests, read as their bytes come: no thread waits for a client that has not sent a whole head.

The handshake of TLS goes the same way. `Head.advance` reads what is there and never waits. A connection whose head is
not whole by its deadline is closed (contained), with 408 where it had begun to speak.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

LOG = logging.getLogger(__name__)

HEAD_SECONDS: Final = 30.0
"""For a whole head, or a whole handshake, from its first byte: 64 KiB at 2 kB/s."""
LARGEST_HEAD: Final = 1 << 16
_END: Final = re.compile(rb"\n\r?\n")

Clock = Callable[[], float]


class Progress(enum.Enum):
    """What became of a head: more is to come, a thread may read it (whole, or never to be), the connection failed."""

    WAITING, READABLE, BROKEN = range(3)


class Head:
    """The head of the next request of one connection, kept in `rfile`, from where the thread that serves it reads.
    `idle`: seconds for which a connection may say nothing; `whole_at`: when the head was whole, by the clock."""

    def __init__(self, sock: socket.socket, rfile: Any, *, idle: float, clock: Clock = time.monotonic) -> None:
        self._socket = sock
        self._rfile = rfile
        self._idle = idle
        self._clock = clock
        self._begun = False
        self.since = self.whole_at = clock()
        self.deadline = self.since + min(idle, HEAD_SECONDS if isinstance(sock, ssl.SSLSocket) else idle)

    def next(self) -> None:
        """A request has ended; the next one may follow."""
        self._begun = False
        self.since = self._clock()
        self.deadline = self.since + self._idle

    @property
    def seen(self) -> bytes:
        """What came so far."""
        return bytes(self._rfile._read_buf[self._rfile._read_pos :])

    def advance(self) -> Progress:
        """Reads what is there. Never waits."""
        self._socket.settimeout(0)
        try:
            progress = self._advance()
            self.whole_at = self._clock()
            return progress
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return Progress.WAITING
        except OSError as error:
            LOG.info("A client's connection failed before its request: %s", error)
            return Progress.BROKEN
        finally:
            with contextlib.suppress(OSError):
                self._socket.settimeout(self._idle)

    def _advance(self) -> Progress:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.version() is None:
            self._socket.do_handshake()
        data = self.seen
        while not self._readable(data):
            more = self._socket.recv(LARGEST_HEAD)
            if not more:
                return Progress.READABLE if data else Progress.BROKEN
            data += more
            self._rfile._read_buf, self._rfile._read_pos = data, 0
        return Progress.READABLE

    def _readable(self, data: bytes) -> bool:
        if data and not self._begun:
            self._begun = True
            self.deadline = self._clock() + min(self._idle, HEAD_SECONDS)
        return len(data) > LARGEST_HEAD or _END.search(data) is not None

    def refuse(self, status: str = "408 Request Timeout", message: str = "", *, retry_after: int | None = None) -> None:
        """Tells a client that was too slow, or one for whose request there is no thread. Never waits."""
        if self._begun:
            self._socket.settimeout(0)
            with contextlib.suppress(OSError):
                self._socket.send(last_answer(status, message, retry_after=retry_after))


def last_answer(status: str, message: str = "", *, retry_after: int | None = None) -> bytes:
    """What the server says instead of the application. The connection ends with it, so that it suits a HEAD, too."""
    text = f"{status}\n\n{message}\n".encode()
    again = b"" if retry_after is None else b"Retry-After: %d\r\n" % retry_after
    return (
        b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n"
        b"%bx-openstack-request-id: req-%b\r\n\r\n%b"
        % (status.encode("latin-1"), len(text), again, str(uuid.uuid4()).encode(), text)
    )
