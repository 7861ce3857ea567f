"""One request through either adapter, in process and called as its server calls it: a scripted body, a whole answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imgstore.adapters import asgi, wsgi
from tests.asgi import calling
from tests.http import environ
from tests.http.house import House

Step = bytes | BaseException
PUT = {"content_type": "application/octet-stream", "accept": "application/json", "expect": "100-continue"}
STALL = 0.01


@dataclass
class Answer:
    """`reads`: how often the body was read; `sizes`: by how many bytes, where a server is told."""

    status: int
    headers: dict[str, str]
    body: bytes
    reads: int
    sizes: tuple[int, ...] = ()

    @property
    def message(self) -> str:
        """Of an error that was asked for in JSON."""
        text: str = json.loads(self.body)["message"]
        return text


Call = Callable[..., Answer]
"""`call(house, method, path, *steps, query, version, received, changes, settings, **headers)`, see `through_wsgi`."""


def project(request: Mapping[str, Any]) -> object:
    """The context: the project that X-Project-Id names; None sees everything."""
    return request.get("HTTP_X_PROJECT_ID")


def through_wsgi(
    house: House, method: str, path: str, *steps: Step, query: str = "", version: str = "1.1",
    received: list[bytes] | None = None, changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None, **headers: str,
) -> Answer:  # fmt: skip
    """`steps` are the pieces of the body; an exception breaks it. The pieces of the answer's body go to `received` as
    they come. `changes` are the environment's, `settings` the application's; header names are keywords."""
    body = environ.ScriptedInput(*steps)
    request = environ.environ(method, path, body, query=query, **headers) | {"SERVER_PROTOCOL": f"HTTP/{version}"}
    app = wsgi.ImageDataApp(house.data, **{"context": project} | dict(settings or {}))
    started = environ.start(app, request | dict(changes or {}))
    received = [] if received is None else received
    try:
        received.extend(started.body)
    finally:
        environ.close(started.body)
    return Answer(*started.heads[0], b"".join(received), len(body.reads), tuple(body.reads))


class _Server(calling.Peer):
    def __init__(self, steps: tuple[Step, ...], received: list[bytes]) -> None:
        super().__init__(*(calling.body(step) for step in steps if isinstance(step, bytes)))
        self._broken = next((step for step in steps if isinstance(step, BaseException)), None)
        self._received = received

    async def receive(self) -> asgi.Message:
        if self._messages or isinstance(self._broken, TimeoutError):
            return await super().receive()
        if isinstance(self._broken, ConnectionResetError):
            return calling.DISCONNECT
        if self._broken is not None:
            raise self._broken
        self._broken = TimeoutError()  # the body ends, and the client stays
        self.received += 1
        return calling.body(b"", more=False)

    async def send(self, message: asgi.Message) -> None:
        await super().send(message)
        self._received.append(message.get("body", b""))


def through_asgi(
    house: House, method: str, path: str, *steps: Step, query: str = "", version: str = "1.1",
    received: list[bytes] | None = None, changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None, **headers: str,
) -> Answer:  # fmt: skip
    """See `through_wsgi`: ConnectionResetError is a client that disconnects, TimeoutError one that stalls."""
    scope = calling.scope(method, path, query=query.encode(), **headers) | {"http_version": version, **(changes or {})}
    stalls = any(isinstance(step, TimeoutError) for step in steps)
    app = calling.app(house, **{"body_timeout": STALL if stalls else 60} | dict(settings or {}))
    peer = _Server(steps, [] if received is None else received)
    asyncio.run(app(scope, peer.receive, peer.send))
    return Answer(peer.status, peer.headers, peer.body, peer.received)


GATEWAYS: dict[str, Call] = {"wsgi": through_wsgi, "asgi": through_asgi}
