"""Multipart uploads of one folder: begun, aborted so that nothing of them survives, and listed.

Law 3: a part that is on its way while its upload is aborted may survive it, and a request to begin an upload whose
answer was lost may have begun one. So an abort looks whether parts are left and aborts again, and `sweep` finds what
was begun unnoticed. What this module refuses to do: touch an upload of another key.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.integrity import Answer
from imgstore.drivers.s3.objects import Objects

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


class Uploads:
    """The uploads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def begin(self, **parameters: Any) -> Any:
        """The answer to a request that begins an upload. Raises what botocore raises."""
        return self._objects.call(lambda s3: s3.create_multipart_upload(**parameters))

    def abort(self, key: str, identifier: str) -> None:
        """Returns when nothing of the upload is left. Raises what botocore raises; StoreUnavailable if it cannot be."""
        wanted = {**self._objects.place(key), "UploadId": identifier}
        for pause in PAUSES:
            time.sleep(pause)
            try:
                self._objects.call(lambda s3: s3.abort_multipart_upload(**wanted))
            except ClientError as error:
                if s3_errors.code_of(error) not in s3_errors.NO_UPLOAD:
                    raise
                return
            if not self._survives(key, identifier):
                return
        raise errors.StoreUnavailable("Parts of an upload that was aborted are still there.")

    def parts(self, key: str, identifier: str) -> Parts | None:
        """What the upload has got; None if it is gone. Raises what botocore raises."""
        wanted = {**self._objects.place(key), "UploadId": identifier}
        size, newest = 0, 0.0
        while True:
            try:
                page = self._objects.call(partial(_list_parts, wanted))
            except ClientError as error:
                if s3_errors.code_of(error) in s3_errors.NO_UPLOAD | s3_errors.MISSING:
                    return None
                raise
            for part in page.get("Parts", []):
                size, newest = size + part["Size"], max(newest, part["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return Parts(size, newest)
            wanted["PartNumberMarker"] = page["NextPartNumberMarker"]

    def sweep(self, key: str, *, keep: str | None, since: float) -> None:
        """Aborts the uploads of `key` that were begun after `since` (`time.monotonic`), except `keep`. Raises what
        `abort` does."""
        answer = self._page({"Prefix": self._objects.prefix + key})
        begun = _server_time(answer) - (time.monotonic() - since) - _CLOCK_STEP
        for upload in self._found(answer):
            if upload.key == key and upload.begun >= begun and upload.identifier != keep:
                self.abort(key, upload.identifier)

    def listing(self, beginning: str = "") -> Iterator[Upload]:
        """Every upload of a name of this store that begins so. Raises what botocore raises."""
        wanted: dict[str, Any] = {"Prefix": self._objects.prefix + beginning, "Delimiter": "/"}
        while True:
            page = self._page(wanted)
            yield from self._found(page)
            if not page.get("IsTruncated"):
                return
            wanted["KeyMarker"] = page["NextKeyMarker"]
            wanted["UploadIdMarker"] = page["NextUploadIdMarker"]

    def _survives(self, key: str, identifier: str) -> bool:
        try:
            found = self.parts(key, identifier)
        except ClientError as error:
            if s3_errors.not_taken(error):
                return False
            raise
        return found is not None

    def _page(self, wanted: dict[str, Any]) -> Any:
        return self._objects.call(partial(_list_uploads, {**self._objects.bucket, **wanted}))

    def _found(self, page: Answer) -> Iterator[Upload]:
        for upload in page.get("Uploads", []):
            name = self._objects.own_name(upload["Key"])
            if name is not None:
                yield Upload(name, upload["UploadId"], upload["Initiated"].timestamp())


def _list_parts(wanted: dict[str, Any], s3: Any) -> Any:
    return s3.list_parts(**wanted)


def _list_uploads(wanted: dict[str, Any], s3: Any) -> Any:
    return s3.list_multipart_uploads(**wanted)


def _server_time(answer: Answer) -> float:
    """The server's clock when it answered, by which uploads have their times; this machine's where it tells none."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return time.time()
