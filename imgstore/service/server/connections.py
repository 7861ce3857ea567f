"""Connections: none holds a thread before its request's head is whole; each ends so that its client reads the answer.

There are fewer than the process may have descriptors, so that stores and catalog always get theirs: `ceiling`. Where no
connection can be accepted all the same, the server waits without a busy loop.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import math
import os
import resource
import select
import selectors
import socket
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cheroot.connections import ConnectionManager
from cheroot.server import HTTPConnection

from imgstore.errors import ImgstoreError
from imgstore.file_spans import FileSpan
from imgstore.http.pace import Pace
from imgstore.service.server.heads import Head, Progress
from imgstore.service.server.lingering import Lingering
from imgstore.service.server.request import Request

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LOG = logging.getLogger(__name__)

DESCRIPTORS, DESCRIPTORS_PER_THREAD = 64, 4
"""What connections leave to the rest of the process, of the descriptors that it may have."""
MOST_CONNECTIONS: Final = 10_000

ACCEPT_PAUSE: Final = 0.5
"""Seconds between two tries to accept a connection where the system refuses."""
_CACHED: Final = ("resolve_peer_creds", "get_peer_creds")
"""cheroot's caches around two methods of a connection, which nobody calls here. They refer to the connection that has
them, so that it and its buffers would stay until the collector of garbage comes by."""
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class _Paced(io.RawIOBase):
    """What a connection reads, for the buffer that its heads and chunk sizes are read from."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = weakref.ref(connection)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        connection = self._connection()
        return 0 if connection is None else connection.receive_into(buffer)


class Connection(HTTPConnection):
    RequestHandlerClass = Request
    lingering = False

    def __init__(self, server: Any, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, sock, *args, **kwargs)
        for name in _CACHED:
            del vars(self)[name]
        self.rfile._raw = _Paced(self)
        self.head: Head | Lingering = Head(sock, self.rfile, idle=server.timeout)
        self.short_bodies = False
        self._reading = self._writing = Pace(server.timeout)
        server.open_connections.add(self)

    def communicate(self) -> bool:
        """One request. False: the connection is to be closed."""
        timeout = self.server.timeout
        self._reading = Pace(timeout, whole=timeout if self.short_bodies else None)
        self._writing = Pace(timeout)
        return bool(super().communicate())  # type: ignore[no-untyped-call]  # of the stub

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """Reads what is there, or waits for it. Raises TimeoutError for a client that is too slow."""
        if (longest := self._reading.longest()) is not None:
            self.socket.settimeout(longest)
        since = time.monotonic()
        count = self.socket.recv_into(buffer)
        self._reading.moved(count, since=since)
        return int(count)

    def send_all(self, data: bytes) -> None:
        """Sends everything; the timeout holds for each step, the least rate for the sum."""
        view = memoryview(data)
        if self.short_bodies:
            self.socket.settimeout(self.server.timeout)
        while view:
            since = time.monotonic()
            count = self.socket.send(view)
            self._writing.moved(count, since=since)
            view = view[count:]

    def send_file(self, span: FileSpan) -> None:
        """Sends bytes of a file without reading them, until the file ends or fails. Raises TimeoutError as `send_all`,
        and what the connection raises."""
        room = select.poll()
        room.register(self.socket, select.POLLOUT)
        while span.sent < span.size:
            since = time.monotonic()
            if not room.poll(self.server.timeout * 1000):
                raise TimeoutError("timed out")
            try:
                count = os.sendfile(self.socket.fileno(), span.fd, span.offset + span.sent, span.size - span.sent)
            except BlockingIOError:
                continue
            except ConnectionError:
                raise
            except OSError:  # of the file: whoever reads on finds out
                return
            if count == 0:
                return
            span.sent += count
            self._writing.moved(count, since=since)

    def refuse(self, error: ImgstoreError, *, at_once: bool = False) -> None:
        """Answers a request that no thread has. `at_once`: its descriptor is needed; who still sends may lose it."""
        self.lingering = not at_once
        self.head.refuse(f"{error.status} {error.title}", str(error), retry_after=error.retry_after)
        self.close()

    def close(self) -> None:
        """Closes it; first the client may read its answer, while the connection holds no thread."""
        if self.lingering:
            self.lingering = False
            self.head = Lingering(self.socket)
            if self.server.ready:
                self.server.put_conn(self)
                return
            self.head.wait()  # the server ends: nobody else watches
        self.server.open_connections.discard(self)
        super().close()


class Connections(ConnectionManager):
    """Accepts connections, and watches those without a whole head: new ones, and those between two requests."""

    _selector: Any
    _stop_requested: bool
    _remove_invalid_sockets: Callable[[], None]

    def _run(self, expiration_interval: float) -> None:
        """As cheroot's, whose deadlines stand still for as long as somebody sets the clock back."""
        due = time.monotonic() + expiration_interval
        while not self._stop_requested:
            try:
                found = self._selector.select(timeout=expiration_interval)
            except OSError:
                self._remove_invalid_sockets()
                continue
            for descriptor, conn in found:
                self._attend(descriptor, conn)
            if time.monotonic() > due:
                self._expire()
                due = time.monotonic() + expiration_interval

    def _attend(self, descriptor: int, conn: Any) -> None:
        if conn is self.server:
            self._from_server_socket(self.server.socket)
        else:
            self._selector.unregister(descriptor)
            self.advance(conn)

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
            self._make_room()
            self.advance(conn)

    def put(self, conn: Any) -> None:
        """Waits for the next request of a connection."""
        conn.head.next()
        self.advance(conn)

    def advance(self, conn: Any) -> None:
        """Reads what came of a head, and gives it to a thread if it is whole."""
        if math.isinf(conn.head.since):  # it was sent away
            conn.close()
            return
        progress = conn.head.advance()
        if progress is Progress.READABLE:
            self.server.serve_conn(conn)
        elif progress is Progress.WAITING:
            self._selector.register(conn.socket.fileno(), selectors.EVENT_READ, data=conn)
        else:
            conn.close()

    def _make_room(self) -> None:
        """Beyond the ceiling, one goes for each that comes, of those that are most: who waits longest for a request,
        first of those who have sent nothing of one; or who came last to wait for a thread. Descriptors are left for
        stores and catalog."""
        if len(self.server.open_connections) <= self.server.ceiling:
            return  # at once: there may be thousands
        waiting = [conn for _, conn in self._selector.connections if conn is not self.server]
        staying = [conn for conn in waiting if not math.isinf(conn.head.since)]
        going = len(waiting) - len(staying)
        if len(self.server.open_connections) - going <= self.server.ceiling:
            return
        if len(staying) <= self.server.queued():
            self.server.refuse_last()
            return
        oldest = min(staying, key=lambda conn: (bool(conn.head.seen), conn.head.since))
        oldest.head.since = math.inf
        with contextlib.suppress(OSError):
            oldest.socket.shutdown(socket.SHUT_RDWR)  # its end is seen, and it is closed, like any other's

    def _expire(self) -> None:
        now = time.monotonic()
        late = [(fd, conn) for fd, conn in self._selector.connections if conn is not self.server]
        for descriptor, conn in late:
            if conn.head.deadline < now:
                self._selector.unregister(descriptor)
                conn.head.refuse()
                conn.close()
        self.server.refuse_late()


def ceiling(threads: int) -> int:
    """The most connections, by the descriptors that the process may have: some are left to the store of each thread."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(limit - DESCRIPTORS - DESCRIPTORS_PER_THREAD * threads, limit // 4))
