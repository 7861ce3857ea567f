"""URLs of objects: `file:///datadir/key`. Those that glance_store wrote are read too.

glance_store quotes nothing, keeps the directory as the operator spelled it, and takes `filesystem://` for `file://`.
Keys need no quoting, so there is nothing to decode: a URL begins as one of the few that are known, or it is refused.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from imgstore import errors
from imgstore.driver import check_key

OLD_SCHEMES = ("file", "filesystem")


class Urls:
    """The URLs of one store. `datadir`: its directory, as the library names it; `spelled`: as the operator does."""

    def __init__(self, datadir: str, *, spelled: str) -> None:
        self._stem = f"file://{quote(os.fsencode(datadir))}/"
        raw = {os.path.join(path, "") for path in (datadir, spelled)}
        self._known = (self._stem, *(f"{scheme}://{path}" for scheme in OLD_SCHEMES for path in raw))

    def url(self, key: str) -> str:
        """The URL of `key`."""
        return self._stem + check_key(key)

    def key(self, url: str) -> str:
        """The key whose URL this is. Raises InvalidKey."""
        stem, slash, key = url.rpartition("/")
        if stem + slash not in self._known:
            raise errors.InvalidKey("The URL is not of an object in this store.")
        return check_key(key)
