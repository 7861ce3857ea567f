"""`/v2/images/{image_id}/file` as a WSGI application (PEP 3333), to be mounted in any host.

Refuse early: `wsgi.input` is not read before all checks passed, so a server that answers `Expect: 100-continue` at the
first read refuses a doomed request without its body. Right blame: a failure of the read is the client's (408 for a
timeout, else 400), one of `context` the host's (500). Any other exception that is not one of the library's errors
reaches the server after everything was undone. A chunk passes from `wsgi.input` to the upload session, and through
nothing between them.

The server must raise when a chunked body is cut or malformed, and close the connection when a body was left unread: an
application cannot (PEP 3333). A chunked body is accepted only if the server sets `wsgi.input_terminated`: some other
servers deliver no byte of it, some deliver its framing, and the application cannot tell.
Bounded memory: one chunk of `chunk_size` bytes and what the upload session says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from imgstore import errors
from imgstore.adapters.resource import announce_body, image_id_below, require_resource
from imgstore.bulkhead import ASKED_AT, asked_at
from imgstore.driver.translate import function_failures
from imgstore.file_spans import SENDS_FILES
from imgstore.host_answers import answer_of, require_kind, require_plain
from imgstore.http import ImageData, LengthRequired, Response, UploadExchange, body_failure, error_response
from imgstore.model import MIB
from imgstore.transfers.download import Download

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

INPUT_ERRORS: tuple[type[BaseException], ...] = (OSError, ValueError, EOFError)


def image_id_of_path(environ: WSGIEnvironment) -> str | None:
    """The image's identifier if the request is for `/v2/images/{image_id}/file`, else None. The application may be
    mounted anywhere: SCRIPT_NAME may end anywhere in that path."""
    return image_id_below(environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""))


class ImageDataApp:
    """The WSGI application; one for all threads.

    `context` makes the host's own context of a request and may raise Unauthenticated (or any error of the library).
    `image_id` returns the identifier of the image, or None for any other path. `input_errors`: what the server's
    `wsgi.input` raises for a broken body, besides INPUT_ERRORS. `chunk_size` bytes are read at a time.
    `input_terminated`: the server ends `wsgi.input` at the end of a chunked body although it does not set
    `wsgi.input_terminated`.
    """

    def __init__(
        self,
        data: ImageData,
        *,
        context: Callable[[WSGIEnvironment], object],
        image_id: Callable[[WSGIEnvironment], str | None] = image_id_of_path,
        input_errors: tuple[type[BaseException], ...] = (),
        chunk_size: int = MIB,
        input_terminated: bool = False,
    ) -> None:
        require_plain(context, name="context")
        require_kind(data, ImageData, name="data")
        require_plain(image_id, name="image_id")
        self._data = data
        self._context = context
        self._image_id = image_id
        self._input_errors: tuple[type[BaseException], ...] = (TimeoutError, *INPUT_ERRORS, *input_errors)
        self._chunk_size = chunk_size
        self._input_terminated = input_terminated

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = request_headers(environ)
        try:
            response = self._answer(environ, headers)
        except errors.ImgstoreError as error:
            response = error_response(error, headers)
        start_response(f"{response.status} {response.reason}", list(response.headers))
        if environ["REQUEST_METHOD"] == "HEAD":
            return ()
        body = response.body
        return _Spans(body) if environ.get(SENDS_FILES) and isinstance(body, Download) else body

    def _answer(self, environ: WSGIEnvironment, headers: dict[str, str]) -> Response:
        method = environ["REQUEST_METHOD"]
        with function_failures("image_id"):
            image_id = require_resource(self._image_id(environ), method)
        with function_failures("context"):
            context = answer_of(self._context, environ)
        if method == "PUT":
            return self._upload(environ, image_id, headers, context)
        query = environ.get("QUERY_STRING", "")
        with asked_at(environ.get(ASKED_AT)):
            return self._data.download(image_id, headers, query, context=context, head=method == "HEAD")

    def _upload(self, environ: WSGIEnvironment, image_id: str, headers: dict[str, str], context: object) -> Response:
        with asked_at(environ.get(ASKED_AT)):
            begun = self._data.begin_upload(image_id, headers, context=context)
        with begun as exchange:
            if exchange.body_length is None and not (self._input_terminated or environ.get("wsgi.input_terminated")):
                raise LengthRequired("This server does not decode chunked bodies: send Content-Length.")
            self._read_into(exchange, environ["wsgi.input"].read)
            return exchange.finish()

    def _read_into(self, exchange: UploadExchange, read: Callable[[int], bytes]) -> None:
        write, left = exchange.write, exchange.readable
        while left:
            try:
                chunk = read(min(self._chunk_size, left))
            except self._input_errors as error:
                raise body_failure(error) from error
            if not chunk:
                return
            write(chunk)
            left -= len(chunk)


class _Spans:
    """A download for a server that sends spans of files."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self.close = download.close

    def __iter__(self) -> Iterator[bytes]:
        return cast("Iterator[bytes]", self._download.spans())  # and spans, which this server takes


def request_headers(environ: WSGIEnvironment) -> dict[str, str]:
    """The request's headers, with names in lower case."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        headers.pop(name.replace("_", "-").lower(), None)
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    protocol: str = environ.get("SERVER_PROTOCOL", "")
    if protocol.startswith("HTTP/"):
        announce_body(headers, http_version=protocol[5:])
    return headers
