"""One side of an exchange: a socket, and what HTTP/1.1 makes of its bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct

import h11

BLOCK = 256 * 1024
HEAD = 256 * 1024
TIMEOUT = 120.0
LINGER = 5.0

Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Peer:
    """A client that connected, or a server that was connected to."""

    def __init__(self, connection: socket.socket, role: type[h11.CLIENT] | type[h11.SERVER]) -> None:
        connection.settimeout(TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.http = h11.Connection(role, max_incomplete_event_size=HEAD)

    def receive(self) -> None:
        """Waits for bytes, or for the other's end of the connection."""
        self.http.receive_data(self.socket.recv(BLOCK))

    def receive_what_is_here(self) -> None:
        """The same without waiting: a socket with TLS may be ready for what is no data at all, a session's ticket."""
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            self.receive()
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                self.receive()
        self.socket.settimeout(TIMEOUT)

    def next(self) -> Event:
        """The next event, waiting for it; PAUSED when the other has nothing more to say for now."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.receive()
        return event

    def send(self, event: h11.Event) -> None:
        """Sends what `event` is on the wire."""
        data = self.http.send(event)
        if data:
            self.socket.sendall(data)

    def close(self) -> None:
        """Ends the connection, and lets the other read to the end, even if it is still sending."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(LINGER)
            while self.socket.recv(BLOCK):
                pass
        except OSError:
            pass  # the other was quicker
        finally:
            self.socket.close()

    def reset(self) -> None:
        """Resets the connection: what was not yet read may be lost."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # it is closed already
        finally:
            self.socket.close()
