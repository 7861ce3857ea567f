"""Upload and download of one image's data as exchanges of HTTP messages.

Refuse early: all checks of the request's headers come before the adapter reads a byte. Then the adapter pushes the
bytes into an `UploadExchange`. Errors are raised, and `error_response` turns them into answers, so a host may log or
rewrite them in between. Any exception but the library's errors is a defect: it reaches the server after everything was
undone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.host_answers import require_kind
from imgstore.http import ranges, requests
from imgstore.http.digest_fields import expected_digests, repr_digest
from imgstore.http.identifiers import Identifiers, ImageIds
from imgstore.http.requests import Headers, is_image_id
from imgstore.http.responses import Response
from imgstore.model import Chunk, StoredImage, UploadRequest
from imgstore.transfers.download import DownloadService
from imgstore.transfers.session import UploadSession
from imgstore.transfers.upload import UploadService

if TYPE_CHECKING:
    from typing_extensions import Self

_READABLE = frozenset({"active", "deactivated"})  # the catalog shows a deactivated image to administrators only


class ImageData:
    """The resource `/v2/images/{image_id}/file`. One for the whole host, used by all its threads.

    `headers` are the request's, with names in lower case. `context` is the host's own and is handed to its catalog.
    `image_ids`: what an identifier is (`Identifiers`), unless it is a UUID.
    """

    def __init__(
        self, uploads: UploadService, downloads: DownloadService, *, image_ids: ImageIds = is_image_id
    ) -> None:
        require_kind(uploads, UploadService, name="uploads")
        require_kind(downloads, DownloadService, name="downloads")
        self._uploads = uploads
        self._downloads = downloads
        self._identifiers = Identifiers(image_ids)

    def begin_upload(self, image_id: str, headers: Headers, *, context: object = None) -> UploadExchange:
        """Checks a PUT in the order of the Image API and begins the upload, before the first byte.

        Raises UnsupportedMediaType, InvalidRequest, SizeMismatch, UnknownStore, ImageNotFound, then what
        `UploadService.begin` raises for image, size, quota and store. After an error nothing has changed.
        """
        wanted = requests.read_upload(headers)
        expected = expected_digests(headers)
        stores = requests.read_stores(wanted.store, several=self._uploads.takes_several_stores)
        self._uploads.check_stores(stores)
        self._identifiers.require(image_id)
        request = UploadRequest(image_id, stores=stores, size=wanted.size, context=context, expected=expected)
        return UploadExchange(self._uploads.begin(request), body_length=wanted.body_length)

    def download(
        self, image_id: str, headers: Headers, query: str = "", *, context: object = None, head: bool = False
    ) -> Response:
        """The answer to a GET, or with `head` to a HEAD; `query` is the query string without its question mark.

        Never short: the body raises StoreUnavailable (or another StoreError) if it cannot be delivered whole, and the
        caller must cut the connection. Raises InvalidRequest, UnknownStore, ImageNotFound, Forbidden,
        PreconditionFailed, RangeNotSatisfiable, DataGone, StoreUnavailable, CatalogUnavailable.
        """
        prefer = requests.read_prefer(query)
        self._downloads.check_prefer(prefer)
        self._identifiers.require(image_id)
        image = self._downloads.find(image_id, context=context)
        if image.status not in _READABLE:
            return Response(204, "No Content")
        etag = ranges.entity_tag(image.hash_value)
        ranges.require_match(headers, etag)
        if ranges.not_modified(headers, etag):
            return Response(304, "Not Modified", () if etag is None else (("ETag", etag),))
        if head:
            return self._headers_only(image, prefer, context)
        return self._with_body(image, ranges.requested(headers, _size(image), etag=etag), prefer, context)

    def _headers_only(self, image: StoredImage, prefer: list[str], context: object) -> Response:
        """Opens the image without reading a byte, so HEAD fails where GET would."""
        size = _size(image)
        self._downloads.open(image, start=0, stop=0, prefer=prefer, context=context).close()
        return Response(200, "OK", _headers(image, size))

    def _with_body(self, image: StoredImage, span: ranges.Span | None, prefer: list[str], context: object) -> Response:
        if span is None:
            headers = _headers(image, _size(image))
            return Response(200, "OK", headers, body=self._downloads.open(image, prefer=prefer, context=context))
        headers = (*_headers(image, span.stop - span.start, whole=False), ("Content-Range", span.content_range))
        body = self._downloads.open(image, start=span.start, stop=span.stop, prefer=prefer, context=context)
        return Response(206, "Partial Content", headers, body=body)


class UploadExchange:
    """One PUT under way: `write` the body, then `finish`. Leaving the context manager without `finish` aborts.

    `body_length`: bytes of the body by Content-Length (None: framed). `readable`: bytes to read at most, up to the end
    of the body or the first byte that would be refused. `write`: `UploadSession.write` itself, so no chunk passes here.
    """

    def __init__(self, session: UploadSession, *, body_length: int | None) -> None:
        room, end = session.room, sys.maxsize if body_length is None else body_length
        self.body_length = body_length
        self.readable: int = end if room is None else min(end, room + 1)
        self.write: Callable[[Chunk], None] = session.write
        self._session = session

    def finish(self) -> Response:
        """The answer, after the last byte. Raises BodyBroken for a body shorter than Content-Length, and what
        `UploadSession.finish` raises; then everything is undone."""
        if self.body_length is not None and self._session.total < self.body_length:
            self.abort()
            raise errors.BodyBroken(f"The request body ended after {self._session.total} of {self.body_length} bytes.")
        self._session.finish()
        return Response(204, "No Content")

    def abort(self) -> None:
        """Undoes everything; a no-op after the end."""
        self._session.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.abort()


def _size(image: StoredImage) -> int:
    """An active image without data has lost it; it is not an empty image."""
    if image.size is None or not image.locations:
        raise errors.DataGone("The image is active, but the catalog has no data for it.")
    return image.size


def _headers(image: StoredImage, length: int, *, whole: bool = True) -> tuple[tuple[str, str], ...]:
    """Content-MD5 is the digest of the body, so only an answer with the whole image has it; Repr-Digest is the image's,
    whatever part the body is."""
    optional = (
        ("ETag", ranges.entity_tag(image.hash_value)),
        ("Content-MD5", image.checksum if whole else None),
        ("Repr-Digest", repr_digest(image.hash_algo, image.hash_value)),
    )
    return (
        ("Content-Type", requests.MEDIA_TYPE),
        ("Content-Length", str(length)),
        ("Accept-Ranges", "bytes"),
        *((name, value) for name, value in optional if value is not None),
    )
