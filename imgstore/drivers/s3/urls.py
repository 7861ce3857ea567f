"""URLs of objects: `s3+https://host/bucket/prefix/key`, without any credential (no secrets).

The driver reads the URLs that glance_store wrote: `s3://access:secret@host/bucket/key`, and the same with `s3+http` and
`s3+https`. It drops unread what stands before the '@', slashes included. It ignores the scheme, since a bucket is the
same with TLS and without. Nothing is decoded: keys need no quoting, so each has one spelling.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from imgstore import errors
from imgstore.driver import check_key
from imgstore.drivers.s3.options import S3Options

AMAZON = "s3.amazonaws.com"

_URL = re.compile(r"s3(?:\+https?)?://(?:[!-~]*@)?([^@/?#\s]+)/([^@?#\s]+)", re.ASCII)


class Urls:
    """The URLs of one store."""

    def __init__(self, options: S3Options) -> None:
        endpoint = options.server_url or f"https://{_amazon(options.region)}"
        parts = urlsplit(endpoint)
        self._host = parts.netloc.lower()
        self._path = f"{parts.path.strip('/')}/{options.bucket}/{options.folder}".lstrip("/")
        self._known_hosts = {self._host}
        if options.endpoint_url is None:
            self._known_hosts |= {AMAZON, f"s3-{options.region}.amazonaws.com"}
        self._stem = f"s3+{parts.scheme}://{self._host}/{self._path}"

    def url(self, key: str) -> str:
        """The URL of `key`."""
        return self._stem + check_key(key)

    def key(self, url: str) -> str:
        """The key whose URL this is. Raises InvalidKey."""
        match = _URL.fullmatch(url)
        if match is None or match[1].lower() not in self._known_hosts or not match[2].startswith(self._path):
            raise errors.InvalidKey("The URL is not of an object in this store.")
        return check_key(match[2][len(self._path) :])


def _amazon(region: str | None) -> str:
    return AMAZON if region is None else f"s3.{region}.amazonaws.com"
