"""URLs of objects: written without a credential, read also as glance_store wrote them; and temporary URLs.

    swift+config://REFERENCE/CONTAINER/KEY            with a file of accounts, as glance_store has it
    swift+https://AUTH_HOST/PATH/CONTAINER/KEY        else; swift+http for http
    swift+https://STORAGE_HOST/PATH/CONTAINER/KEY     in a caller's account

Old forms are read too: the first form without a file of accounts, if the reference is the store's (glance_store 5.7
writes `None` for the one that it takes where none is set); `user:key@` in front of the host, if the user is the store's
own and the host gives its tokens, with `swift://` for `swift+https://`. The password is dropped unread, slashes
included: it may have been changed since. A URL is an object of this store only if its container is the one that the key
leads to.

With a temporary URL anybody may read one object for some time, without a token. The signature is in the URL, which is
therefore a credential itself: it is handed to the caller and never logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from swiftclient.utils import generate_temp_url  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.driver import check_key
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.containers import Naming
from imgstore.drivers.swift.credentials import Credentials
from imgstore.drivers.swift.errors import NotAsConfigured
from imgstore.drivers.swift.options import DEFAULT_REFERENCE, SwiftOptions

ACCOUNT_KEYS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")

_URL = re.compile(
    r"(?P<scheme>swift(?:\+https?|\+config)?)://(?:(?P<login>[^@]*)@)?(?P<host>[^/@]+)(?P<path>(?:/[^/]+)*?)"
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
        """The key of the object with this URL. Raises InvalidKey."""
        key = url.rpartition("/")[2]
        if self.url(key) != url:
            raise not_ours()
        return key


class StoreUrls(Urls):
    """The URLs of the store's own account. `credentials` are looked at for the old forms only."""

    def __init__(self, options: SwiftOptions, naming: Naming, credentials: Callable[[], Credentials]) -> None:
        super().__init__(_prefix(options), naming)
        self._credentials = credentials
        unset = {"None"} if options.reference == DEFAULT_REFERENCE else set()
        self._references = {options.reference, *unset}

    def key(self, url: str) -> str:
        """The key of the object with this URL, or with an old one. Raises InvalidKey."""
        try:
            return super().key(url)
        except errors.InvalidKey:
            match = _URL.fullmatch(url)
            if match is None or not self._is_ours(match):
                raise
        key = check_key(match["key"])
        if match["container"] != self._naming.container_of(key):
            raise not_ours()
        return key

    def _is_ours(self, match: re.Match[str]) -> bool:
        """Whether user and host are the store's own. What follows the host, such as /v2.0, may be of another time."""
        if match["scheme"] == "swift+config":
            return match["host"] in self._references and (match["login"], match["path"]) == (None, "")
        if match["login"] is None:
            return False
        who = self._credentials()
        user, colon, _ = match["login"].rpartition(":")
        where, ours = (http_scheme(match["scheme"]), match["host"]), urlsplit(who.token_url)[:2]
        return bool(colon) and unquote(user) == who.user_in_url and where == ours


def prefix_of(url: str) -> str:
    """How the URLs of objects begin that are reached by way of an http URL."""
    scheme, _, rest = url.partition("://")
    return f"swift+{scheme}://{rest.rstrip('/')}/"


def http_scheme(url: str) -> str:
    """http or https, of an http URL or of one of ours; swift:// has always meant https."""
    scheme = url.partition(":")[0].rpartition("+")[2]
    return "https" if scheme == "swift" else scheme


def not_ours() -> errors.InvalidKey:
    """The error for a URL of another store."""
    return errors.InvalidKey("The URL is not of an object in this store.")


def temporary_url(account: AccountClient, path: Path, *, seconds: int, key: str | None) -> str:
    """A URL with which the object can be read for so many seconds, signed by `key`, or by the one that the account has.
    The digest is the best one that the cluster takes: Ceph's gateway takes SHA-1 only. Raises UsageError,
    NotAsConfigured."""
    if seconds < 1:
        raise errors.UsageError(f"A temporary URL is good for 1 second or more, not for {seconds}.")
    digests = account.limits().digests
    if not digests:
        raise NotAsConfigured("temp_url_key", "the cluster has no temporary URLs.", "Let it have the filter tempurl.")
    parts = urlsplit(account.url)
    signed: str = generate_temp_url(
        f"{parts.path}/{path[0]}/{path[1]}", seconds, key or _key_of(account), "GET", digest=digests[0]
    )
    return f"{parts.scheme}://{parts.netloc}{signed}"


def _key_of(account: AccountClient) -> str:
    headers = account.head_account()
    keys = [headers[name] for name in ACCOUNT_KEYS if headers.get(name)]
    if not keys:
        raise NotAsConfigured(
            "temp_url_key", "is not set, and the account has no key.", "Set it: swift post -m 'Temp-URL-Key: ...'."
        )
    return keys[0]


def _prefix(options: SwiftOptions) -> str:
    if options.account_file is not None:
        return f"swift+config://{options.reference}/"
    own = options.own
    return prefix_of(own.token_url if own is not None else options.account_url or "https://swift.invalid")
