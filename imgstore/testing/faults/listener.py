"""A server in this process, for what no real server does at will: a thread for each connection, on a free port."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0


class Listener:
    """Calls `serve` with each connection to `port` of 127.0.0.1, on a thread of its own, and closes it afterwards.

    `tls`: files of certificate and key, to speak TLS. What `serve` raises, but OSError, fails the test, as
    pytest does with the exceptions of threads.
    """

    def __init__(self, serve: Callable[[socket.socket], None], *, tls: tuple[Path, Path] | None = None) -> None:
        self._serve = serve
        self._tls = None if tls is None else _context(tls)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._accepting = threading.Thread(target=self._accept, name="accept")
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._stopped = False
        self.port: int = self._listening.getsockname()[1]
        self.scheme = "http" if tls is None else "https"

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._open)

    def start(self) -> None:
        """Begins to accept; what connects before waits."""
        self._accepting.start()

    def stop(self) -> None:
        """Ends all connections; when it returns, its threads have ended."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes accept, which close does not
        _join(self._accepting)
        self._listening.close()
        with self._lock:
            self._stopped = True
            left = dict(self._open)
        for connection in left.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            _join(thread)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(connection,), name="serve")
            with self._lock:
                self._open[thread] = connection
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        thread = threading.current_thread()
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open[thread] = connection
                    if self._stopped:
                        return
            self._serve(connection)
        except OSError:
            pass  # the other side went
        finally:
            connection.close()
            with self._lock:
                del self._open[thread]


def _join(thread: threading.Thread) -> None:
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"{thread.name} does not end"


def _context(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context
