"""Answers: the value that an adapter sends, and the answer to a request that failed.

The body of an error depends on the client's Accept: JSON for programs, a small escaped page for browsers, text for all
others. It contains the error's message, which is meant for clients. No secrets: the error's detail is only logged.
"""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.http.requests import Headers, has_body
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

TEXT, JSON, HTML = "text/plain", "application/json", "text/html"
_OFFERS = (TEXT, JSON, HTML)
_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Response:
    """What to send. `closing`: the request's body may be unread, so the connection cannot serve another request; some
    servers notice this without being told. The receiver must call `close`, whether the response was sent or not."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterable[bytes] = ()
    closing: bool = False

    def close(self) -> None:
        """Releases what the body holds open; a no-op the second time."""
        close = getattr(self.body, "close", None)
        if close is not None:
            close()


class NoSuchPath(errors.RequestError):
    """No resource exists at the path."""

    status = 404
    code = "not-found"
    title = "Not Found"


class MethodNotAllowed(errors.RequestError):
    """The resource exists, but the method is not one of `allowed`."""

    status = 405
    code = "method-not-allowed"
    title = "Method Not Allowed"

    def __init__(self, message: str, *, allowed: Iterable[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class HostBusy(errors.ImgstoreError, status=503, code="host-busy"):
    """Each thread of the host has a request, and none became free in time: nobody looked at this one."""

    retryable = True

    def __init__(self) -> None:
        super().__init__("All threads of the service are busy: try again later.", retry_after=10)


class LengthRequired(errors.RequestError):
    """The length of the body is not announced, and the server does not tell where the body ends."""

    status = 411
    code = "length-required"
    title = "Length Required"


def error_response(error: errors.ImgstoreError, headers: Headers) -> Response:
    """The answer to a request with these `headers` that ended in `error`."""
    if error.status >= 500 or error.blame is errors.Blame.STORE:
        LOG.warning("Answered %s: %s", error.status, describe(error))
    media_type = negotiated(headers.get("accept"))
    body = _body(error, media_type).encode()
    charset = "" if media_type == JSON else "; charset=utf-8"
    return Response(
        status=error.status,
        reason=error.title,
        headers=(
            ("Content-Type", media_type + charset),
            ("Content-Length", str(len(body))),
            *_headers_of(error),
        ),
        body=(body,),
        closing=has_body(headers),
    )


def negotiated(accept: str | None) -> str:
    """The media type of an error's body for this Accept (RFC 9110, 12.5.1); text if nothing else is preferred.

    The higher weight wins, then the more specific media range, then the one that is listed first.
    """
    ranges = list(_accepted(accept or "*/*"))
    best = max(_OFFERS, key=lambda offer: _preference(offer, ranges))
    return best if _preference(best, ranges)[0] > 0 else TEXT


def _accepted(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip(" \t") for piece in part.split(";"))
        weights = [match[1] for match in map(_WEIGHT.fullmatch, parameters) if match]
        yield media_range, float(weights[0]) if weights else 1.0


def _preference(offer: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """Weight, specificity and position of the most specific media range for `offer`, which overrides the others."""
    family = offer.partition("/")[0] + "/*"
    for specificity, name in ((2, offer), (1, family), (0, "*/*")):
        for position, (media_range, weight) in enumerate(ranges):
            if media_range == name:
                return weight, specificity, -position
    return 0.0, 0, 0


def _body(error: errors.ImgstoreError, media_type: str) -> str:
    status, message = f"{error.status} {error.title}", _message(error)
    if media_type == JSON:
        return json.dumps({"code": error.code, "title": error.title, "message": message})
    if media_type == HTML:
        heading, text = html.escape(status), html.escape(message)
        return (
            f"<!DOCTYPE html>\n<html>\n<head><title>{heading}</title></head>\n"
            f"<body>\n<h1>{heading}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
        )
    return f"{status}\n\n{message}\n"


def _message(error: errors.ImgstoreError) -> str:
    """No secrets: a 500 says nothing about its cause."""
    return "The server failed to process the request." if error.status == 500 else str(error)


def _headers_of(error: errors.ImgstoreError) -> Iterator[tuple[str, str]]:
    if error.retry_after is not None:
        yield "Retry-After", str(error.retry_after)
    if isinstance(error, errors.Unauthenticated):
        yield "WWW-Authenticate", error.challenge
    if isinstance(error, errors.RangeNotSatisfiable) and error.size is not None:
        yield "Content-Range", f"bytes */{error.size}"
    if isinstance(error, MethodNotAllowed):
        yield "Allow", ", ".join(error.allowed)
