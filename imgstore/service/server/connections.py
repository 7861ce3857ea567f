"""Connections: none holds a thread before its request's first byte, and each ends so that its client reads the answer.

Where no connection can be accepted (no descriptor is left), the server waits without a busy loop.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import time
from typing import Any, Final

from cheroot.connections import ConnectionManager
from cheroot.server import HTTPConnection

from imgstore.service.server.request import Request
from imgstore.service.server.tls import secured

LOG = logging.getLogger(__name__)

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 256 << 20
"""How long, and for how much, a closing connection goes on reading. A client that watches for the answer needs a round
trip and the two socket buffers (a few MiB each): far less than either bound. A client that looks only after its last
byte gets the answer, too, if it can send the rest within them. The time keeps a refused client from holding a thread;
the size, about what 1 Gbit/s carries in that time, limits the work that a client on the same machine can cause."""

ACCEPT_PAUSE: Final = 0.5
"""Seconds between two tries to accept a connection where the system refuses."""
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Connection(HTTPConnection):
    RequestHandlerClass = Request
    lingering = False

    def __init__(self, server: Any, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, sock, *args, **kwargs)
        server.open_connections.add(self)

    def communicate(self) -> bool:
        """One request, after the handshake of TLS. False: the connection is to be closed."""
        return secured(self.socket) and bool(super().communicate())  # type: ignore[no-untyped-call]

    def send_all(self, data: bytes) -> None:
        """Sends everything; the timeout holds for each step, not for the sum."""
        view = memoryview(data)
        while view:
            view = view[self.socket.send(view) :]

    def close(self) -> None:
        if self.lingering:
            self._linger()
        self.server.open_connections.discard(self)
        super().close()

    def _linger(self) -> None:
        scratch = bytearray(1 << 18)
        left, until = LINGER_BYTES, time.monotonic() + LINGER_SECONDS
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while left > 0 and (seconds := until - time.monotonic()) > 0:
                self.socket.settimeout(seconds)
                count = socket.socket.recv_into(self.socket, scratch)  # nobody looks at it: it is not decrypted
                if not count:
                    return
                left -= count
        except OSError:
            return


class Connections(ConnectionManager):
    """Accepts connections, and watches those between two requests: new ones, too."""

    def _from_server_socket(self, server_socket: Any) -> None:
        try:
            conn = super()._from_server_socket(server_socket)  # type: ignore[misc]  # private: missing in the stub
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            LOG.warning("No connection can be accepted: %s", error.strerror)
            time.sleep(ACCEPT_PAUSE)
            return
        if conn is not None:
            self.put(conn)

    def put(self, conn: Any) -> None:
        """Waits for the next request, unless TLS has already decrypted its begin, which no selector sees."""
        if isinstance(conn.socket, ssl.SSLSocket) and conn.socket.pending():
            self.server.process_conn(conn)
        else:
            super().put(conn)
