"""Multipart uploads of one folder: begun, aborted so that nothing of them survives, and listed.

Undone: a part that is on its way while its upload is aborted may survive it, and a request to begin an upload may have
begun one although its answer was lost. So an abort looks for parts that are left and aborts again, and `NewUpload`
looks for uploads that were begun unnoticed, at its end: the lost request may arrive late. Neither touches an upload of
another key. A server that cannot list uploads or parts is not asked to. Every function raises StoreUnavailable.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver import background, deadline
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.objects import is_own
from imgstore.drivers.s3.requests import Answer, Requests, retried
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

NO_LIST = "uploads"
"""The subject of a warning."""
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
    """What an upload has got so far: bytes (None: the server lists no parts), and when the last part came (by the
    server's clock; 0 for none)."""

    size: int | None
    newest: float


UNLISTED = Parts(None, 0.0)


class NewUpload:
    """The upload of one writer or copy, and whatever its request to begin may have begun besides. `identifier`: empty
    while there is none."""

    def __init__(self, requests: Requests, key: str) -> None:
        self.identifier = ""
        self._requests = requests
        self._key = key
        self._begun_unnoticed: float | None = None

    def begin(self, send: Callable[[], Answer]) -> None:
        """Begins it by `send`. Raises what that raises."""
        self._begun_unnoticed = time.monotonic()
        try:
            answer = send()
        except errors.StoreError as error:
            if s3_errors.surely_nothing(error):
                self._begun_unnoticed = None
            raise
        self.identifier = answer["UploadId"]
        if not retried(answer):
            self._begun_unnoticed = None

    def completed(self) -> None:
        """It is an object now. What else was begun is aborted; if that fails, it is a leftover and no failure."""
        self.identifier = ""
        if self._begun_unnoticed is None:
            return
        try:
            self._sweep()
        except errors.StoreError as error:
            LOG.warning("Could not look for a second upload of %s: %s", self._key, describe(error))
        else:
            background.look_again(f"a second upload of {self._key}", self._sweep)

    def discard(self) -> None:
        """Takes each step, also if another one fails."""
        with contextlib.ExitStack() as steps:
            steps.callback(self._sweep)
            if self.identifier:
                steps.callback(abort, self._requests, self._key, self.identifier)

    def _sweep(self) -> None:
        if self._begun_unnoticed is not None:
            sweep(self._requests, self._key, since=self._begun_unnoticed)


def abort(requests: Requests, key: str, identifier: str) -> None:
    """Returns when nothing of the upload is left."""
    for pause in PAUSES:
        deadline.pause(pause)
        if not requests.abort_upload(key, identifier) or not _survives(requests, key, identifier):
            return
    raise errors.StoreUnavailable("Parts of an upload that was aborted are still there.")


def parts_of(requests: Requests, key: str, identifier: str) -> Parts | None:
    """What the upload has got; None if it is gone; UNLISTED if the server does not tell."""
    size, newest = 0, 0.0
    try:
        for part in requests.list_parts(key, identifier):
            size, newest = size + part["Size"], max(newest, part["LastModified"].timestamp())
    except errors.StoreError as error:
        if s3_errors.code_of(error) in s3_errors.NO_UPLOAD | s3_errors.MISSING:
            return None
        if s3_errors.unknown(error):
            return UNLISTED
        raise
    return Parts(size, newest)


def sweep(requests: Requests, key: str, *, since: float) -> None:
    """Aborts the uploads of `key` that were begun after `since` (`time.monotonic`)."""
    for page in _pages(requests, key):
        begun = requests.now() - (time.monotonic() - since) - _CLOCK_STEP
        for upload in _uploads(requests, page):
            if upload.key == key and upload.begun >= begun:
                abort(requests, key, upload.identifier)


def listing(requests: Requests, beginning: str = "") -> Iterator[Upload]:
    """Every upload of this store whose name begins so; none from a server that lists none, which a warning says."""
    for page in _pages(requests, beginning):
        yield from _uploads(requests, page)


def _pages(requests: Requests, beginning: str) -> Iterator[Answer]:
    try:
        yield from requests.list_uploads(beginning)
    except errors.StoreError as error:
        if not s3_errors.unknown(error):
            raise
        requests.traits.warn_once(
            NO_LIST,
            "The S3 server does not list multipart uploads, so those of dead processes cannot be found. Have the "
            "server abort them by a rule of the bucket's life cycle.",
        )


def _survives(requests: Requests, key: str, identifier: str) -> bool:
    return parts_of(requests, key, identifier) not in (None, UNLISTED)


def _uploads(requests: Requests, page: Answer) -> Iterator[Upload]:
    for upload in page.get("Uploads", []):
        name = requests.name_in_folder(upload["Key"])
        if is_own(name):
            yield Upload(name, upload["UploadId"], upload["Initiated"].timestamp())
