"""What the headers of a request say: read strictly, so that nothing is stored that is not the image.

Header names are lower case here, as adapters deliver them. A value that cannot be taken at its word is refused with the
error that says why; nothing is guessed. What this module refuses to do: look at an image, a store, a body.
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
    """What an upload's headers say. `size`: bytes that the image must have (None: unknown). `body_length`: bytes of
    the body by its Content-Length (None: its framing says where it ends). `store` None: the default one."""

    store: str | None
    size: int | None
    body_length: int | None


def header(headers: Headers, name: str) -> str | None:
    """The value without the blanks around it; None if absent. Raises InvalidRequest for control characters in it."""
    value = headers.get(name)
    if value is None:
        return None
    value = value.strip(" \t")
    if _CONTROL.search(value):
        raise errors.InvalidRequest(f"The value of {name} has control characters in it.")
    return value


def shown(text: str) -> str:
    """A short, escaped form of what the client sent, fit for a message: quoted ASCII of at most some 40 characters."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def is_image_id(image_id: str) -> bool:
    """Whether it is a UUID in its usual form, which every image's identifier is."""
    return _UUID.fullmatch(image_id) is not None


def read_upload(headers: Headers) -> UploadHeaders:
    """What the headers of an upload say, checked in the order in which they are to be blamed.

    Raises UnsupportedMediaType; InvalidRequest for a malformed or ambiguous header; SizeMismatch where the declared
    size and Content-Length differ.
    """
    _require_octet_stream(headers)
    declared = _number(headers, SIZE)
    length = _body_length(headers)
    if declared is not None and length is not None and declared != length:
        raise errors.SizeMismatch(f"{SIZE} declares {declared} bytes but Content-Length is {length}.")
    if "content-range" in headers:
        raise errors.InvalidRequest("Content-Range has no meaning here: an image is uploaded whole.")
    size = length if declared is None else declared
    return UploadHeaders(store=_store(headers), size=size, body_length=length)


def read_stores(store: str | None, *, several: bool) -> list[str]:
    """The identifiers in the header that names the store: none without it, and where an upload may go to several stores
    those between its commas. Raises InvalidRequest for a list with nothing between two of them."""
    if store is None or not several:
        return [] if store is None else [store]
    identifiers = [identifier.strip(" ") for identifier in store.split(",")]
    if "" in identifiers:
        raise errors.InvalidRequest(f"{STORE} must be a list of store identifiers, separated by commas.")
    return identifiers


def read_prefer(query: str) -> list[str]:
    """The stores named by `prefer=a,b` in a query string, most preferred first. Raises InvalidRequest."""
    values = parse_qs(query, keep_blank_values=True).get("prefer", [])
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if not name or _CONTROL.search(name):
            raise errors.InvalidRequest("prefer must be a list of store identifiers, separated by commas.")
    return names


def has_body(headers: Headers) -> bool:
    """Whether the client has announced a body, of any length but zero."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


def body_failure(error: BaseException) -> errors.RequestError:
    """The library's error for what an adapter met while it read a body: BodyStalled for a timeout, else BodyBroken."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return errors.BodyStalled("The client sent nothing for too long in the middle of the body.", detail=kind)
    return errors.BodyBroken("The body broke off, or its framing is malformed.", detail=kind)


def _require_octet_stream(headers: Headers) -> None:
    given = header(headers, "content-type")
    if given is None:
        raise errors.UnsupportedMediaType(f"The Content-Type is missing: it must be {MEDIA_TYPE}.")
    if given.partition(";")[0].rstrip(" \t").lower() != MEDIA_TYPE:
        raise errors.UnsupportedMediaType(f"The Content-Type must be {MEDIA_TYPE}, not {shown(given)}.")
    coding = header(headers, "content-encoding") or "identity"
    if coding.lower() != "identity":
        raise errors.UnsupportedMediaType(f"The Content-Encoding {shown(coding)} is not decoded: send the image as is.")


def _number(headers: Headers, name: str) -> int | None:
    value = header(headers, name)
    if value is None:
        return None
    if _BYTES.fullmatch(value) is None:
        raise errors.InvalidRequest(f"{name} must be a number of bytes in decimal digits, not {shown(value)}.")
    return int(value)


def _body_length(headers: Headers) -> int | None:
    """By RFC 9112, section 6.3: a request with neither header has no body."""
    length = _number(headers, "content-length")
    coding = header(headers, "transfer-encoding")
    if coding is None:
        return length or 0
    if length is not None:
        raise errors.InvalidRequest("Content-Length and Transfer-Encoding exclude each other.")
    if coding.lower() != "chunked":
        raise errors.InvalidRequest(f"The only Transfer-Encoding taken is chunked, not {shown(coding)}.")
    return None


def _store(headers: Headers) -> str | None:
    identifier = header(headers, STORE)
    if identifier == "":
        raise errors.InvalidRequest(f"{STORE} is empty: name a store, or leave the header out for the default one.")
    return identifier
