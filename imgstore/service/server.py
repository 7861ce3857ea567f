"""The WSGI server of the reference service: cheroot, with strict request bodies (why: `doc/servers.md`).

What differs from plain cheroot:

* ``100 Continue`` is sent at the first read of ``wsgi.input``, never before.
* Starting a response while the body is unread closes the connection, with a
  bounded lingering close, so that the client can read the answer.
* ``wsgi.input`` never ends early in silence: a half-closed connection, a
  reset, a malformed chunk or a stall is an exception, and stays one.
* Ambiguous framing is refused with 400 before the application runs.
* A connection holds no thread before the first byte of its request, and one
  that cannot be accepted (no descriptor left) waits, without a busy loop.
* `stop` lets running requests finish, for a bounded time.
"""

from __future__ import annotations

import errno
import io
import logging
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cheroot.connections import ConnectionManager
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as WSGIServer

from imgstore.service.body import Body, IncompleteBody, MalformedBody
from imgstore.service.stopping import OpenConnections, serve
from imgstore.service.tls import TLS, secured

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Connection", "Server", "serve"]

LOG = logging.getLogger(__name__)

#: How long, and for how much, a closing connection goes on reading. A client
#: that watches for the answer needs a round trip plus whatever lies in the two
#: socket buffers (a few MiB each): far less than either bound. One that looks
#: only after its last byte is served too, if it can send the rest within them.
#: The time keeps a refused client from holding a thread; the size, about what
#: 1 Gbit/s carries in that time, limits the work a client on the same machine
#: can cause.
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 256 << 20

#: Seconds between two tries to accept a connection where the system refuses.
ACCEPT_PAUSE: Final = 0.5
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(rb"[!-~]+")
_PROTOCOLS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_WITH_BODY: Final = frozenset({b"PUT", b"POST", b"PATCH"})
_ONCE: Final = frozenset({b"Content-Length", b"Transfer-Encoding", b"Host", b"Expect", b"Content-Type"})


def _parse_header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t\r\n")
    if not line.endswith(b"\r\n") or not colon or not _TOKEN.fullmatch(name) or re.search(rb"[\0\r\n]", value):
        raise ValueError("Malformed header line.")
    return name.title(), value


