"""What a path means: which image it names, and its last part as the client wrote it.

Identifiers are UUIDs, whose letters have no case; the catalog has them in lower case. So what cannot be an identifier
is 404 here, and no database meets a NUL, or bytes that are no text.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING

import falcon
from falcon.routing import BaseConverter

from imgstore import errors
from imgstore.adapters.wsgi import image_id_of_path
from imgstore.catalog import no_such_image
from imgstore.http import NoSuchPath
from imgstore.http.requests import is_image_id, shown

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

OTHER_VERSIONS = re.compile(r"/v(?!2(?:/|$))[0-9.]+(?:/.*)?$", re.DOTALL)
"""Paths of an API that is not here: the answer is the list of versions, from which clients choose another one."""
_NOTHING_NAMED = re.compile(r"/v2/images/+([^/]+/(members|tags)/+)?")
"""A path with an empty identifier at its end: not the list above it."""


class ImageId(BaseConverter):
    """The converter of `{image_id}`. Raises ImageNotFound for what cannot be one."""

    def convert(self, value: str) -> str:
        return image_id_in(value)


class Paths:
    """Looks at the path of every request before its resource is found. Raises InvalidRequest, NoSuchPath."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        path = req.env.get("PATH_INFO", "")
        try:
            path.encode("latin-1").decode()
        except UnicodeDecodeError as error:
            raise errors.InvalidRequest("The path is not UTF-8.") from error
        if _NOTHING_NAMED.fullmatch(path):
            raise NoSuchPath("The path ends where an identifier is expected.")


def image_id_in(text: str) -> str:
    """The identifier in its one spelling. Raises ImageNotFound."""
    if not is_image_id(text):
        raise no_such_image(shown(text))
    return text.lower()


def image_id_of(environ: WSGIEnvironment) -> str | None:
    """As `image_id_of_path`, in its one spelling."""
    found = image_id_of_path(environ)
    return None if found is None else found.lower()


def last_part(req: falcon.Request, decoded: str) -> str:
    """The last part of the path, which may have a slash (`%2F`) in it; `decoded` is what the server makes of it. The
    server leaves `%2F` as it is, so that `%252F` looks the same."""
    target: str = req.env.get("REQUEST_URI", "")
    raw = urllib.parse.urlsplit(target).path.removesuffix("/").rpartition("/")[2]
    return urllib.parse.unquote(raw) if raw else decoded
