"""uvicorn for tests: in a thread of this process, on a free port, with either of its parsers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator

import uvicorn

from imgstore.adapters.asgi import Receive, Scope, Send
from tests.support.client import Client

App = Callable[[Scope, Receive, Send], Awaitable[None]]

PARSERS = ("h11", "httptools")
LISTENING = "Listening on"


class Serving:
    """A server under way. `stop` gives requests `grace` seconds, then cancels them."""

    def __init__(self, app: App, *, parser: str = "h11", root_path: str = "", grace: int = 60) -> None:
        self._listener = listener()
        config = uvicorn.Config(
            app, http=parser, loop="asyncio", ws="none", root_path=root_path, log_config=None, access_log=False,
            timeout_graceful_shutdown=grace,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), name="uvicorn")
        self.client = Client(url_of(self._listener))
        self._thread.start()

    def stop(self) -> None:
        """Returns when the server has ended; a no-op the second time."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


@contextlib.contextmanager
def serving(app: App, *, parser: str = "h11", root_path: str = "", grace: int = 60) -> Iterator[Serving]:
    """Inside, it serves."""
    server = Serving(app, parser=parser, root_path=root_path, grace=grace)
    try:
        yield server
    finally:
        server.stop()


def listener() -> socket.socket:
    """A socket that listens on a free port; requests wait there until a server takes them."""
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def url_of(listening: socket.socket) -> str:
    """Where it listens."""
    host, port = listening.getsockname()
    return f"http://{host}:{port}"
