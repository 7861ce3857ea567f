"""Temporary URLs: whoever has one may read one object for some time, without a token. The signature is in the URL,
which is therefore a credential itself: it is handed to the caller and never logged.

The key that signs is the store's option, or the one that the account has. The digest is the best one that the cluster
takes: Ceph's gateway takes SHA-1 only.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from swiftclient.utils import generate_temp_url  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.drivers.swift.account import Account, Path
from imgstore.drivers.swift.cluster_limits import Limits
from imgstore.drivers.swift.errors import NotAsConfigured

ACCOUNT_KEYS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")


def temporary_url(account: Account, path: Path, *, seconds: int, key: str | None, limits: Limits) -> str:
    """A URL with which the object can be read for so many seconds. Raises UsageError, NotAsConfigured."""
    if seconds < 1:
        raise errors.UsageError(f"A temporary URL is good for 1 second or more, not for {seconds}.")
    if not limits.digests:
        raise NotAsConfigured("temp_url_key", "the cluster has no temporary URLs.", "Let it have the filter tempurl.")
    parts = urlsplit(account.url)
    signed: str = generate_temp_url(
        f"{parts.path}/{path[0]}/{path[1]}", seconds, key or _key_of(account), "GET", digest=limits.digests[0]
    )
    return f"{parts.scheme}://{parts.netloc}{signed}"


def _key_of(account: Account) -> str:
    headers = account.head_account()
    keys = [headers[name] for name in ACCOUNT_KEYS if headers.get(name)]
    if not keys:
        raise NotAsConfigured(
            "temp_url_key", "is not set, and the account has no key.", "Set it: swift post -m 'Temp-URL-Key: ...'."
        )
    return keys[0]
