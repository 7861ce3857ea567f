"""One request and its answer as ASGI 3 messages, so that the application deals with bytes and errors only.

Refuse early: nothing is received before the application asks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeAlias

from imgstore.adapters.asgi.pipes import UploadPipe
from imgstore.adapters.asgi.thread import dismiss
from imgstore.adapters.resource import announce_body
from imgstore.http import Response, body_failure

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

LINGER_SECONDS = 2.0
LINGER_BYTES = 256 << 20
"""How long, and how much, is still read of a refused request's body: closing a connection with
unread bytes resets it, and the client may lose the answer. The reference service's server has the same bounds."""


class Exchange:
    """`started`: the answer has begun, so another one cannot be sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.headers = request_headers(scope)
        self.started = False
        self._receive = receive
        self._send = send
        self._asked = False
        self._body_ended = False
        self._left = False

    async def receive_into(self, pipe: UploadPipe, *, timeout: float | None) -> None:
        """Moves the body into `pipe`, as far as its session wants it. Any failure ends the session, which raises it:
        BodyBroken if the client disconnects, BodyStalled if nothing comes for `timeout` seconds (None: no limit)."""
        try:
            left = await pipe.begun()
            while left > 0 and not self._body_ended:
                await pipe.room()
                if chunk := self._taken(await self._next_message(timeout)):
                    pipe.put(chunk[:left])
                    left -= len(chunk)
                elif self._left:
                    raise body_failure(ConnectionResetError())
            pipe.end()
        except asyncio.CancelledError:
            pipe.stop()
            raise
        except Exception as error:  # noqa: BLE001 - raised by the session's thread
            pipe.fail(error)

    async def client_left(self) -> None:
        """Returns when the client has disconnected; ignores what it sends until then."""
        while not self._left:
            self._taken(await self._receive())

    async def answer(self, response: Response) -> None:
        """Sends a short answer. If the body has not ended, it is read on for a while."""
        lingering = self._must_linger(response)
        with self.forgiven_if_left():
            await self.start(response)
            await self.send(b"".join(response.body), more=lingering)
            if lingering:
                await self._linger()
                await self.send(b"", more=False)

    async def start(self, response: Response) -> None:
        """Sends status and headers."""
        self.started = True
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        if response.closing and self._is_http_1:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def send(self, chunk: bytes, *, more: bool) -> None:
        """Sends the next bytes of the answer's body, and says whether they were the last ones."""
        body = b"" if self.method == "HEAD" else chunk
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    @contextlib.contextmanager
    def forgiven_if_left(self) -> Iterator[None]:
        """Around what sends: some servers raise OSError for a client that has left, which is not a failure."""
        try:
            yield
        except OSError:
            if not self._left:
                raise

    def _taken(self, message: Message) -> bytes:
        """The body's bytes in `message`; also notes whether the body has ended or the client has left."""
        self._left = message["type"] == "http.disconnect"
        self._body_ended = not (self._left or message.get("more_body", False))
        return bytes(message.get("body", b""))

    async def _next_message(self, timeout: float | None) -> Message:
        self._asked = True
        message = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait([message], timeout=timeout)
        finally:
            if not message.done():
                await dismiss(message)
        if message.cancelled():
            raise body_failure(TimeoutError())
        return message.result()

    @property
    def _is_http_1(self) -> bool:
        return str(self.scope["http_version"]).startswith("1")

    def _must_linger(self, response: Response) -> bool:
        waits = not self._asked and self.headers.get("expect", "").lower() == "100-continue"
        return response.closing and self._is_http_1 and not (self._body_ended or self._left or waits)

    async def _linger(self) -> None:
        drain = asyncio.ensure_future(self._drain())
        try:
            await asyncio.wait([drain], timeout=LINGER_SECONDS)
        finally:
            await dismiss(drain)

    async def _drain(self) -> None:
        left = LINGER_BYTES
        while left > 0 and not (self._body_ended or self._left):
            left -= len(self._taken(await self._receive()))


def request_headers(scope: Scope) -> dict[str, str]:
    """The request's headers with names in lower case; repeated headers are joined with commas (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    announce_body(headers, http_version=scope["http_version"])
    return headers
