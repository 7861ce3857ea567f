"""What the adapters share of `/v2/images/{image_id}/file`: its path, its methods, how a body is announced."""

from __future__ import annotations

import re

from imgstore import errors
from imgstore.host_answers import kind_of
from imgstore.http import MethodNotAllowed, NoSuchPath

METHODS = ("GET", "HEAD", "PUT")

_PATH = re.compile(r"(.*)/v2/images/([^/]+)/file", re.DOTALL)


def image_id_below(root: str, path: str) -> str | None:
    """The image's identifier if `root` (where the application is mounted) and `path` together are the resource's path;
    else None. `root` may end anywhere in `/v2/images/{image_id}/file`."""
    match = _PATH.fullmatch(root + path)
    return match[2] if match is not None and root.startswith(match[1]) else None


def require_resource(image_id: str | None, method: str) -> str:
    """The image's identifier, if path and method are the resource's. Raises NoSuchPath, MethodNotAllowed."""
    if image_id is None:
        raise NoSuchPath("No resource exists at this path.")
    if not isinstance(image_id, str):
        raise errors.UsageError(f"The host's image_id returned {kind_of(image_id)}: it must return a str, or None.")
    if method not in METHODS:
        raise MethodNotAllowed(f"The allowed methods are {', '.join(METHODS)}.", allowed=METHODS)
    return image_id


def announce_body(headers: dict[str, str], *, http_version: str) -> None:
    """Marks a body of unknown length as chunked. HTTP/2 and later frame it without a header; HTTP/1 cannot."""
    framed = not http_version.startswith(("0", "1"))
    if framed and not headers.keys() & {"content-length", "transfer-encoding"}:
        headers["transfer-encoding"] = "chunked"
