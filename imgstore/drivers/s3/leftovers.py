"""What dead uploads left in a bucket: multipart uploads that nobody ended, and probes of a check that died.

S3 does not tell a living upload from a dead one, so age decides: an upload is left alone while it is younger than asked
for, or while its last part is. An object that no catalog knows is not a leftover here, since this driver knows no
catalog: `objects()` lists them all, for whoever compares.

What this module refuses to do: fail where a server cannot list its uploads (501); it says so and finds none.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator

from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.objects import PROBE, Objects, is_key, is_probe
from imgstore.drivers.s3.uploads import Upload, Uploads
from imgstore.model import Leftover

_SEPARATOR = "?uploadId="
_IDENTIFIER = re.compile(r"[!-~]{1,1024}", re.ASCII)


def find(objects: Objects, uploads: Uploads, *, older_than: float) -> Iterator[Leftover]:
    """See FindsLeftovers. Raises StoreUnavailable."""
    newest = time.time() - older_than if older_than else math.inf  # some servers round times up
    for upload in _listed(objects, uploads):
        found = _old_upload(uploads, upload, newest) if upload.begun <= newest else None
        if found is not None:
            yield found
    with translated("listing objects"):
        for info in objects.listing(start=PROBE):
            if is_probe(info.key) and (info.modified or 0) <= newest:
                yield Leftover(info.key, "a check that ended with its process", info.size, info.modified)


def remove(objects: Objects, uploads: Uploads, leftover: Leftover) -> None:
    """See FindsLeftovers. Raises InvalidKey for a name that `find` does not give, StoreUnavailable."""
    if is_probe(leftover.name):
        objects.remove(leftover.name)
        return
    key, separator, identifier = leftover.name.partition(_SEPARATOR)
    if not separator or not (is_key(key) or is_probe(key)) or _IDENTIFIER.fullmatch(identifier) is None:
        raise errors.InvalidKey("That is not the name of a leftover.")
    with translated("removing an upload"):
        parts = uploads.parts(key, identifier)
        taken_up = parts is not None and leftover.modified is not None and parts.newest > leftover.modified
        if parts is not None and not taken_up:
            uploads.abort(key, identifier)


def remove_traces(objects: Objects, uploads: Uploads, key: str) -> None:
    """See RemovesTraces. Raises StoreUnavailable."""
    for upload in list(_listed(objects, uploads, key)):
        if upload.key == key:
            with translated("removing an upload"):
                uploads.abort(key, upload.identifier)


def _listed(objects: Objects, uploads: Uploads, beginning: str = "") -> Iterator[Upload]:
    with translated("listing uploads"):
        try:
            yield from uploads.listing(beginning)
        except ClientError as error:
            if not s3_errors.unknown(error):
                raise
            objects.traits.warn_once(
                "uploads",
                "The S3 server does not list multipart uploads: those of dead processes cannot be found here. Have the "
                "server abort them by a rule of the bucket's life cycle.",
            )


def _old_upload(uploads: Uploads, upload: Upload, newest: float) -> Leftover | None:
    """The leftover that an upload is; None if it is gone, or a part of it is younger than `newest`."""
    size: int | None = None
    touched = upload.begun
    with translated("listing parts"):
        try:
            parts = uploads.parts(upload.key, upload.identifier)
        except ClientError as error:
            if not s3_errors.unknown(error):
                raise
        else:
            if parts is None:
                return None
            size, touched = parts.size, max(touched, parts.newest)
    if touched > newest:
        return None
    key = upload.key if is_key(upload.key) else None
    return Leftover(f"{upload.key}{_SEPARATOR}{upload.identifier}", "an upload that nobody ended", size, touched, key)
