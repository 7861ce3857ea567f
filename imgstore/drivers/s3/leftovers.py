"""Leftovers in a bucket: unfinished multipart uploads, and probes of interrupted checks.

S3 does not tell an upload under way from a dead one, so age decides: an upload is no leftover while it, or its last
part, is younger than the caller asks for. Nor is an object that no catalog knows, since this driver knows no catalog:
`objects()` lists them all. If a server cannot list its uploads (501), a warning says so, and none is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgstore import errors
from imgstore.driver import is_key
from imgstore.drivers.s3 import uploads
from imgstore.drivers.s3.objects import PROBE, is_own, is_probe
from imgstore.drivers.s3.requests import Requests
from imgstore.drivers.s3.uploads import Upload
from imgstore.model import Leftover

_SEPARATOR = "?uploadId="
_IDENTIFIER = re.compile(r"[!-~]{1,1024}", re.ASCII)


def find(requests: Requests, *, older_than: float) -> Iterator[Leftover]:
    """Every leftover that nobody touched for `older_than` seconds. Raises StoreUnavailable."""
    for upload in uploads.listing(requests):
        found = _old_upload(requests, upload, older_than) if requests.is_older(upload.begun, older_than) else None
        if found is not None:
            yield found
    for info in requests.list_objects(PROBE):
        if is_probe(info.key) and requests.is_older(info.modified or 0, older_than):
            yield Leftover(info.key, "a check that ended with its process", info.size, info.modified)


def remove(requests: Requests, leftover: Leftover) -> None:
    """Removes one, unless it is gone or got another part since it was found. Raises InvalidKey for a name that `find`
    does not give, StoreUnavailable."""
    if is_probe(leftover.name):
        requests.delete_object(leftover.name)
        return
    key, separator, identifier = leftover.name.partition(_SEPARATOR)
    if not separator or not is_own(key) or _IDENTIFIER.fullmatch(identifier) is None:
        raise errors.InvalidKey("That is not the name of a leftover.")
    parts = uploads.parts_of(requests, key, identifier)
    if parts is not None and not _has_grown(parts, leftover):
        uploads.abort(requests, key, identifier)


def _has_grown(parts: uploads.Parts, leftover: Leftover) -> bool:
    """Whether a part came since the leftover was found; unknown, and so no, where parts cannot be listed."""
    return parts is not uploads.UNLISTED and leftover.modified is not None and parts.newest > (leftover.modified or 0)


def clear_leftovers(requests: Requests, key: str) -> None:
    """Aborts every upload of `key`, of whatever age. Raises StoreUnavailable."""
    for upload in list(uploads.listing(requests, key)):
        if upload.key == key:
            uploads.abort(requests, key, upload.identifier)


def _old_upload(requests: Requests, upload: Upload, older_than: float) -> Leftover | None:
    """The leftover that an upload is; None if it is gone, or a part of it is younger."""
    parts = uploads.parts_of(requests, upload.key, upload.identifier)
    if parts is None:
        return None
    touched = max(upload.begun, parts.newest)
    if not requests.is_older(touched, older_than):
        return None
    key = upload.key if is_key(upload.key) else None
    return Leftover(
        f"{upload.key}{_SEPARATOR}{upload.identifier}", "an unfinished multipart upload", parts.size, touched, key
    )
