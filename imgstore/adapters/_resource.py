"""What the adapters share of `/v2/images/{image_id}/file`: its path, its methods, how a body is announced.

What this module refuses to do: know a gateway interface, or decide an answer, which is `imgstore.http`'s.
"""

from __future__ import annotations

import re

from imgstore.http import MethodNotAllowed, NoSuchPath

METHODS = ("GET", "HEAD", "PUT")

_PATH = re.compile(r"(.*)/v2/images/([^/]+)/file", re.DOTALL)


def image_id_below(root: str, path: str) -> str | None:
    """The image's identifier if `root`, where the application is mounted, and `path` below it make the resource's path;
    `root` may end anywhere in it. None if they make another one."""
    match = _PATH.fullmatch(root + path)
    if match is None or not root.startswith(match[1]):
        return None
    return match[2]


def require_resource(image_id: str | None, method: str) -> str:
    """The identifier of the image whose data is asked for. Raises NoSuchPath, MethodNotAllowed."""
    if image_id is None:
        raise NoSuchPath("Nothing is found under this path.")
    if method not in METHODS:
        raise MethodNotAllowed(f"Image data is served by {', '.join(METHODS)}.", allowed=METHODS)
    return image_id


def announce_body(headers: dict[str, str], *, http_version: str) -> None:
    """HTTP/2 and later frame a body of unknown length by themselves; HTTP/1 without either header has no body."""
    framed = not http_version.startswith(("0", "1"))
    if framed and not headers.keys() & {"content-length", "transfer-encoding"}:
        headers["transfer-encoding"] = "chunked"
