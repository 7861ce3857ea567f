"""`/v2/images/{image_id}/file` as an ASGI 3 application on asyncio, to be mounted in any host.

A thread of its own owns each session from its begin to its end; the event loop passes bytes to it or from it and never
waits for a store. Nothing is received before everything that can be refused was refused (law 5): a server that answers
`Expect: 100-continue` at the first receive then answers a doomed request without its body. A client that disconnects
in the middle of its upload is BodyBroken, one that sends nothing for `body_timeout` BodyStalled (law 11).

A cancellation (of the task, at the server's stop) ends the session after the store's call under way has returned,
never before, and is raised when everything is undone and the thread is gone (law 3). A download that fails in the
middle raises, and the server must cut the connection (law 9), as the common ones do.

Memory (law 6), besides what the session says of itself and what the server buffers:
- an upload: less than `window` bytes and one of the server's messages, those in the store's hands included;
- a download: `read_ahead` + 1 chunks of 1 MiB;
- in all, at most `threads` times the larger one.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterator

from imgstore import errors
from imgstore.adapters._asgi_exchange import Exchange, Message, Receive, Scope, Send
from imgstore.adapters._asgi_pipes import DownloadPipe, UploadPipe
from imgstore.adapters._asgi_thread import Worker, dismiss
from imgstore.adapters._resource import image_id_below, require_resource
from imgstore.http import ImageData, Response, error_response
from imgstore.model import MIB

__all__ = ["ImageDataApp", "Message", "Receive", "Scope", "Send", "image_id_of_path"]


def image_id_of_path(scope: Scope) -> str | None:
    """The image's identifier if the request is for `/v2/images/{image_id}/file`, wherever below the host's root the
    application is mounted; None if it is for something else. `path` may begin with `root_path`, as the specification
    has it, or come after it, as some frameworks have it."""
    root, path = scope.get("root_path", ""), scope["path"]
    whole = path == root or path.startswith(root.rstrip("/") + "/")
    return image_id_below(root, path[len(root) :] if whole else path)


class ImageDataApp:
    """The ASGI application; one for a whole event loop.

    `context` makes the host's own context of a request and may raise Unauthenticated (or any error of the library); a
    plain function is called on a thread, a coroutine function in the event loop. `image_id` gives the image's
    identifier of a request, None for a path that is none of this resource's; it must not block. `window` and
    `read_ahead` are bytes and chunks, see above. `threads` requests are served at a time, more wait. `body_timeout`:
    seconds without a byte of the body after which the answer is 408; None, where the server sees to that.
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
            with self._noted():
                await self._answer(Exchange(scope, receive, send))
        else:
            raise errors.UsageError(f"Image data is served over HTTP, not over {scope['type']}.")

    async def settle(self) -> None:
        """Returns when no request is under way: for the host's shutdown, before it closes the stores. A server may
        have cancelled the requests by then without waiting for them."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _live(self, receive: Receive, send: Send) -> None:
        """What a server expects of an application that is not mounted in another one."""
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
            async with self._places:
                await self._serve(exchange)
        except errors.ImgstoreError as error:
            if exchange.started:
                raise
            await exchange.answer(error_response(error, exchange.headers))

    async def _serve(self, exchange: Exchange) -> None:
        image_id = require_resource(self._image_id(exchange.scope), exchange.method)
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
            with self._data.begin_upload(image_id, exchange.headers, context=context) as session:
                pipe.begin(session.body_length)
                pipe.pour_into(session.write)
                return session.finish()

        worker = Worker(take, name=f"upload-{image_id}", stop=pipe.stop)
        pump = asyncio.ensure_future(self._pump(exchange, pipe))
        try:
            return await worker.end()
        finally:
            await dismiss(pump)

    async def _pump(self, exchange: Exchange, pipe: UploadPipe) -> None:
        """Whatever happens here ends the session, which then raises it."""
        try:
            left = await pipe.begun()
            while left is None or left > 0:
                await pipe.room()
                chunk = await exchange.read(timeout=self._body_timeout)
                if not chunk:
                    break
                pipe.put(chunk if left is None else chunk[:left])
                left = None if left is None else left - len(chunk)
            pipe.end()
        except asyncio.CancelledError:
            pipe.stop()
            raise
        except Exception as error:  # noqa: BLE001 - raised by the session's thread
            pipe.fail(error)

    async def _download(self, exchange: Exchange, image_id: str, context: object) -> None:
        """Delivers until the client leaves, which is no failure of anybody's."""
        delivery = asyncio.ensure_future(self._deliver(exchange, image_id, context))
        leaving = asyncio.ensure_future(exchange.client_left())
        try:
            await asyncio.wait([delivery, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await dismiss(delivery, leaving)
        if not delivery.cancelled():
            with exchange.forgiven_if_left():
                delivery.result()

    async def _deliver(self, exchange: Exchange, image_id: str, context: object) -> None:
        pipe: DownloadPipe[Response] = DownloadPipe(self._read_ahead)
        head = exchange.method == "HEAD"

        def read() -> None:
            try:
                with contextlib.closing(
                    self._data.download(image_id, exchange.headers, exchange.query, context=context, head=head)
                ) as response:
                    pipe.begin(response)
                    for chunk in response.body:
                        pipe.put(chunk)
                pipe.end()
            except BaseException as error:  # noqa: BLE001 - raised by the delivery
                pipe.fail(error)

        worker = Worker(read, name=f"download-{image_id}", stop=pipe.stop)
        try:
            await exchange.start(await pipe.begun())
            await pipe.pour_into(lambda chunk: exchange.send(chunk, more=True))
        finally:
            pipe.stop()
            await worker.end()
        await exchange.send(b"", more=False)
