"""The application called as a server calls it: scripted messages in, the answer's messages out."""

from __future__ import annotations

import asyncio
from typing import Any

from imgstore.adapters.asgi import ImageDataApp, Message, Scope
from tests.http.house import House, path

OCTETS = "application/octet-stream"
SETTLED = 1000
"""Turns of the event loop after which nothing moves that does not wait for a thread or a time."""


def body(chunk: bytes, *, more: bool = True) -> Message:
    """A message of the request's body."""
    return {"type": "http.request", "body": chunk, "more_body": more}


DISCONNECT: Message = {"type": "http.disconnect"}


class Peer:
    """The server's side of one request: gives `messages` one by one, then nothing until `disconnect` is called."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self._left = asyncio.Event()
        self.received = 0
        self.sent: list[Message] = []

    def disconnect(self) -> None:
        """The client goes away after the messages."""
        self._left.set()

    async def receive(self) -> Message:
        if self._messages:
            self.received += 1
            return self._messages.pop(0)
        await self._left.wait()
        return DISCONNECT

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        pairs = [(name.decode(), value.decode()) for name, value in self.sent[0]["headers"]]
        assert all(name == name.lower() for name, _ in pairs)
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    @property
    def body(self) -> bytes:
        """Of an answer that is complete."""
        start, *rest = self.sent
        assert start["type"] == "http.response.start"
        assert [message["more_body"] for message in rest] == [True] * (len(rest) - 1) + [False]
        return b"".join(message["body"] for message in rest)


def scope(method: str, path: str, *, query: bytes = b"", root: str = "", **headers: str) -> dict[str, Any]:
    """Header names as keywords: `content_type`."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": root,
        "query_string": query,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


def put(image_id: str, **headers: str) -> dict[str, Any]:
    """A PUT with the right media type, and answers in JSON, unless the headers say otherwise."""
    sent = {"content_type": OCTETS, "accept": "application/json"} | headers
    return scope("PUT", path(image_id), query=b"", root="", **sent)


def project(request: Scope) -> object:
    """The project that X-Project-Id names; None sees everything."""
    return dict(request["headers"]).get(b"x-project-id", b"").decode() or None


def app(house: House, **settings: Any) -> ImageDataApp:
    """The application on these services."""
    return ImageDataApp(house.data, **{"context": project} | settings)


def call(application: ImageDataApp, request: Scope, *messages: Message) -> Peer:
    """One request from a client that stays; its answer is complete."""

    async def run() -> Peer:
        peer = Peer(*messages)
        await application(request, peer.receive, peer.send)
        return peer

    return asyncio.run(run())


async def turn() -> None:
    """Lets the event loop do whatever it can do by itself."""
    for _ in range(SETTLED):
        await asyncio.sleep(0)
