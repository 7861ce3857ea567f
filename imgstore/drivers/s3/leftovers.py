"""Leftovers in a bucket: unfinished multipart uploads, and probes of interrupted checks.

S3 does not tell an upload under way from a dead one, so age decides: an upload is no leftover while it, or its last
part, is younger than the caller asks for. Nor is an object that no catalog knows, since this driver knows no catalog:
`objects()` lists them all. If a server cannot list its uploads (501), a warning says so, and none is found.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator

from imgstore import errors
from imgstore.driver import is_key
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3 import uploads
from imgstore.drivers.s3.objects import PROBE, is_own, is_probe
from imgstore.drivers.s3.requests import Requests
from imgstore.drivers.s3.uploads import Upload
from imgstore.model import Leftover

_SEPARATOR = "?uploadId="
_IDENTIFIER = re.compile(r"[!-~]{1,1024}", re.ASCII)


def find(requests: Requests, *, older_than: float) -> Iterator[Leftover]:
    """Every leftover that nobody touched for `older_than` seconds. Raises StoreUnavailable."""
    newest = time.time() - older_than if older_than else math.inf  # some servers round times up
    for upload in _listed(requests):
        found = _old_upload(requests, upload, newest) if upload.begun <= newest else None
        if found is not None:
            yield found
    for info in requests.list_objects(PROBE):
        if is_probe(info.key) and (info.modified or 0) <= newest:
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
    """Whether a part came since the leftover was found; unknown, and so no, where its parts could not be listed."""
    return None not in (leftover.size, leftover.modified) and parts.newest > (leftover.modified or 0)


def remove_traces(requests: Requests, key: str) -> None:
    """Aborts every upload of `key`, of whatever age. Raises StoreUnavailable."""
    for upload in list(_listed(requests, key)):
        if upload.key == key:
            uploads.abort(requests, key, upload.identifier)


def _listed(requests: Requests, beginning: str = "") -> Iterator[Upload]:
    try:
        yield from uploads.listing(requests, beginning)
    except errors.StoreError as error:
        if not s3_errors.unknown(error):
            raise
        requests.traits.warn_once(
            "uploads",
            "The S3 server does not list multipart uploads, so those of dead processes cannot be found. Have the "
            "server abort them by a rule of the bucket's life cycle.",
        )


def _old_upload(requests: Requests, upload: Upload, newest: float) -> Leftover | None:
    """The leftover that an upload is; None if it is gone, or a part of it is younger than `newest`."""
    size: int | None = None
    touched = upload.begun
    try:
        parts = uploads.parts_of(requests, upload.key, upload.identifier)
    except errors.StoreError as error:
        if not s3_errors.unknown(error):
            raise
    else:
        if parts is None:
            return None
        size, touched = parts.size, max(touched, parts.newest)
    if touched > newest:
        return None
    key = upload.key if is_key(upload.key) else None
    return Leftover(
        f"{upload.key}{_SEPARATOR}{upload.identifier}", "an unfinished multipart upload", size, touched, key
    )
