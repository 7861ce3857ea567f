"""`/v2/images/{image_id}/file` as an ASGI 3 application on asyncio, to be mounted in any host.

One thread owns a session from begin to end. The event loop passes bytes to it or from it, and never waits for a store.
Refuse early: nothing is received before all checks passed, so a server that answers `Expect: 100-continue` at the first
receive refuses a doomed request without its body. Right blame: a client that disconnects during its upload is
BodyBroken; a client that sends nothing for `body_timeout`, or hardly anything, is BodyStalled.

Contained: so is a client that takes its download too slowly, which is then cut (`imgstore.http.pace`).

Undone: a cancellation (of the task, or when the server stops) ends the session after the store's current call has
returned, never before, and is raised when everything is undone and the thread has ended. Never short: a download that
fails in the middle raises, and the server must cut the connection, as the common servers do.

Bounded memory, besides what the session says of itself and what the server buffers:
- an upload: less than `window` bytes and one of the server's messages, including those that the store is writing;
- a download: `read_ahead` + 1 chunks of 1 MiB;
- in total, at most `threads` times the larger of the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from imgstore import errors
from imgstore.adapters.asgi.bridge import SERVING
from imgstore.adapters.asgi.exchange import Exchange, Receive, Scope, Send
from imgstore.adapters.asgi.pipes import DownloadPipe, UploadPipe
from imgstore.adapters.asgi.thread import Worker, dismiss
from imgstore.adapters.resource import image_id_below, require_resource
from imgstore.bulkhead import asked_at
from imgstore.driver.translate import function_failures
from imgstore.host_answers import require_kind, require_plain
from imgstore.http import HostBusy, ImageData, Response, error_response
from imgstore.model import MIB


def image_id_of_path(scope: Scope) -> str | None:
    """The image's identifier if the request is for `/v2/images/{image_id}/file`, else None. The application may be
    mounted anywhere. `path` may include `root_path` (as the specification says) or not (as in some frameworks)."""
    root, path = scope.get("root_path", ""), scope["path"]
    whole = path == root or path.startswith(root.rstrip("/") + "/")
    return image_id_below(root, path[len(root) :] if whole else path)


class ImageDataApp:
    """The ASGI application; one for a whole event loop.

    `context` makes the host's own context of a request and may raise Unauthenticated (or any error of the library); a
    plain function is called on a thread, a coroutine function in the event loop. `image_id` returns the identifier of
    the image, or None for any other path; it must not block. `window` (bytes) and `read_ahead` (chunks) bound the
    memory, see above. `threads` requests are served at a time; more wait, for `body_timeout` seconds (HostBusy).
    `body_timeout`: seconds without a byte of the body before the answer is 408, and it turns on the least rate in both
    directions; None: the server has limits of its own, and a wait for a thread has none.
    """

    def __init__(
        self,
        data: ImageData,
        *,
        context: Callable[[Scope], object],
        image_id: Callable[[Scope], str | None] = image_id_of_path,
        window: int = MIB,
        read_ahead: int = 2,
        threads: int = 64,
        body_timeout: float | None = 60.0,
    ) -> None:
        if min(window, read_ahead, threads) < 1:
            raise errors.UsageError("window, read_ahead and threads must be 1 or more.")
        if body_timeout is not None and body_timeout <= 0:
            raise errors.UsageError("body_timeout must be more than 0 seconds, or None where there is no limit.")
        require_kind(data, ImageData, name="data")
        require_plain(image_id, name="image_id")
        self._data = data
        self._context = context
        self._image_id = image_id
        self._window = window
        self._read_ahead = read_ahead
        self._places = asyncio.Semaphore(threads)
        self._body_timeout = body_timeout
        self._under_way: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            SERVING.set(asyncio.get_running_loop())
            with self._noted():
                await self._answer(Exchange(scope, receive, send, timeout=self._body_timeout))
        else:
            raise errors.UsageError(f"Image data is served over HTTP, not over {scope['type']}.")

    async def settle(self) -> None:
        """Returns when no request is under way: call it at shutdown, before the stores are closed. A server may have
        cancelled requests without waiting for them."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol, for an application that is not mounted in another one."""
        event = ""
        while event != "lifespan.shutdown":
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                await self.settle()
            await send({"type": f"{event}.complete"})

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(over)
        try:
            yield
        finally:
            self._under_way.discard(over)
            over.set_result(None)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            async with self._place():
                await self._serve(exchange)
        except errors.ImgstoreError as error:
            if exchange.started:
                raise
            await exchange.answer(error_response(error, exchange.headers))

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the places for requests. Raises HostBusy."""
        taking = asyncio.ensure_future(self._places.acquire())
        try:
            await asyncio.wait([taking], timeout=self._body_timeout)
            if not taking.done():
                raise HostBusy
            yield
        finally:
            taking.cancel()
            taking.add_done_callback(self._give_back)

    def _give_back(self, taking: asyncio.Future[Any]) -> None:
        if not taking.cancelled():
            self._places.release()

    async def _serve(self, exchange: Exchange) -> None:
        with function_failures("image_id"):
            image_id = require_resource(self._image_id(exchange.scope), exchange.method)
        with function_failures("context"):
            context = await self._context_of(exchange.scope)
        if exchange.method == "PUT":
            await exchange.answer(await self._upload(exchange, image_id, context))
        else:
            await self._download(exchange, image_id, context)

    async def _context_of(self, scope: Scope) -> object:
        if inspect.iscoroutinefunction(self._context):
            return await self._context(scope)
        made = await Worker(lambda: self._context(scope), name="image-data-context").end()
        return await made if inspect.isawaitable(made) else made

    async def _upload(self, exchange: Exchange, image_id: str, context: object) -> Response:
        pipe = UploadPipe(self._window)

        def take() -> Response:
            with asked_at(exchange.asked_at):
                begun = self._data.begin_upload(image_id, exchange.headers, context=context)
            with begun as session:
                pipe.begin(session.readable)
                pipe.pour_into(session.write)
                return session.finish()

        worker = Worker(take, name=f"upload-{image_id}", stop=pipe.stop)
        receiving = asyncio.ensure_future(exchange.receive_into(pipe))
        try:
            return await worker.end()
        finally:
            await dismiss(receiving)
            pipe.forget()

    async def _download(self, exchange: Exchange, image_id: str, context: object) -> None:
        """Delivers until the client leaves, which is not a failure, or takes too long."""
        delivery = asyncio.ensure_future(self._deliver(exchange, image_id, context))
        leaving = asyncio.ensure_future(exchange.client_left())
        watching = asyncio.ensure_future(exchange.expect_progress())
        try:
            await asyncio.wait([delivery, leaving, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await dismiss(delivery, leaving, watching)
        try:
            if not delivery.cancelled():
                with exchange.forgiven_if_left():
                    delivery.result()
            elif not watching.cancelled():
                watching.result()
        finally:
            del delivery, watching  # they have the failure, whose traceback has this frame

    async def _deliver(self, exchange: Exchange, image_id: str, context: object) -> None:
        pipe: DownloadPipe[Response] = DownloadPipe(self._read_ahead)
        head = exchange.method == "HEAD"

        def read() -> None:
            try:
                with asked_at(exchange.asked_at):
                    found = self._data.download(image_id, exchange.headers, exchange.query, context=context, head=head)
                with contextlib.closing(found) as response:
                    pipe.begin(response)
                    for chunk in response.body:
                        pipe.put(chunk)
                pipe.end()
            except BaseException as error:  # noqa: BLE001 - raised by the delivery
                pipe.fail(error)

        worker = Worker(read, name=f"download-{image_id}", stop=pipe.stop)
        try:
            await exchange.start(await pipe.begun())
            await pipe.pour_into(exchange.deliver)
        finally:
            pipe.stop()
            await worker.end()
            pipe.forget()
        await exchange.send(b"", more=False)
