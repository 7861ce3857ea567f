"""The WSGI server of the reference service: cheroot, with strict request bodies (why: `doc/servers.md`).

`100 Continue` is sent at the first read of `wsgi.input`, never before. `stop` lets running requests finish, for a
bounded time.
"""

from __future__ import annotations

import logging
import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as WSGIServer

from imgstore.bulkhead import ASKED_AT
from imgstore.file_spans import SENDS_FILES, FileSpan
from imgstore.http import HostBusy
from imgstore.service.server.connections import Connection, Connections, ceiling
from imgstore.service.server.ending import Ending
from imgstore.service.server.lanes import Lane, LanePool, Load, Pool, request_of
from imgstore.service.server.shutdown import OpenConnections
from imgstore.service.server.tls import TLSAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)


class Gateway(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # the stub says None
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["wsgi.input_terminated"] = True
        environ[ASKED_AT] = self.req.conn.head.whole_at
        environ[SENDS_FILES] = self.req.server.ssl_adapter is None
        if self.req._expect:
            environ["HTTP_EXPECT"] = self.req._expect.decode("latin-1")
        return environ

    def respond(self) -> None:
        """As cheroot's, and with spans of files."""
        response = self.req.server.wsgi_app(self.env, self.start_response)
        try:
            for chunk in response:
                if isinstance(chunk, FileSpan):
                    self.req.write_span(chunk)
                elif chunk:
                    self.write(chunk)
        finally:
            self.req.ensure_headers_sent()
            if hasattr(response, "close"):
                response.close()


class Server(WSGIServer):
    """Serves `app`, `threads` requests at a time, and in each of the `lanes` as many as it has threads. `read_timeout`
    and `grace` in seconds; `share_port`: other processes may listen there too; `backlog`: connections that may wait to
    be accepted; `tls`: https and nothing else."""

    ConnectionClass = Connection
    max_request_header_size = 1 << 16
    keep_alive_conn_limit = 100
    _connections: Connections

    def __init__(
        self,
        address: tuple[str, int],
        app: WSGIApplication,
        *,
        threads: int,
        read_timeout: float,
        grace: float,
        share_port: bool = False,
        backlog: int = 128,
        tls: ssl.SSLContext | None = None,
        lanes: Sequence[Lane] = (),
    ) -> None:
        self.open_connections = OpenConnections()
        self.ceiling = ceiling(threads + sum(lane.threads for lane in lanes))
        super().__init__(address, app, numthreads=threads, request_queue_size=backlog, reuse_port=share_port)
        self.requests: Pool = Pool(self, threads=threads)
        self._lanes = [LanePool(self, lane) for lane in lanes]
        self.ssl_adapter = None if tls is None else TLSAdapter(tls)
        self.gateway = Gateway
        self.timeout = read_timeout
        self.ending = Ending(grace)
        self._is_stopping = False

    def prepare(self) -> None:
        """Opens the socket. Raises OSError."""
        super().prepare()
        self._connections.close()
        self._connections = Connections(self)
        for lane in self._lanes:
            lane.requests.start()

    def serve_conn(self, conn: Any) -> None:
        """Gives a connection whose request has come to the threads that serve it."""
        method, path = request_of(conn.head.seen)
        for pool in self._lanes:
            if pool.lane.takes(method, path):
                conn.short_bodies = True
                pool.requests.put(conn)
                return
        conn.short_bodies = False
        self.requests.put(conn)

    def refuse_late(self) -> None:
        """Refuses the requests that waited for a thread as long as this server waits for a client."""
        before = time.monotonic() - self.timeout
        for pool in self._pools():
            for conn in pool.waiting.late(before):
                LOG.warning(
                    "No thread became free for a request: it waited %s s, and is refused", round(self.timeout, 1)
                )
                conn.refuse(HostBusy())

    def queued(self) -> int:
        """How many requests wait for a thread where most do."""
        return max(pool.waiting.qsize() for pool in self._pools())

    def refuse_last(self) -> None:
        """Refuses the request that came last, where most wait for a thread: its descriptor is needed."""
        for conn in max(self._pools(), key=lambda pool: pool.waiting.qsize()).waiting.last():
            LOG.warning("No thread became free for a request: there are too many connections, and it is refused")
            conn.refuse(HostBusy(), at_once=True)

    def cut(self) -> None:
        """What no thread has is refused, or one would begin with it; what is under way fails, and undoes itself."""
        for pool in self._pools():
            for conn in pool.waiting.late(math.inf):
                conn.refuse(HostBusy(), at_once=True)
        self.open_connections.cut()

    def _pools(self) -> list[Pool]:
        return [self.requests, *(pool.requests for pool in self._lanes)]

    @property
    def renew_tls(self) -> Callable[[ssl.SSLContext], None] | None:
        """Takes another context for the connections that come; None without TLS."""
        return None if self.ssl_adapter is None else self.ssl_adapter.renew

    @property
    def url(self) -> str:
        """Where the server listens, after `prepare`."""
        host, port = self.bind_addr[:2]
        scheme = "http" if self.ssl_adapter is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in str(host) else f"{scheme}://{host}:{port}"

    def threads(self) -> tuple[int, int]:
        """How many threads for uploads and downloads are busy, and how many there are."""
        load = self.requests.load()
        return load.busy, load.size

    def lanes(self) -> Mapping[str, Load]:
        """What each lane has to do; the server's own threads are `transfers`."""
        return {"transfers": self.requests.load(), **{pool.lane.name: pool.requests.load() for pool in self._lanes}}

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        LOG.log(level, "%s", msg, exc_info=traceback)

    def stop(self) -> None:
        """Accepts no more, lets requests finish, and cuts them in time for the end of the grace period. May be called
        on any thread."""
        ending = self.ending
        ending.begin()
        if not self._is_stopping:
            LOG.info(
                "Stopping: what is under way has %.1f s (%s connections)", ending.cut, len(list(self.open_connections))
            )
        self._is_stopping = True
        timer = threading.Timer(ending.left(ending.cut), self.cut)
        timer.daemon = True
        timer.start()
        try:
            super().stop()
            for lane in self._lanes:
                lane.requests.stop()
        finally:
            timer.cancel()
