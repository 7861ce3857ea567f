"""The proxy: a thread for each connection of a client, and a new connection to the server for each request.

The request goes to the server as it came, with its Host, which signatures and the addresses in answers rest on.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import h11

from imgstore.testing.faults.exchange import Broken, Exchange
from imgstore.testing.faults.faults import Fault
from imgstore.testing.faults.listener import Listener
from imgstore.testing.faults.peer import TIMEOUT, Peer
from imgstore.testing.faults.rules import Pattern, Rule, Script
from imgstore.testing.faults.seen import Seen

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE = 60.0
"""Seconds after which a test fails that waits for requests."""
QUIET = 0.3
"""Seconds without a byte after which a client is taken for one that waits."""
PORTS = {"http": 80, "https": 443}


class FaultProxy:
    """Stands before the server at `upstream`, a URL, on a free port of 127.0.0.1; use it as a context manager.

    `tls`: files of certificate and key, to be https. A server that is https itself is not asked who it is. It
    serves many clients at a time.
    """

    def __init__(self, upstream: str, *, tls: tuple[Path, Path] | None = None) -> None:
        self.upstream = urllib.parse.urlsplit(upstream)
        self._script = Script()
        self._stopping = threading.Event()
        self._listener = Listener(self._serve, tls=tls)

    @property
    def url(self) -> str:
        """Where it listens, with the path of `upstream`."""
        return f"{self._listener.scheme}://127.0.0.1:{self._listener.port}{self.upstream.path}"

    @property
    def requests(self) -> list[Seen]:
        """All requests so far, in the order of their coming."""
        return self._script.all()

    @property
    def in_flight(self) -> list[Seen]:
        """The requests that are under way; one that was answered, or given up, may be among them a little longer."""
        return [seen for seen in self.requests if not seen.ended]

    def wait_until(self, count: int, *, method: str | None = None, path: str = "", query: str = "") -> None:
        """Returns when there were so many requests like this; they may be under way."""
        _until(lambda: self.count(method=method, path=path, query=query) >= count, lambda: f"{count} such requests")

    def wait_until_idle(self) -> None:
        """Returns when no request is under way."""
        _until(lambda: not self.in_flight, self._under_way)

    def wait_until_quiet(self) -> None:
        """Returns when no request is under way but those that wait for their client, as an upload in one request does
        until its commit."""
        _until(_Quiet(self), self._under_way)

    def _under_way(self) -> str:
        return f"the end of {', '.join(f'{seen.method} {seen.path}' for seen in self.in_flight)}"

    def on(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str = "",
        query: str = "",
        skip: int = 0,
        times: int | None = 1,
    ) -> Rule:
        """From now on `fault` happens to requests like this; returns the rule, whose `hits` tell how often."""
        rule = Rule(fault, Pattern(method, path, query), skip, times)
        self._script.add(rule)
        return rule

    def heal(self) -> None:
        """Forgets all rules."""
        self._script.forget_rules()

    def seen(self, *, method: str | None = None, path: str = "", query: str = "") -> list[Seen]:
        """The requests like this so far."""
        pattern = Pattern(method, path, query)
        return [seen for seen in self.requests if pattern.matches(seen)]

    def count(self, *, method: str | None = None, path: str = "", query: str = "") -> int:
        """How many requests like this there were so far."""
        return len(self.seen(method=method, path=path, query=query))

    def start(self) -> None:
        """Begins to listen."""
        self._listener.start()

    def stop(self) -> None:
        """Ends all connections, and what is under way. Its threads are gone afterwards."""
        self._stopping.set()
        self._listener.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _serve(self, connection: socket.socket) -> None:
        """All requests on a connection."""
        client = Peer(connection, h11.SERVER)
        try:
            while isinstance(request := client.next(), h11.Request):
                self._exchange(client, request)
                if client.http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    break
                client.http.start_next_cycle()
        except Broken as broken:
            if broken.reset:
                client.reset()
        except (OSError, h11.RemoteProtocolError):
            client.reset()
        finally:
            client.close()

    def _exchange(self, client: Peer, request: h11.Request) -> None:
        seen = _seen(request)
        try:
            exchange = Exchange(client, request, seen, self._stopping)
            for fault in self._script.faults(seen):
                fault.apply(exchange)
            if not exchange.answered:
                with self._connection() as server:
                    exchange.forward(server)
        finally:
            seen.ended = True

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Peer]:
        address = (self.upstream.hostname or "", self.upstream.port or PORTS[self.upstream.scheme])
        connection = socket.create_connection(address, timeout=TIMEOUT)
        if self.upstream.scheme == "https":
            connection = _unasked_trust().wrap_socket(connection)
        server = Peer(connection, h11.CLIENT)
        try:
            yield server
        finally:
            server.reset()  # in the middle, so that the server does not take for whole what it has


class _Quiet:
    """Whether the clients of all requests under way have sent a part of their body, and nothing for QUIET seconds."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._received: list[int] = []
        self._since = time.monotonic()

    def __call__(self) -> bool:
        under_way = self._proxy.in_flight
        received = [seen.received for seen in self._proxy.requests]
        if received != self._received or any(seen.whole for seen in under_way):
            self._received, self._since = received, time.monotonic()
        return not under_way or time.monotonic() - self._since > QUIET


def _until(look: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, f"Waited {PATIENCE:.0f} seconds in vain for {what()}."
        time.sleep(0.01)


def _seen(request: h11.Request) -> Seen:
    path, _, query = request.target.decode("ascii").partition("?")
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers}
    return Seen(request.method.decode("ascii"), path, query, headers)


def _unasked_trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
