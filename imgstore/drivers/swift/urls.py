"""URLs of objects: written without a credential, read also as glance_store wrote them.

    swift+config://REFERENCE/CONTAINER/KEY            with a file of accounts, as glance_store has it
    swift+https://AUTH_HOST/PATH/CONTAINER/KEY        else; swift+http for http
    swift+https://STORAGE_HOST/PATH/CONTAINER/KEY     in a caller's account

Understood are besides: the first form without a file of accounts, if the reference is the store's; `user:key@` in front
of the host, where the user is the store's own and the host gives its tokens, with `swift://` for `swift+https://`. The
password is never looked at: it may have been changed since, and is dropped.

A URL is an object of this store only if its container is the one that the key leads to. What this module refuses to
do: follow a URL to a host that is not the store's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from imgstore import errors
from imgstore.driver.base import check_key
from imgstore.drivers.swift.containers import Naming
from imgstore.drivers.swift.credentials import Credentials
from imgstore.drivers.swift.settings import Settings

CONFIG = "swift+config://"

_URL = re.compile(
    r"(?P<scheme>swift(?:\+https?|\+config)?)://(?:(?P<login>[^/@]*)@)?(?P<host>[^/@]+)(?P<path>(?:/[^/]+)*?)"
    r"/(?P<container>[^/]+)/(?P<key>[^/]+)",
    re.ASCII,
)


class Urls:
    """The URLs of objects that begin with `prefix`."""

    def __init__(self, prefix: str, naming: Naming) -> None:
        self._prefix = prefix
        self._naming = naming

    def url(self, key: str) -> str:
        """The URL of an object."""
        return f"{self._prefix}{self._naming.container_of(check_key(key))}/{key}"

    def key(self, url: str) -> str:
        """The key of which this is the URL. Raises InvalidKey."""
        key = url.rpartition("/")[2]
        if self._prefix + self._naming.container_of(check_key(key)) + "/" + key != url:
            raise _not_ours()
        return key


class StoreUrls(Urls):
    """The URLs of the store's own account. `credentials` are looked at for the old forms only."""

    def __init__(self, settings: Settings, naming: Naming, credentials: Callable[[], Credentials]) -> None:
        super().__init__(_prefix(settings), naming)
        self._credentials = credentials
        self._reference = settings.reference

    def key(self, url: str) -> str:
        """See Urls. Understands what glance_store wrote."""
        try:
            return super().key(url)
        except errors.InvalidKey:
            match = _URL.fullmatch(url)
            if match is None or not self._is_ours(match):
                raise
        key = check_key(match["key"])
        if match["container"] != self._naming.container_of(key):
            raise _not_ours()
        return key

    def _is_ours(self, match: re.Match[str]) -> bool:
        """Whether user and host are the store's own. What follows the host, such as /v2.0, may be of another time."""
        if match["scheme"] == "swift+config":
            return (match["login"], match["host"], match["path"]) == (None, self._reference, "")
        if match["login"] is None:
            return False
        who = self._credentials()
        user, colon, _ = match["login"].rpartition(":")
        ours = http_scheme(who.auth_url), _host(who.auth_url)
        return bool(colon) and unquote(user) == who.user and (http_scheme(match["scheme"]), match["host"]) == ours


def prefix_of(url: str) -> str:
    """How the URLs of objects begin that are reached by way of an http URL."""
    scheme, _, rest = url.partition("://")
    return f"swift+{scheme}://{rest.rstrip('/')}/"


def http_scheme(url: str) -> str:
    """http or https, of an http URL or of one of ours; swift:// has always meant https."""
    scheme = url.partition(":")[0].rpartition("+")[2]
    return "https" if scheme == "swift" else scheme


def _prefix(settings: Settings) -> str:
    if settings.account_file is not None:
        return f"{CONFIG}{settings.reference}/"
    own = settings.own
    return prefix_of(own.auth_url if own is not None else settings.endpoint or "https://swift.invalid")


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _not_ours() -> errors.InvalidKey:
    return errors.InvalidKey("The URL is not of an object in this store.")
