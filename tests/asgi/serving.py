"""uvicorn for tests: in a thread of this process, on a free port, with either of its parsers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable

import uvicorn

from imgstore.adapters.asgi import Receive, Scope, Send
from tests.support.client import Client
from tests.support.running import Running

App = Callable[[Scope, Receive, Send], Awaitable[None]]

PARSERS = ("h11", "httptools")


class Serving(Running):
    """Serves inside `with`. `stop` gives requests `grace` seconds, then cancels them."""

    def __init__(self, app: App, *, parser: str = "h11", root_path: str = "", grace: int = 60) -> None:
        config = uvicorn.Config(
            app, http=parser, loop="asyncio", ws="none", root_path=root_path, log_config=None, access_log=False,
            timeout_graceful_shutdown=grace,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)  # requests wait there for the server
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), name="uvicorn")
        self.client = Client("http://{}:{}".format(*self._listener.getsockname()))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
