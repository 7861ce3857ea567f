"""Upload and download of one image's data as exchanges of HTTP messages.

Whatever can be refused by the request's headers alone is refused before the adapter reads a byte (law 5); from then on
the bytes are pushed into an `UploadExchange`. Errors are raised, and `error_response` makes answers of them; so a host
may log, count or rewrite them in between. What is not one of the library's errors passes through, after everything
begun was undone: it is a defect, and for the server to report.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.catalog import no_such_image
from imgstore.http import ranges, requests
from imgstore.http.requests import Headers
from imgstore.http.responses import Response
from imgstore.model import Chunk, StoredImage, UploadRequest
from imgstore.transfers.download import DownloadService
from imgstore.transfers.session import UploadSession
from imgstore.transfers.upload import UploadService

if TYPE_CHECKING:
    from typing_extensions import Self

_READABLE = frozenset({"active", "deactivated"})  # deactivated: only for those to whom the catalog shows it


class ImageData:
    """The resource `/v2/images/{image_id}/file`. One for the whole host, used by all its threads.

    `headers` are the request's, with their names in lower case; `context` is the host's own, and its catalog gets it
    untouched.
    """

    def __init__(self, uploads: UploadService, downloads: DownloadService) -> None:
        self._uploads = uploads
        self._downloads = downloads

    def begin_upload(self, image_id: str, headers: Headers, *, context: object = None) -> UploadExchange:
        """Checks a PUT in the order of the Image API and makes ready for its first byte.

        Raises UnsupportedMediaType, InvalidRequest, SizeMismatch, UnknownStore, ImageNotFound, and then what
        `UploadService.begin` says of image, size, quota and store. Then nothing has changed.
        """
        wanted = requests.read_upload(headers)
        stores = requests.read_stores(wanted.store, several=self._uploads.takes_several_stores)
        self._uploads.check_stores(stores)
        _require_image_id(image_id)
        request = UploadRequest(image_id, stores=stores, size=wanted.size, context=context)
        return UploadExchange(self._uploads.begin(request), body_length=wanted.body_length)

    def download(
        self, image_id: str, headers: Headers, query: str = "", *, context: object = None, head: bool = False
    ) -> Response:
        """The answer to a GET, or with `head` to a HEAD; `query` is the query string without its question mark.

        The body raises StoreUnavailable (or another StoreError) if it cannot be delivered whole: then the connection
        is to be cut. Raises InvalidRequest, UnknownStore, ImageNotFound, Forbidden, RangeNotSatisfiable, DataGone,
        StoreUnavailable, CatalogUnavailable.
        """
        prefer = requests.read_prefer(query)
        self._downloads.check_prefer(prefer)
        _require_image_id(image_id)
        image = self._downloads.find(image_id, context=context)
        if image.status not in _READABLE:
            return Response(204, "No Content")
        etag = ranges.entity_tag(image.hash_value)
        if ranges.not_modified(headers, etag):
            return Response(304, "Not Modified", _etag_header(etag))
        if head:
            return self._headers_only(image, prefer, context)
        return self._with_body(image, ranges.requested(headers, _size(image), etag=etag), prefer, context)

    def _headers_only(self, image: StoredImage, prefer: list[str], context: object) -> Response:
        """Opens no byte of the image, which proves all the same that a GET would find it."""
        size = _size(image)
        self._downloads.open(image, start=0, stop=0, prefer=prefer, context=context).close()
        return Response(200, "OK", _whole_headers(image, size))

    def _with_body(self, image: StoredImage, span: ranges.Span | None, prefer: list[str], context: object) -> Response:
        if span is None:
            headers = _whole_headers(image, _size(image))
            return Response(200, "OK", headers, body=self._downloads.open(image, prefer=prefer, context=context))
        headers = (*_common_headers(image, span.stop - span.start), ("Content-Range", span.content_range))
        body = self._downloads.open(image, start=span.start, stop=span.stop, prefer=prefer, context=context)
        return Response(206, "Partial Content", headers, body=body)


class UploadExchange:
    """One PUT under way: push the body, then `finish`. As a context manager it aborts unless it was finished."""

    def __init__(self, session: UploadSession, *, body_length: int | None) -> None:
        self._session = session
        self._body_length = body_length

    @property
    def body_length(self) -> int | None:
        """Bytes of the body that belong to the image; None: all, up to where the body's framing ends."""
        return self._body_length

    def next_read(self, most: int) -> int:
        """How many bytes to ask the client for next: up to `most`, never beyond the body's end (then 0), and no further
        than the first byte that would be refused."""
        left = None if self._body_length is None else self._body_length - self._session.total
        room = self._session.room
        bounds = (most, left, None if room is None else room + 1)
        return min(bound for bound in bounds if bound is not None)

    def write(self, chunk: Chunk) -> None:
        """The next bytes of the body. Raises what `UploadSession.write` raises, and then everything is undone."""
        self._session.write(chunk)

    def finish(self) -> Response:
        """The answer, after the last byte. Raises BodyBroken if there were fewer than Content-Length says, and what
        `UploadSession.finish` raises; then everything is undone."""
        if self._body_length is not None and self._session.total < self._body_length:
            self.abort()
            raise errors.BodyBroken(f"The body ended after {self._session.total} of {self._body_length} bytes.")
        self._session.finish()
        return Response(204, "No Content")

    def abort(self) -> None:
        """Undoes everything; a no-op after the end."""
        self._session.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.abort()


def _require_image_id(image_id: str) -> None:
    if not requests.is_image_id(image_id):
        raise no_such_image(requests.shown(image_id))


def _size(image: StoredImage) -> int:
    """An active image without data is data lost, never an image without content."""
    if image.size is None or not image.locations:
        raise errors.DataGone("The image is active but the catalog knows no data of it.")
    return image.size


def _etag_header(etag: str | None) -> tuple[tuple[str, str], ...]:
    return () if etag is None else (("ETag", etag),)


def _common_headers(image: StoredImage, length: int) -> tuple[tuple[str, str], ...]:
    return (
        ("Content-Type", requests.MEDIA_TYPE),
        ("Content-Length", str(length)),
        ("Accept-Ranges", "bytes"),
        *_etag_header(ranges.entity_tag(image.hash_value)),
    )


def _whole_headers(image: StoredImage, size: int) -> tuple[tuple[str, str], ...]:
    """With Content-MD5, which is the digest of the body, so that a part of the image cannot carry it."""
    md5 = () if image.checksum is None else (("Content-MD5", image.checksum),)
    return (*_common_headers(image, size), *md5)
