"""Sockets whose every wait ends when the bounds of the waiting thread end (`imgstore.driver.deadline`).

A timeout of a socket is for one wait, so a server that sends a byte now and then is waited for without end. These
sockets take the time that is left before each wait, and tell how much has moved. A thread without bounds waits as it
would on any socket. The cost is about two microseconds for each wait.
"""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgstore.driver import deadline

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self


def _bounded(waiting: socket.socket, call: Callable[..., int], *arguments: Any, sending: bool) -> int:
    """What `call` returns: bytes that have moved. Raises TimeoutError, ConnectionAbortedError."""
    bounds = tuple(deadline.bounds())
    if not bounds:
        return call(*arguments)
    begun, moved, timeout = 0, 0, waiting.gettimeout()
    try:
        for bound in bounds:
            bound.begin(waiting, sending=sending)
            begun += 1
        _set_timeout(waiting)
        moved = call(*arguments)
    finally:
        for bound in bounds[:begun]:
            bound.end(waiting, moved)
        waiting.settimeout(timeout)  # the last: it fails if another thread has closed the socket
    return moved


def _set_timeout(waiting: socket.socket) -> None:
    left = deadline.left()
    if left <= 0:
        raise TimeoutError("the operation has no time left")
    if left != math.inf:
        waiting.settimeout(left)


class BoundedSocket(socket.socket):
    """A TCP connection."""

    @classmethod
    def of(cls, connected: socket.socket) -> Self:
        """The same connection; `connected` is not used afterwards."""
        timeout = connected.gettimeout()
        made = cls(connected.family, connected.type, connected.proto, fileno=connected.detach())
        made.settimeout(timeout)
        return made

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """As of any socket."""
        return _bounded(self, super().recv_into, buffer, nbytes, flags, sending=False)

    def send(self, data: Buffer, flags: int = 0) -> int:
        """As of any socket."""
        return _bounded(self, super().send, data, flags, sending=True)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """As of any socket, but each piece is a wait of its own."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view, flags) :]


class BoundedTlsSocket(ssl.SSLSocket):
    """A TLS connection, for the `sslsocket_class` of a context."""

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        """As of any socket."""
        return _bounded(self, super().recv_into, buffer, nbytes, flags, sending=False)

    def send(self, data: Buffer, flags: int = 0) -> int:
        """As of any socket; `sendall` sends by it."""
        return _bounded(self, super().send, data, flags, sending=True)
