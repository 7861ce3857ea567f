"""Connections to Swift, kept for further requests: swiftclient's, each for one request at a time.

swiftclient's `Connection` is not made for threads, so this pool lends its lower half, `HTTPConnection`, to one request
after the other: most recently used first, at most `keep` idle ones. A body that is being read keeps its connection
until it is closed. A connection that failed is not used again. Memory: sockets only.

Every wait on a socket keeps the bounds of the thread that waits (`imgstore.driver.deadline`). `connect_timeout` bounds
the connecting alone.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlparse

import requests
from requests.adapters import HTTPAdapter
from swiftclient import client  # type: ignore[import-untyped]  # it comes without types
from swiftclient.utils import LengthWrapper  # type: ignore[import-untyped]  # the same
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from imgstore.driver.bounded_http import bounded_pools, close_pools
from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.drivers.swift.options import SwiftOptions

PIECE = 1024 * 1024
_POOLS = bounded_pools(HTTPConnectionPool, HTTPSConnectionPool)

# No secrets: by default swiftclient logs up to half of a short one.
client.logger_settings["reveal_sensitive_prefix"] = 0

Timeouts = tuple[float, float]
HttpConnection = tuple[Any, Any]
"""As swiftclient's functions take it: the URL, parsed, and the connection."""


class Pool(OfOneProcess):
    """Connections to the servers of one store, for all its threads. A child of a fork has others."""

    def __init__(self, options: SwiftOptions, *, keep: int) -> None:
        super().__init__()
        self._options = {"insecure": options.insecure, "cacert": options.cacert}
        self._timeouts = timeouts_of(options)
        self._keep = keep
        self._lock = ProcessLock()
        self._idle: list[HttpConnection] = []
        self._closed = False

    def take(self, url: str) -> HttpConnection:
        """A connection to the server of `url`; `give_back` or `drop` it."""
        parts = urlparse(url)
        with self._lock:
            for number in range(len(self._idle) - 1, -1, -1):
                parsed, connection = self._idle[number]
                if (parsed.scheme, parsed.netloc) == (parts.scheme, parts.netloc):
                    del self._idle[number]
                    return parts, connection
        opened: HttpConnection = client.http_connection(url, **self._options)
        opened[1].requests_args["allow_redirects"] = False  # no secrets: the token would follow to any host
        bound(opened[1].request_session, self._timeouts)
        return opened

    def give_back(self, connection: HttpConnection) -> None:
        """Its last answer was read, or closed: it may serve again."""
        _forget_answer(connection)
        with self._lock:
            unwanted = [connection] if self._closed else []
            if not unwanted:
                self._idle.append(connection)
                unwanted = self._idle[: -self._keep]
                del self._idle[: -self._keep]
        for each in unwanted:
            self.drop(each)

    def drop(self, connection: HttpConnection) -> None:
        """Closes it."""
        close_sockets(connection[1].request_session)
        connection[1].close()
        _forget_answer(connection)

    def close(self) -> None:
        """Closes what is idle, and from now on what is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            self.drop(connection)

    def _forked(self) -> None:
        self._idle = []


def _forget_answer(connection: HttpConnection) -> None:
    """swiftclient keeps the last answer, which keeps its request, which keeps the segment that was sent."""
    connection[1].resp = None


class _BoundedAdapter(HTTPAdapter):
    """requests' way to a server, over connections that keep bounds. `timeouts`: of connecting, of an answer."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As requests calls it."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """The same where the environment names a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        """Whatever timeout the caller thinks of."""
        return super().send(*arguments, **{**options, "timeout": self._timeouts})


def timeouts_of(options: SwiftOptions) -> Timeouts:
    """Seconds for connecting, and for an answer."""
    return options.connect_timeout, options.read_timeout


def bound(session: requests.Session, timeouts: Timeouts) -> requests.Session:
    """From now on the session keeps bounds."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, _BoundedAdapter(timeouts))
    return session


def close_sockets(session: requests.Session) -> None:
    """Closes the idle sockets of a session now, which its own `close` does not."""
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                close_pools(manager)


class Slices(LengthWrapper):  # type: ignore[misc]  # swiftclient comes without types
    """Bytes in memory as the body of one request: handed to the socket in slices of PIECE bytes, none of them copied.

    A LengthWrapper, because swiftclient passes those on as they are. It cannot be rewound: another try has another.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._sent = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> memoryview:
        """The next slice, whatever `size` is: http.client would ask for 16 KiB, which costs a system call each."""
        piece = self._data[self._sent : self._sent + PIECE]
        self._sent += len(piece)
        return piece


class HashedSlices(Slices):
    """The same; `md5` has seen whatever was handed to the socket."""

    def __init__(self, data: memoryview) -> None:
        super().__init__(data)
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> memoryview:
        """The next slice."""
        piece = super().read(size)
        self.md5.update(piece)
        return piece
