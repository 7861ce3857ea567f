"""Copies inside one bucket, made by the server: no byte passes through here.

One request copies an object of up to `options.LARGEST_PART` bytes; a larger one is copied in parts. The source is
pinned by its ETag. The copy is compared by its size, and by its ETag if both ETags are an md5. A copy replaces no
object, and a failed one leaves nothing (undone).
"""

from __future__ import annotations

import contextlib
import secrets

from imgstore import errors
from imgstore.drivers.s3 import uploads
from imgstore.drivers.s3.objects import look_up, marked
from imgstore.drivers.s3.options import LARGEST_PART
from imgstore.drivers.s3.requests import Answer, Requests
from imgstore.model import MIB, ObjectInfo

PART = 512 * MIB


class Copier:
    """Makes copies. `whole`: bytes up to which one request is enough; `part`: bytes of one part of a larger object."""

    def __init__(self, requests: Requests, *, whole: int = LARGEST_PART, part: int = PART) -> None:
        self._requests = requests
        self._whole = whole
        self._part = part

    def copy(self, source: ObjectInfo, target: str) -> ObjectInfo:
        """The new object. Raises ObjectExists, ObjectNotFound, ObjectChanged, IntegrityError, StoreUnavailable."""
        with contextlib.suppress(errors.ObjectNotFound):
            self._requests.head_object(target)
            raise errors.ObjectExists("An object with that key exists already.")
        marker = secrets.token_hex(16)
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove, target, marker)
            if source.size > self._whole:
                self._in_parts(source, target, marker)
            else:
                self._requests.copy_object(source, target, marker)
            made = look_up(self._requests, target)
            self._expect_same(source, made)
            undo.pop_all()
        return made

    def _in_parts(self, source: ObjectInfo, target: str, marker: str) -> None:
        upload = self._requests.create_upload(target, marker)["UploadId"]
        with contextlib.ExitStack() as undo:
            undo.callback(uploads.abort, self._requests, target, upload)
            starts = range(0, source.size, self._part)
            parts = [self._copy_part(source, start, target, upload) for start in starts]
            self._requests.complete_upload(target, upload, parts)
            undo.pop_all()

    def _copy_part(self, source: ObjectInfo, start: int, target: str, upload: str) -> Answer:
        stop, number = min(start + self._part, source.size), start // self._part + 1
        answer = self._requests.upload_part_copy(source, start, stop, target, upload, number)
        return {"ETag": answer["ETag"]}

    def _expect_same(self, source: ObjectInfo, made: ObjectInfo) -> None:
        both_md5 = all(len(info.etag or "") == 32 for info in (source, made))
        if made.size != source.size or (both_md5 and self._requests.traits.md5_etags and made.etag != source.etag):
            raise errors.IntegrityError("The copy differs from the object that was copied.")

    def _remove(self, target: str, marker: str) -> None:
        """Removes what a failed request may have made nevertheless."""
        with contextlib.suppress(errors.StoreError):
            if marked(self._requests, target, marker) is not None:
                self._requests.delete_object(target)
