"""URLs of objects: `s3+https://host/bucket/prefix/key`, without any credential (law 7).

The URLs that glance_store wrote are understood when they are read: `s3://access:secret@host/bucket/key` and the same
with `s3+http` and `s3+https`. What stands before the '@', slashes included, is dropped unread. So is the scheme: the
bucket is the same whether it is reached with TLS or without.

What this module refuses to do: take the URL of another host, bucket or folder, or decode anything: keys need no
quoting, so there is one spelling.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from imgstore import errors
from imgstore.driver.base import check_key
from imgstore.drivers.s3.settings import Settings

AMAZON = "s3.amazonaws.com"

_URL = re.compile(r"s3(?:\+https?)?://(?:[!-~]*@)?([^@/?#\s]+)/([^@?#\s]+)", re.ASCII)


class Urls:
    """The URLs of one store."""

    def __init__(self, settings: Settings) -> None:
        endpoint = settings.endpoint_url or f"https://{_amazon(settings.region)}"
        parts = urlsplit(endpoint)
        self._host = parts.netloc.lower()
        self._path = f"{parts.path.strip('/')}/{settings.bucket}/{settings.prefix}".lstrip("/")
        self._known_hosts = {self._host}
        if settings.endpoint_url is None:
            self._known_hosts |= {AMAZON, f"s3-{settings.region}.amazonaws.com"}
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