class Request(HTTPRequest):
    """One request; see the module's description for what is stricter."""

    body: Body | None = None

    def __init__(self, server: Any, conn: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, conn, *args, **kwargs)
        self.header_reader: Callable[[Any, dict[bytes, bytes]], None] = self._read_headers
        self._expect = b""
        self._out_left: int | None = None

    def read_request_line(self) -> bool:
        try:
            if not super().read_request_line():  # type: ignore[no-untyped-call]
                return False
        except ValueError:  # an authority that cannot be one
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if not _TARGET.fullmatch(self.uri) or self.request_protocol not in _PROTOCOLS:
            self.simple_response("400 Bad Request", "Malformed Request-Line")
            return False
        return True

    def _read_headers(self, rfile: Any, headers: dict[bytes, bytes]) -> None:
        while (line := rfile.readline()) != b"\r\n":
            name, value = _parse_header(line)
            if b"_" in name:
                continue  # cannot be told apart from a dash in the environ
            if name in headers:
                if name in _ONCE:
                    raise ValueError("Repeated header.")
                value = headers[name] + b", " + value
            headers[name] = value
        self._check_framing(headers)
        # Out of cheroot's sight, which would answer it at once.
        self._expect = headers.pop(b"Expect", b"").lower()

    def _check_framing(self, headers: dict[bytes, bytes]) -> None:
        length, coding = headers.get(b"Content-Length"), headers.get(b"Transfer-Encoding")
        if length is not None and not (length.isdigit() and len(length) < 19):
            raise ValueError("Malformed Content-Length.")
        if coding is not None and (length is not None or self.response_protocol != "HTTP/1.1"):
            raise ValueError("Ambiguous message framing.")

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        coding = self.inheaders.get(b"Transfer-Encoding")
        if coding is not None and coding.lower() != b"chunked":
            self.simple_response("501 Not Implemented")
            return False
        if self._expect not in (b"", b"100-continue"):
            self.simple_response("417 Expectation Failed")
            return False
        if self._ends_with_its_connection():
            self.simple_response("411 Length Required")
            return False
        return True

    def _ends_with_its_connection(self) -> bool:
        """A body that HTTP/1.0 frames by nothing at all: whole and cut short look the same, and both look like none."""
        unframed = b"Content-Length" not in self.inheaders
        return unframed and self.method in _WITH_BODY and self.request_protocol == b"HTTP/1.0"

    def respond(self) -> None:
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", 0))
        expects = bool(self._expect) and self.response_protocol == "HTTP/1.1"
        self.body = Body(self.conn, length, expects)
        self.rfile = io.BufferedReader(self.body, 1 << 16)
        try:
            self.server.gateway(self).respond()
        except TimeoutError:
            self._give_up("408 Request Timeout")
        except (MalformedBody, IncompleteBody):
            self._give_up("400 Bad Request")
        except ssl.SSLError as error:  # a client that went away, as a reset is without TLS
            LOG.info("TLS with %s broke: %s", self.conn.remote_addr, error)
            self.close_connection = True
        else:
            if self.chunked_write:
                self.conn.send_all(b"0\r\n\r\n")
            if self._out_left:
                self.close_connection = True  # the application sent too little
        if not self.body.complete:
            self.close_connection = True

    def _give_up(self, status: str) -> None:
        self.close_connection = True
        if not self.sent_headers:
            self.simple_response(status)

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answers a request that does not reach the application, and closes."""
        text = f"{status}\n\n{msg}\n".encode()
        self.sent_headers = self.close_connection = self.conn.lingering = True
        self._out_left = 0  # whatever the application may still write is dropped
        self.conn.send_all(
            b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n"
            b"x-openstack-request-id: req-%b\r\n\r\n%b"
            % (status.encode("latin-1"), len(text), str(uuid.uuid4()).encode(), text)
        )

    def send_headers(self) -> None:
        if self.body is not None and not self.body.complete:
            self.close_connection = self.conn.lingering = True
            self.body.withhold_continue()
        for name, value in self.outheaders:
            if name.lower() == b"content-length":
                self._out_left = 0 if self.method == b"HEAD" else int(value)
        super().send_headers()

    def write(self, chunk: bytes) -> None:
        status: Any = self.status  # bytes, whatever the stub says
        if self.method == b"HEAD" or status[:3] in (b"204", b"304") or not chunk:
            return
        if self._out_left is not None:
            chunk = chunk[: self._out_left]
            self._out_left -= len(chunk)
        if self.chunked_write:
            self.conn.send_all(b"%x\r\n" % len(chunk))
            self.conn.send_all(chunk)
            self.conn.send_all(b"\r\n")
        else:
            self.conn.send_all(chunk)


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
                count = self.socket.recv_into(scratch)
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
        """See cheroot's; what TLS has decrypted already no selector sees."""
        if isinstance(conn.socket, ssl.SSLSocket) and conn.socket.pending():
            self.server.process_conn(conn)
        else:
            super().put(conn)


class Gateway(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # the stub says None
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["wsgi.input_terminated"] = True
        if self.req._expect:
            environ["HTTP_EXPECT"] = self.req._expect.decode("latin-1")
        return environ


class Server(WSGIServer):
    ConnectionClass = Connection
    max_request_header_size = 1 << 16
    keep_alive_conn_limit = 100
    _connections: ConnectionManager

    def __init__(
        self,
        address: tuple[str, int],
        app: WSGIApplication,
        *,
        threads: int,
        read_timeout: float,
        grace: float,
        backlog: int = 128,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.open_connections = OpenConnections()
        super().__init__(address, app, numthreads=threads, request_queue_size=backlog)
        self.ssl_adapter = None if tls is None else TLS(tls)
        self.gateway = Gateway
        self.timeout = read_timeout
        self.shutdown_timeout = grace + 2
        self._grace = grace

    def prepare(self) -> None:
        """See cheroot's: opens the socket."""
        super().prepare()
        self._connections.close()
        self._connections = Connections(self)

    @property
    def url(self) -> str:
        """Where the server listens, after `prepare`."""
        host, port = self.bind_addr[:2]
        scheme = "http" if self.ssl_adapter is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in str(host) else f"{scheme}://{host}:{port}"

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        LOG.log(level, "%s", msg, exc_info=traceback)

    def stop(self) -> None:
        """Stops accepting, lets requests finish, cuts them after the grace."""
        timer = threading.Timer(self._grace, self.open_connections.cut)
        timer.daemon = True
        timer.start()
        try:
            super().stop()
        finally:
            timer.cancel()
