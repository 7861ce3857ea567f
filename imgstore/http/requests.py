"""The headers of a request, parsed strictly, so that nothing is stored that is not the image.

Header names are in lower case, as adapters deliver them. A malformed or ambiguous value is refused with the reason;
nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from imgstore import errors

Headers = Mapping[str, str]

MEDIA_TYPE = "application/octet-stream"
STORE = "x-image-meta-store"
SIZE = "x-openstack-image-size"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BYTES = re.compile(r"[0-9]{1,18}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UploadHeaders:
    """The parsed headers of an upload. `size`: bytes that the image must have (None: unknown). `body_length`: bytes of
    the body by its Content-Length (None: its framing says where it ends). `store` None: the default store."""

    store: str | None
    size: int | None
    body_length: int | None


def header(headers: Headers, name: str) -> str | None:
    """The value without surrounding blanks; None if absent. Raises InvalidRequest if it contains control characters."""
    value = headers.get(name)
    if value is None:
        return None
    value = value.strip(" \t")
    if _CONTROL.search(value):
        raise errors.InvalidRequest(f"{name} must not contain control characters.")
    return value


def shown(text: str) -> str:
    """What the client sent, in a form fit for a message: quoted, escaped ASCII, cut after 40 characters."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def is_image_id(image_id: str) -> bool:
    """Whether it is a UUID in its usual form."""
    return _UUID.fullmatch(image_id) is not None


def read_upload(headers: Headers) -> UploadHeaders:
    """The headers of an upload, checked in the order of the Image API.

    Raises UnsupportedMediaType; InvalidRequest for a malformed or ambiguous header; SizeMismatch where the declared
    size and Content-Length differ.
    """
    _require_octet_stream(headers)
    declared = _number(headers, SIZE)
    length = _body_length(headers)
    if declared is not None and length is not None and declared != length:
        raise errors.SizeMismatch(f"{SIZE} is {declared} bytes, but Content-Length is {length} bytes.")
    if "content-range" in headers:
        raise errors.InvalidRequest("Content-Range is not supported in an upload: send the whole image.")
    size = length if declared is None else declared
    return UploadHeaders(store=_store(headers), size=size, body_length=length)


def read_stores(store: str | None, *, several: bool) -> list[str]:
    """The identifiers that the store header names: none without it; a comma-separated list where an upload may go to
    `several` stores. Raises InvalidRequest for a list with an empty element."""
    if store is None or not several:
        return [] if store is None else [store]
    identifiers = [identifier.strip(" ") for identifier in store.split(",")]
    if "" in identifiers:
        raise errors.InvalidRequest(f"{STORE} must be a comma-separated list of store identifiers.")
    return identifiers


def read_prefer(query: str) -> list[str]:
    """The stores named by `prefer=a,b` in a query string, most preferred first. Raises InvalidRequest."""
    values = parse_qs(query, keep_blank_values=True).get("prefer", [])
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if not name or _CONTROL.search(name):
            raise errors.InvalidRequest("prefer must be a comma-separated list of store identifiers.")
    return names


def has_body(headers: Headers) -> bool:
    """Whether the client announced a body that is not empty."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


def body_failure(error: BaseException) -> errors.RequestError:
    """The library's error for an exception of reading the body: BodyStalled for a timeout, else BodyBroken."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return errors.BodyStalled("The request timed out: the client stopped sending its body.", detail=kind)
    return errors.BodyBroken("The request body is incomplete or its framing is malformed.", detail=kind)


def _require_octet_stream(headers: Headers) -> None:
    given = header(headers, "content-type")
    if given is None:
        raise errors.UnsupportedMediaType(f"Content-Type is missing: it must be {MEDIA_TYPE}.")
    if given.partition(";")[0].rstrip(" \t").lower() != MEDIA_TYPE:
        raise errors.UnsupportedMediaType(f"Content-Type must be {MEDIA_TYPE}, not {shown(given)}.")
    coding = header(headers, "content-encoding") or "identity"
    if coding.lower() != "identity":
        raise errors.UnsupportedMediaType(f"Content-Encoding {shown(coding)} is not supported: send it unencoded.")


def _number(headers: Headers, name: str) -> int | None:
    value = header(headers, name)
    if value is None:
        return None
    if _BYTES.fullmatch(value) is None:
        raise errors.InvalidRequest(f"{name} must be a decimal number of bytes, not {shown(value)}.")
    return int(value)


def _body_length(headers: Headers) -> int | None:
    """By RFC 9112, section 6.3: a request with neither header has no body."""
    length = _number(headers, "content-length")
    coding = header(headers, "transfer-encoding")
    if coding is None:
        return length or 0
    if length is not None:
        raise errors.InvalidRequest("Content-Length and Transfer-Encoding cannot be combined.")
    if coding.lower() != "chunked":
        raise errors.InvalidRequest(f"Transfer-Encoding must be chunked, not {shown(coding)}.")
    return None


def _store(headers: Headers) -> str | None:
    identifier = header(headers, STORE)
    if identifier == "":
        raise errors.InvalidRequest(f"{STORE} is empty: name a store, or omit the header for the default store.")
    return identifier
