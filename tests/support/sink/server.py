"""What the sinks have in common: requests by the names of their operations, each counted, slow if need be."""

from __future__ import annotations

import collections
import contextlib
import http.server
import re
import socket
import threading
import urllib.parse
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from imgstore.testing.faults.listener import Listener
from tests.support.running import Running
from tests.support.sink.bodies import Chunked, Incoming, Measured, Sized, measure, pieces, read_all

Operation = tuple[str, Callable[[], None]]
"""Its name, and what does it."""


class Sink(Running):
    """A server; use it as a context manager.

    `delays`: seconds by operation. `counts`: requests by operation. `peaks`: the most that were under way at a time.
    """

    def __init__(self) -> None:
        self.delays: dict[str, float] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.peaks: collections.Counter[str] = collections.Counter()
        self.lock = threading.Lock()
        self._running: collections.Counter[str] = collections.Counter()
        self._stopping = threading.Event()
        self._listener = Listener(self._serve)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.port}"

    @abstractmethod
    def _serve(self, connection: socket.socket) -> None:
        """All requests on a connection."""

    @contextlib.contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Counts one."""
        with self.lock:
            self.counts[name] += 1
            self._running[name] += 1
            self.peaks[name] = max(self.peaks[name], self._running[name])
        try:
            yield
        finally:
            with self.lock:
                self._running[name] -= 1

    def take_time(self, name: str) -> None:
        """Returns when an operation has taken as long as it is to."""
        if self._stopping.wait(self.delays.get(name, 0)):
            raise ConnectionError("the sink stops")

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        """Ends all connections. Its threads are gone afterwards."""
        self._stopping.set()
        self._listener.stop()


S = TypeVar("S", bound=Sink)


class Handler(http.server.BaseHTTPRequestHandler, Generic[S]):
    """The requests on one connection, on the standard library's server of HTTP/1.1."""

    protocol_version = "HTTP/1.1"
    rbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def __init__(self, connection: socket.socket, sink: S) -> None:
        self.sink = sink
        self.name = ""
        self.path_parts = ""
        self.query: Mapping[str, str] = {}
        super().__init__(connection, ("127.0.0.1", 0), None)  # type: ignore[arg-type]  # no socketserver is behind it

    def route(self) -> Operation:
        """What the request asks for."""
        raise NotImplementedError

    def handle_request(self) -> None:
        """Any request."""
        path, _, query = self.path.partition("?")
        self.path_parts = urllib.parse.unquote(path).strip("/")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.name, work = self.route()
        with contextlib.ExitStack() as self.under_way:
            self.under_way.enter_context(self.sink.operation(self.name))
            work()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request  # noqa: N815  # the base class calls them so

    def incoming(self) -> Incoming:
        """The request's body."""
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        body: Incoming = Chunked(self.rfile) if chunked else Sized(self.rfile, int(self.headers["Content-Length"] or 0))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            assert not chunked, "one kind of chunks inside the other is not done here"
            return Chunked(self.rfile)
        return body

    def measure(self) -> Measured:
        """The request's body, of any size; takes the operation's time."""
        measured = measure(self.incoming())
        self.sink.take_time(self.name)
        return measured

    def read(self) -> bytes:
        """The request's body, which is small; takes the operation's time."""
        data = read_all(self.incoming())
        self.sink.take_time(self.name)
        return data

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """An answer; `headers` with underscores for dashes. Whoever has it may ask again before this thread goes on."""
        self.under_way.close()
        self.send_response(status)
        self._send_headers(Content_Length=str(len(body)), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_headers(self, **headers: str) -> None:
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def reply_content(self, size: int, **headers: str) -> None:
        """An answer of generated content, of the range that was asked for."""
        self.sink.take_time(self.name)
        start, stop = self._range(size)
        if start is None:
            self.reply(416, Content_Range=f"bytes */{size}")
            return
        partial = {"Content_Range": f"bytes {start}-{stop - 1}/{size}"} if "Range" in self.headers else {}
        self.send_response(206 if partial else 200)
        self._send_headers(Content_Length=str(stop - start), Accept_Ranges="bytes", **partial, **headers)
        for piece in pieces(start, stop) if self.command != "HEAD" else ():
            self.connection.sendall(piece)

    def _range(self, size: int) -> tuple[int | None, int]:
        """None where it cannot be."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "bytes=0-"))
        assert match is not None, self.headers["Range"]
        first, last = match.groups()
        if not first:
            return max(size - int(last), 0), size
        start, stop = int(first), min(int(last) + 1 if last else size, size)
        return (None, 0) if start >= size and "Range" in self.headers else (start, stop)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """Says nothing."""
