"""Copies inside one bucket, made by the server: no byte passes through here.

Up to `options.LARGEST_PART` bytes one request does it, more are copied in parts. The source is pinned by its ETag,
and what has come of it is compared by size, and by ETag where both are an md5. What this module refuses to do: replace
an object, or leave half of one.
"""

from __future__ import annotations

import contextlib
import math
import secrets
from typing import Any

from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.objects import Objects
from imgstore.drivers.s3.options import LARGEST_PART
from imgstore.drivers.s3.uploads import Uploads
from imgstore.model import MIB, ObjectInfo

PART = 512 * MIB


class Copier:
    """Makes copies. `whole`: bytes up to which one request is enough; `part`: bytes of one part of a larger object."""

    def __init__(self, objects: Objects, uploads: Uploads, *, whole: int = LARGEST_PART, part: int = PART) -> None:
        self._objects = objects
        self._uploads = uploads
        self._whole = whole
        self._part = part

    def copy(self, source: ObjectInfo, target: str) -> ObjectInfo:
        """The new object. Raises ObjectExists, ObjectNotFound, ObjectChanged, IntegrityError, StoreUnavailable."""
        with contextlib.suppress(errors.ObjectNotFound):
            self._objects.head(target)
            raise errors.ObjectExists("An object with that key exists already.")
        marker = secrets.token_hex(16)
        with contextlib.ExitStack() as undo, translated("copying"):
            undo.callback(self._remove, target, marker)
            try:
                self._whole_or_parts(source, target, marker)
            except ClientError as error:
                if s3_errors.code_of(error) in s3_errors.PRECONDITION:
                    raise errors.ObjectChanged("The object changed in the store while it was copied.") from None
                raise
            made = self._objects.info(target)
            self._expect_same(source, made)
            undo.pop_all()
        return made

    def _whole_or_parts(self, source: ObjectInfo, target: str, marker: str) -> None:
        wanted = self._objects.new(target, marker)
        origin: dict[str, Any] = {
            "CopySource": self._objects.place(source.key),
            "CopySourceIfMatch": f'"{source.etag}"',
        }
        if source.size > self._whole:
            self._in_parts(source, target, wanted, origin)
            return
        replaced: dict[str, Any] = {
            "MetadataDirective": "REPLACE",
            **({"TaggingDirective": "REPLACE"} if "Tagging" in wanted else {}),
        }
        self._objects.call(lambda s3: s3.copy_object(**wanted, **origin, **replaced))

    def _in_parts(self, source: ObjectInfo, target: str, wanted: dict[str, Any], origin: dict[str, Any]) -> None:
        upload = self._uploads.begin(**wanted)["UploadId"]
        with contextlib.ExitStack() as undo:
            undo.callback(self._uploads.abort, target, upload)
            parts = [
                self._copy_part(source, target, upload, number, origin)
                for number in range(1, math.ceil(source.size / self._part) + 1)
            ]
            place: dict[str, Any] = {
                **self._objects.place(target),
                "UploadId": upload,
                "MultipartUpload": {"Parts": parts},
            }
            self._objects.call(lambda s3: s3.complete_multipart_upload(**place))
            undo.pop_all()

    def _copy_part(self, source: ObjectInfo, target: str, upload: str, number: int, origin: dict[str, Any]) -> Any:
        start = (number - 1) * self._part
        stop = min(start + self._part, source.size)
        place = {**self._objects.place(target), "UploadId": upload, "PartNumber": number, **origin}
        answer = self._objects.call(
            lambda s3: s3.upload_part_copy(**place, CopySourceRange=f"bytes={start}-{stop - 1}")
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _expect_same(self, source: ObjectInfo, made: ObjectInfo) -> None:
        both_md5 = all(len(info.etag or "") == 32 for info in (source, made))
        if made.size != source.size or (both_md5 and self._objects.traits.md5_etags and made.etag != source.etag):
            raise errors.IntegrityError("The copy differs from the object that was copied.")

    def _remove(self, target: str, marker: str) -> None:
        """What a failed request may have made nevertheless."""
        with contextlib.suppress(errors.StoreError):
            if self._objects.own(target, marker) is not None:
                self._objects.remove(target)
