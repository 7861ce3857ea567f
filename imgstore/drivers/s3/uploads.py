"""Multipart uploads of one folder: aborted so that nothing of them survives, and listed.

Undone: a part that is on its way while its upload is aborted may survive it, and a request to begin an upload may have
begun one although its answer was lost. So an abort looks for parts that are left and aborts again, and `sweep` finds
uploads that were begun unnoticed. Neither touches an upload of another key. Every function raises StoreUnavailable.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.objects import is_own
from imgstore.drivers.s3.requests import Answer, Requests

PAUSES = (0.0, 0.2, 1.0, 3.0)
"""Seconds before each try to abort an upload."""
_CLOCK_STEP = 2.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was begun at `begun` (seconds since the epoch, by the server's clock)."""

    key: str
    identifier: str
    begun: float


@dataclass(frozen=True, slots=True)
class Parts:
    """What an upload has got so far: bytes, and when the last part came (by the server's clock; 0 for none)."""

    size: int
    newest: float


def abort(requests: Requests, key: str, identifier: str) -> None:
    """Returns when nothing of the upload is left."""
    for pause in PAUSES:
        time.sleep(pause)
        if not requests.abort_upload(key, identifier) or not _survives(requests, key, identifier):
            return
    raise errors.StoreUnavailable("Parts of an upload that was aborted are still there.")


def parts_of(requests: Requests, key: str, identifier: str) -> Parts | None:
    """What the upload has got; None if it is gone."""
    size, newest = 0, 0.0
    try:
        for part in requests.list_parts(key, identifier):
            size, newest = size + part["Size"], max(newest, part["LastModified"].timestamp())
    except errors.StoreError as error:
        if s3_errors.code_of(error) in s3_errors.NO_UPLOAD | s3_errors.MISSING:
            return None
        raise
    return Parts(size, newest)


def sweep(requests: Requests, key: str, *, keep: str | None, since: float) -> None:
    """Aborts the uploads of `key` that were begun after `since` (`time.monotonic`), except `keep`."""
    for page in requests.list_uploads(key):
        begun = _server_time(page) - (time.monotonic() - since) - _CLOCK_STEP
        for upload in _uploads(requests, page):
            if upload.key == key and upload.begun >= begun and upload.identifier != keep:
                abort(requests, key, upload.identifier)


def listing(requests: Requests, beginning: str = "") -> Iterator[Upload]:
    """Every upload of this store whose name begins so."""
    for page in requests.list_uploads(beginning):
        yield from _uploads(requests, page)


def _survives(requests: Requests, key: str, identifier: str) -> bool:
    try:
        return parts_of(requests, key, identifier) is not None
    except errors.StoreError as error:
        if s3_errors.not_taken(error):
            return False
        raise


def _uploads(requests: Requests, page: Answer) -> Iterator[Upload]:
    for upload in page.get("Uploads", []):
        name = requests.name_in_folder(upload["Key"])
        if is_own(name):
            yield Upload(name, upload["UploadId"], upload["Initiated"].timestamp())


def _server_time(answer: Answer) -> float:
    """The server's clock when it answered, by which uploads have their times; this machine's if it does not tell."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return time.time()
