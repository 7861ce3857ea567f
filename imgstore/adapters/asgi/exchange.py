"""One request and its answer as ASGI 3 messages, so that the application deals with bytes and errors only.

Refuse early: nothing is received before the application asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeAlias

from imgstore import errors
from imgstore.adapters.asgi.pipes import UploadPipe
from imgstore.adapters.asgi.thread import dismiss
from imgstore.adapters.resource import announce_body
from imgstore.http import Response, body_failure
from imgstore.http.pace import Pace

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

PIECE = 64 * 1024
"""Bytes of a download in one message: a server says nothing of how many of them the client has taken."""

LONGEST_SLEEP = 3600.0
LINGER_SECONDS = 2.0
LINGER_BYTES = 256 << 20
"""How long, and how much, is still read of a refused request's body: closing a connection with
unread bytes resets it, and the client may lose the answer. The reference service's server has the same bounds."""


class Exchange:
    """`started`: the answer has begun, so another one cannot be sent. `asked_at`: when the request came. `timeout`: how
    long one wait for the client may take, in seconds, and that it has a least rate (`imgstore.http.pace`); None:
    neither."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, timeout: float | None = None) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.headers = request_headers(scope)
        self.started = False
        self.asked_at = time.monotonic()
        self._receive = receive
        self._send = send
        self._asked = False
        self._body_ended = False
        self._left = False
        self._timeout = timeout
        self._receiving, self._sending = (None if timeout is None else Pace(timeout) for _ in range(2))
        self._sends_since: float | None = None

    async def receive_into(self, pipe: UploadPipe) -> None:
        """Moves the body into `pipe`, as far as its session wants it. Any failure ends the session, which raises it:
        BodyBroken if the client disconnects, BodyStalled if it is too slow."""
        try:
            left = await pipe.begun()
            while left > 0 and not self._body_ended:
                await pipe.room()
                if chunk := self._taken(await self._next_message()):
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
        """Returns when the client has disconnected; ignores what it sends until then. A host that puts a body back
        tells of it at each call, at once and without end: it is asked no more, or nothing else would have its turn."""
        while not self._left:
            ended = self._body_ended
            self._taken(await self._receive())
            await (asyncio.Event().wait() if ended and not self._left else asyncio.sleep(0))

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

    async def deliver(self, chunk: bytes) -> None:
        """Sends the next bytes of a long body. Raises BodyStalled for a client that takes them too slowly."""
        for start in range(0, len(chunk), PIECE):
            piece = chunk[start : start + PIECE]
            self._sends_since = since = time.monotonic()
            await self.send(piece, more=True)
            self._sends_since = None
            if self._sending is not None:
                with _timely(_taken_too_slowly):
                    self._sending.moved(len(piece), since=since)

    async def expect_progress(self) -> None:
        """Never returns. Raises BodyStalled where one send takes too long."""
        longest = math.inf if self._sending is None else self._sending.longest_for(PIECE)
        left = longest
        while left > 0:
            await asyncio.sleep(min(left, LONGEST_SLEEP))
            since = self._sends_since
            left = longest if since is None else since + longest - time.monotonic()
        raise _taken_too_slowly(TimeoutError())

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

    async def _next_message(self) -> Message:
        self._asked = True
        since = time.monotonic()
        message = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait([message], timeout=self._timeout)
        finally:
            if not message.done():
                await dismiss(message)
        if message.cancelled():
            raise body_failure(TimeoutError())
        result = message.result()
        if self._receiving is not None:
            with _timely(body_failure):
                self._receiving.moved(len(result.get("body", b"")), since=since)
        return result

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


@contextlib.contextmanager
def _timely(failure: Callable[[BaseException], errors.RequestError]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise failure(error) from error


def _taken_too_slowly(error: BaseException) -> errors.RequestError:
    return errors.BodyStalled("The client takes the image too slowly.", detail=type(error).__name__)


def request_headers(scope: Scope) -> dict[str, str]:
    """The request's headers with names in lower case; repeated headers are joined with commas (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    announce_body(headers, http_version=scope["http_version"])
    return headers
