"""Connections of urllib3 that keep the bounds of the thread that uses them, for drivers whose SDK is built on urllib3.

`connect_timeout` bounds the connecting alone: what is sent and received afterwards is bounded by the pace and the
deadline of the operation (`imgstore.driver.deadline`).
"""

from __future__ import annotations

import logging
import socket
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from imgstore.driver import deadline
from imgstore.driver.loggers import quiet
from imgstore.driver.sockets import BoundedSocket, BoundedTlsSocket


class _BoundedConnection(HTTPConnection):
    """Mixed into a class of connections, before it."""

    ssl_context: Any
    cert_reqs: Any

    def _new_conn(self) -> socket.socket:
        left = deadline.left()
        if self.timeout is None or self.timeout > left:
            self.timeout = max(left, 0.001) if left != float("inf") else None
        return BoundedSocket.of(super()._new_conn())


class _BoundedTlsConnection(_BoundedConnection):
    """The same for TLS."""

    def connect(self) -> None:
        """Connects by sockets of ours."""
        if self.ssl_context is None:
            self.ssl_context = create_urllib3_context(cert_reqs=resolve_cert_reqs(self.cert_reqs))
        self.ssl_context.sslsocket_class = BoundedTlsSocket
        super().connect()


def bounded_pools(plain: type[HTTPConnectionPool], tls: type[HTTPConnectionPool]) -> dict[str, Any]:
    """The pools by scheme, for `PoolManager.pool_classes_by_scheme`: those of an SDK, with connections of ours.
    urllib3's warnings are turned off, which show whole URLs: of headers that are none, of a pool that is full."""
    quiet(logging.ERROR, "urllib3")
    return {"http": _bounded(plain, _BoundedConnection), "https": _bounded(tls, _BoundedTlsConnection)}


def _bounded(pool: type[HTTPConnectionPool], mixin: type) -> type[HTTPConnectionPool]:
    connection = type(pool.ConnectionCls.__name__, (mixin, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def close_pools(manager: PoolManager) -> None:
    """Closes the idle connections of a manager now, and those in use when they come back. Its own `clear` leaves them
    to whoever frees the pool, which a traceback or a cycle may keep until the collector of garbage comes by."""
    for key in manager.pools.keys():  # noqa: SIM118 - it is no mapping that can be iterated
        manager.pools[key].close()
    manager.clear()
